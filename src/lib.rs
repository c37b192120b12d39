//! A Redis and Valkey client for tokio.
//!
//! Every command is a method whose reply has a type. If the server decides the type, it is fixed; if the value is
//! yours, you choose it. Options are methods, too, and those that change the reply change its type.
//!
//! ```no_run
//! use typedis::prelude::*;
//!
//! #[derive(FromRedis, ToRedis)]
//! struct User {
//!     name: String,
//!     age: u32,
//!     email: Option<String>,
//! }
//!
//! # #[tokio::main] async fn main() -> typedis::Result<()> {
//! let conn = typedis::connect("redis://localhost").await?;
//!
//! let n = conn.incr("foo").await?; // i64: nothing to annotate
//! conn.set("k", "v").await?; // ()
//! let won = conn.set("lock", "me").nx().ex(30).await?; // bool: NX may refuse
//! let old: Option<String> = conn.set("k", "w").return_old().await?;
//!
//! conn.hset("user:1", User { name: "Ada".into(), age: 36, email: None }).await?;
//! let user: Option<User> = conn.hgetall("user:1").await?; // None when there is no such hash
//!
//! // Commands of many tasks share one socket and are pipelined; so are these two.
//! let (a, b) = tokio::try_join!(conn.incr("a"), conn.incr("b"))?;
//!
//! // A pipeline and a transaction, each answered with a tuple.
//! let (n, name) = conn.pipeline().incr("n").get::<String>("name").await?;
//! let (x, ()) = conn.transaction().incr("x").set("y", 2).ex(5).await?;
//! # Ok(()) }
//! ```
//!
//! # Which handle
//!
//! | handle | is | for |
//! | --- | --- | --- |
//! | [`Connection`] | one pipelined socket, shared by its clones | almost everything |
//! | [`Pool`] | a few such sockets, and leased ones | many cores; commands that block; [`Pool::watch`] |
//! | [`Cluster`] (feature `cluster`) | all nodes of a cluster | keys on many nodes; the same methods |
//! | [`Exclusive`] | a socket for you alone, leased from a pool or opened | SELECT, WATCH, MULTI by hand, anything that changes the connection |
//! | [`Cached`] (feature `cache`) | a view of a connection, pool or cluster that keeps replies in memory until the server reports a change | keys that are read much more often than changed |
//! | [`Prefixed`] | a view of any handle that puts a prefix before every key | one server for several programs |
//! | [`AnyClient`] | any of these, chosen at run time | a type without parameters in a struct |
//!
//! All of them are [`Client`]s: the bound of a function over any handle. On a shared handle, calls that could make others
//! wait, or change the socket for others, do not compile.
//!
//! # When something fails
//!
//! An [`Error`] says what happened, to which command, and whether the command may have been carried out
//! ([`Error::phase`]). When a connection is lost, commands that were not sent yet go out on the next connection.
//! Commands that were sent go out again only if a second run does no harm. Every command ends by its deadline,
//! 10 s by default; one that blocks has its own time on top, and waits for ever with a time of 0.
//!
//! # Features
//!
//! None is on by default.
//!
//! | feature | adds |
//! | --- | --- |
//! | `cache` | [`Cached`], which keeps replies in memory |
//! | `cluster` | [`Cluster`], many nodes behind one handle |
//! | `json` | [`Json`], for values that are JSON texts |
//! | `tls` | `rediss://` and `Tls`, by the system's TLS library |
//! | `serde` | [`Config`] from a file |
//! | `tracing` | a span for each command, events of connections |
//!
//! # Layout
//!
//! - [`prelude`]: what a program usually needs in scope
//! - [`mod@commands`]: every command, expanded from `commands.toml`
//! - [`args`]: argument types of single commands; [`replies`]: reply types of single commands
//! - [`arg!`]: formatted arguments; [`from_redis`]: for types that decode themselves
//! - [`generic`]: what signatures of your own name beside the handles
//! - [`pubsub`]: publish and subscribe, keyspace events; [`Listen`]: waiting for new elements of lists and streams; [`Worker`]: working
//!   on the entries of a stream, in a consumer group
//! - [`mod@cluster`] and [`mod@cache`], with these features: what only they have
//! - `typedis-core`: the engine; `typedis-macros`: the expansion and the derives

// Layout of what is not public: `field_set`, hashes that all have the same fields; `format`, what `arg!` makes; `listen` and `worker`, waiting for
// new elements and working on them; `rows`, how the rows of an aggregation are fetched.

