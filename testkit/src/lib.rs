//! The test kit of typedis, for its tests, its demo and its benchmarks. It is not part of the library.
//!
//! # Layout
//!
//! - [`servers`]: the real servers, where they come from, and the cache that keeps them
//! - [`server`]: one running server: started on a free port, stopped with the process that started it
//! - [`cluster`]: servers that are a cluster, whose slots and nodes can be moved
//! - [`fleet`]: a primary, a replica and Sentinels
//! - [`shared`](mod@shared): one server per kind for all tests of a process, one database for each test
//! - [`raw`]: a plain blocking connection that speaks RESP2, independent of the library under test
//! - [`docs`]: what a server says about its commands
//! - [`proxy`]: a TCP proxy that delays, splits, withholds and cuts the bytes between a client and a server
//! - `tls` (feature `tls`): certificates, and a proxy that puts TLS in front of a server
//! - [`fake`]: a scripted server, for answers that no real server can be made to give
//! - `simulation` (feature `simulation`): worlds in memory that repeat from a seed, in which the engine is tried
//! - [`resp`]: what a scripted server sends, built from its parts
//! - [`error`]: what can go wrong, as sentences
//!
//! The servers run on Unix only: their processes are supervised by `sh`.

pub mod cluster;
pub mod docs;
pub mod error;
#[cfg(feature = "net")]
pub mod fake;
pub mod fleet;
#[cfg(feature = "net")]
pub mod proxy;
pub mod raw;
pub mod resp;
pub mod server;
pub mod servers;
pub mod shared;
#[cfg(feature = "simulation")]
pub mod simulation;
#[cfg(feature = "tls")]
pub mod tls;

pub use cluster::{Cluster, ClusterBuilder, KeySpace, shared_cluster};
pub use docs::{Argument, CommandDocs, ServerCommands};
pub use error::{Error, Result};
pub use fleet::Fleet;
pub use server::{OwnTls, Server, ServerBuilder};
pub use servers::ServerKind;
pub use shared::{Database, database, shared};
#[cfg(feature = "simulation")]
pub use typedis_core::planted::Planted;
