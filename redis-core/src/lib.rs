//! The engine of typedis: what every command of the `typedis` crate runs on. It knows no command by name.
//!
//! # Layout
//!
//! The folders are layers: each imports only from layers below its own, which `cargo xtask layers` checks. From the
//! top down:
//!
//! - `fuzzing`: what the fuzz targets need, with the feature of this name only
//! - [`cache`]: replies that are kept in memory
//! - [`cluster`]: which node of a cluster has which keys
//! - [`pubsub`]: publish and subscribe, and other things that servers push
//! - `scan/`: streams of a command that is issued again and again
//! - `client/`: what all handles have in common
//! - `chain/`: pipelines, transactions and batches
//! - `handle/`: the handles that users hold: connection, exclusive socket, pool
//! - `engine/`: how commands reach the server and replies reach callers
//! - `request/`: how a command is issued on any of these
//! - `connect/`: from a configuration to a socket that is ready
//! - `config/`: builder, URL and file
//! - `codec/`: types that are both sent and received, and what derives call
//! - `command/`: what is sent; `reply/`: what is received
//! - `error/`: what can go wrong
//! - `wire/`: the protocol as bytes; `runtime/`: tasks and locks

// docs.rs, which has a newer compiler, shows which feature an item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]
// What the layers below offer to `cluster` and `cache` alone is then unused.
#![cfg_attr(
    not(all(feature = "cluster", feature = "cache")),
    allow(dead_code, unreachable_pub, unused_imports)
)]

#[cfg(feature = "cache")]
pub mod cache;
mod chain;
mod client;
#[cfg(feature = "cluster")]
pub mod cluster;
mod codec;
mod command;
mod config;
mod connect;
mod engine;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod handle;
pub mod pubsub;
mod reply;
mod request;
mod runtime;
mod scan;
mod wire;

/// What a type needs that decodes itself; [`FromRedis`] says which replies decode into which types.
pub mod from_redis {
    pub use crate::reply::from_redis::Fields;
    pub use crate::reply::view::{Elements, Pairs, Str};
}

#[cfg(feature = "cache")]
pub use cache::{Cache, CacheStats, Cached};
pub use chain::{
    Atomic, Batch, BatchHandle, BatchReplies, Chain, ChainFuture, Commit, EachPipeline,
    EachPipelineFuture, Executed, Mode, Open, Pipeline, Plain, Queued, Replies, Transaction, Watch,
    Watched,
};
#[doc(hidden)]
pub use client::host::Repeated;
pub use client::host::{Host, IntoHost};
pub use client::{AnyClient, Client, Prefixed, WithPrefix};
#[cfg(feature = "json")]
pub use codec::Json;
pub use codec::Name;
#[doc(hidden)]
pub use codec::derived;
#[doc(hidden)]
pub use command::PatternPlace;
#[doc(hidden)]
pub use command::script_text::ScriptText;
pub use command::{
    ArgWriter, Args, Block, BlockLimit, BlockMilliseconds, Blocks, CommandInfo, Each, Fits, Given,
    Key, Keys, KnownCommand, KnownCommands, Milliseconds, Naming, Number, Optional, OptionalArg,
    Perhaps, Record, RequestPolicy, ResponsePolicy, Seconds, SignedMilliseconds, SignedSeconds,
    StateChange, Text, Timeout, ToArg, ToArgs, ToRecords, UnixMilliseconds, UnixSeconds, Within,
    each,
};
pub use config::{
    Address, Backoff, Budget, Config, Credentials, IntoConfig, Lag, MaintNotifications,
    MovingEndpoint, Protocol, Secret, ServiceRole,
};
#[cfg(feature = "tls")]
pub use config::{Tls, TlsVersion};
pub use engine::events::{ConnectionEvent, Events};
pub use engine::maintenance::{Maintenance, SlotsMove};
pub use engine::stats::Stats;
pub use error::{
    ArgError, ClusterCause, ClusterError, DecodeError, Done, Error, ErrorKind, Obstacle, Phase,
    Requirement, Result, SentinelCause, SentinelError, ServerError, ServerVersion, Since, TlsCause,
    TlsError,
};
pub use futures_core::Stream;
pub use handle::{Close, Closed, Connection, Exclusive, Pool, Unclaimed};
#[cfg(feature = "json")]
pub use pubsub::PublishJson;
pub use pubsub::{Channel, Event, Message, PatternChannel, Subscriber};
pub use reply::{Frame, Frames, FromRedis, Reply, Value};
#[doc(hidden)]
pub use reply::{FrameRef, KeptReply};
pub use request::{
    AllowsBlocking, AllowsState, Detached, Execute, IntoRequest, Queues, Raw, RawInfo, Request,
    Run, Script, Sink, Target, cmd, raw,
};
#[doc(hidden)]
pub use request::{begin, state};
#[doc(hidden)]
pub use runtime::{planted, simulated};
#[doc(hidden)]
pub use scan::repeat::Pause;
pub use scan::repeat::{Awaited, IntoRepeat, Repeat};
pub use scan::{Cursor, IntoScanStream, RowStream, Rows, ScanPage, ScanStream};
pub use wire::Limits;
#[doc(hidden)]
pub use wire::Step;