// docs.rs, which has a newer compiler, shows which feature an item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

// Expansions name the crate by its name, here as in crates that use it.
extern crate self as typedis;

#[doc(hidden)]
pub use typedis_core as __core;

pub mod args;
pub mod commands;
mod field_set;
mod format;
pub mod generic;
mod listen;
pub mod prelude;
pub mod replies;
mod rows;
mod worker;

/// The code of the guide's pages, which the documentation tests compile when all that the pages speak of is there.
#[cfg(all(doctest, feature = "cache", feature = "cluster", feature = "json"))]
mod guide {
    #[doc = include_str!("../README.md")]
    struct Readme;
    #[doc = include_str!("../docs/guide/caching.md")]
    struct Caching;
    #[doc = include_str!("../docs/guide/cluster.md")]
    struct Cluster;
    #[doc = include_str!("../docs/guide/connecting.md")]
    struct Connecting;
    #[doc = include_str!("../docs/guide/errors.md")]
    struct Errors;
    #[doc = include_str!("../docs/guide/pipelines.md")]
    struct Pipelines;
    // Its code is that of tests/testing.rs, which runs it.
    #[doc = include_str!("../docs/guide/testing.md")]
    struct Testing;
    #[doc = include_str!("../docs/guide/types.md")]
    struct Types;
    #[doc = include_str!("../docs/guide/from-fred.md")]
    struct FromFred;
    #[doc = include_str!("../docs/guide/from-redis-rs.md")]
    struct FromRedisRs;
    #[doc = include_str!("../docs/guide/generic-code.md")]
    struct GenericCode;
    #[doc = include_str!("../docs/guide/key-prefix.md")]
    struct KeyPrefix;
    #[doc = include_str!("../docs/guide/observability.md")]
    struct Observability;
    #[doc = include_str!("../docs/guide/maintenance.md")]
    struct Maintenance;
    #[doc = include_str!("../docs/guide/mistakes.md")]
    struct Mistakes;
    #[doc = include_str!("../docs/guide/publish-subscribe.md")]
    struct PublishSubscribe;
    #[doc = include_str!("../docs/guide/recipes.md")]
    struct Recipes;
    #[doc = include_str!("../docs/guide/retrying.md")]
    struct Retrying;
    #[doc = include_str!("../docs/guide/scans-and-waiting.md")]
    struct ScansAndWaiting;
    #[doc = include_str!("../docs/guide/scripts.md")]
    struct Scripts;
    #[doc = include_str!("../docs/guide/workers.md")]
    struct Workers;
    #[doc = include_str!("../docs/guide/your-own-types.md")]
    struct YourOwnTypes;
}

pub use field_set::{FieldSet, ImportsHashes};
pub use format::Formatted;
pub use listen::{Listen, Tail};
pub use worker::{Acknowledge, Job, Tally, Worker, WorkerEvent};

#[cfg(feature = "cache")]
pub use typedis_core::cache::{self, Cache, CacheStats, Cached};
#[cfg(feature = "cluster")]
pub use typedis_core::cluster::{self, Cluster};
pub use typedis_core::{
    Address, AnyClient, ArgError, ArgWriter, Args, Backoff, Batch, BatchHandle, BatchReplies,
    Budget, Chain, Channel, Client, CommandInfo, Config, Connection, Cursor, DecodeError, Detached,
    Each, Error, ErrorKind, Event, Exclusive, Executed, Frame, FromRedis, IntoConfig, IntoRepeat,
    IntoScanStream, Lag, Limits, Message, Name, Obstacle, Open, PatternChannel, Phase, Pipeline,
    Pool, Prefixed, Protocol, Queued, Raw, Record, Repeat, Reply, Request, Result, RowStream, Run,
    ScanStream, Script, Secret, ServerError, Stream, Subscriber, Target, ToArg, ToArgs, ToRecords,
    Transaction, Unclaimed, Value, Watch, Watched, WithPrefix, cmd, each,
};
pub use typedis_core::{
    BlockMilliseconds, Milliseconds, Seconds, SignedMilliseconds, SignedSeconds, Timeout,
    UnixMilliseconds, UnixSeconds,
};
pub use typedis_core::{
    Close, Closed, ClusterCause, ClusterError, ConnectionEvent, Credentials, Done, Events,
    MaintNotifications, Maintenance, MovingEndpoint, Requirement, SentinelCause, SentinelError,
    ServerVersion, ServiceRole, Since, SlotsMove, Stats, TlsCause, TlsError,
};
#[cfg(feature = "json")]
pub use typedis_core::{Json, PublishJson};
#[cfg(feature = "tls")]
pub use typedis_core::{Tls, TlsVersion};
pub use typedis_core::{from_redis, pubsub};
pub use typedis_macros::{FromRedis, ToRedis, commands};

/// Starts a command that is built from words, if there is no method for it. A name of two words (`"CONFIG GET"`) is
/// sent as two.
///
/// The words are looked up in `commands.toml` when the command is run. A command that blocks, changes its connection
/// or leaves no reply is refused where its method would not compile; see [`Raw`].
///
/// ```no_run
/// use typedis::prelude::*;
///
/// # #[tokio::main] async fn main() -> typedis::Result<()> {
/// let conn = typedis::connect("redis://localhost").await?;
/// let n: i64 = conn.run(raw("NEW.CMD").key("k").arg(5).reply()).await?;
///
/// let refused = conn.run(raw("SELECT").arg(1)).await.unwrap_err();
/// assert!(refused.to_string().contains("take an `Exclusive`"));
/// # Ok(()) }
/// ```
pub fn raw(name: &str) -> Raw {
    Raw::new(&commands::RAW, name)
}

/// Connects one shared, pipelined socket.
///
/// ```no_run
/// # #[tokio::main] async fn main() -> typedis::Result<()> {
/// let conn = typedis::connect("redis://localhost").await?;
/// # Ok(()) }
/// ```
///
/// # Errors
/// A bad URL, an unreachable server, a refused login.
pub async fn connect(config: impl IntoConfig) -> Result<Connection> {
    Connection::open(config).await
}

/// Connects one shared, pipelined socket when the first command is sent; see [`Connection::lazy`].
///
/// ```no_run
/// # #[tokio::main] async fn main() -> typedis::Result<()> {
/// let conn = typedis::connect_lazy("redis://localhost")?; // no `await`: the server may be down
/// # Ok(()) }
/// ```
///
/// # Errors
/// A bad URL or configuration; that there is no runtime.
pub fn connect_lazy(config: impl IntoConfig) -> Result<Connection> {
    Connection::lazy(config)
}

/// Connects a pool: a few shared sockets, and others to lease.
///
/// # Errors
/// A bad URL, an unreachable server, a refused login.
pub async fn pool(config: impl IntoConfig) -> Result<Pool> {
    Pool::open(config).await
}

/// Connects a pool when the first command is sent; see [`Pool::lazy`].
///
/// ```no_run
/// # #[tokio::main] async fn main() -> typedis::Result<()> {
/// let pool = typedis::pool_lazy("redis://localhost?lanes=4")?; // no `await`: the server may be down
/// # Ok(()) }
/// ```
///
/// # Errors
/// A bad URL or configuration; that there is no runtime.
pub fn pool_lazy(config: impl IntoConfig) -> Result<Pool> {
    Pool::lazy(config)
}

/// Opens a cluster: all of its nodes behind one handle. Any of them is enough to begin with.
///
/// ```no_run
/// use typedis::prelude::*;
///
/// # #[tokio::main] async fn main() -> typedis::Result<()> {
/// let cluster = typedis::cluster("redis://node-1,node-2,node-3").await?;
/// let visits = cluster.incr("visits").await?; // on the node that has this key
/// let both = cluster.mget::<String>(["name", "city"]).await?; // on two nodes, joined in order
/// # Ok(()) }
/// ```
///
/// # Errors
/// A bad URL, no server that can be reached, a refused login, nodes that serve no slots.
#[cfg(feature = "cluster")]
pub async fn cluster(config: impl IntoConfig) -> Result<Cluster> {
    Cluster::open(config).await
}

/// Opens a cluster when the first command is sent; see [`Cluster::lazy`].
///
/// ```no_run
/// # #[tokio::main] async fn main() -> typedis::Result<()> {
/// let cluster = typedis::cluster_lazy("redis://node-1,node-2,node-3")?; // no `await`: the cluster may be down
/// # Ok(()) }
/// ```
///
/// # Errors
/// A bad URL or configuration; that there is no runtime.
#[cfg(feature = "cluster")]
pub fn cluster_lazy(config: impl IntoConfig) -> Result<Cluster> {
    Cluster::lazy(config)
}

/// Connects a socket that no other handle uses.
///
/// # Errors
/// A bad URL, an unreachable server, a refused login.
pub async fn exclusive(config: impl IntoConfig) -> Result<Exclusive> {
    Exclusive::open(config).await
}
