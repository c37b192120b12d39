//! The engine of typedis: what every command of the `typedis` crate runs on. It knows no command by name.
//!
//! # Layout
//!
//! The folders are layers: each imports only from layers below its own, which `cargo xtask layers` checks. From the
//! top down:
//!
//! - [`cache`]: replies that are kept in memory
//! - [`cluster`]: which node of a cluster has which keys
//! - [`pubsub`]: publish and subscribe, and other things that servers push
//! - `scan/`, `repeat`: streams of a command that is issued again and again; `host`: the handle that they use
//! - `client`: what all handles have in common
//! - `chain/`: pipelines, transactions and batches
//! - `handle/`: the handles that users hold: connection, exclusive socket, pool
//! - `engine/`: how commands reach the server and replies reach callers
//! - `request/`: how a command is issued on any of these
//! - `connect/`: from a configuration to a socket that is ready
//! - `config/`: builder, URL and file
//! - `json`: values that are JSON texts; `name`: names that other people choose
//! - `command/`: what is sent; `reply/`: what is received
//! - `error/`: what can go wrong
//! - `wire/`: the protocol as bytes; `runtime`: tasks; `planted`: faults that the simulation has to find
//!
//! `derived` has the functions that the expansions of the derives call.

pub mod cache;
mod chain;
mod client;
pub mod cluster;
mod command;
mod config;
mod connect;
#[doc(hidden)]
pub mod derived;
mod engine;
mod error;
mod handle;
mod host;
#[cfg(feature = "json")]
mod json;
mod name;
#[doc(hidden)]
pub mod planted;
pub mod pubsub;
mod repeat;
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

pub use cache::{Cache, CacheStats, Cached};
pub use chain::{
    Atomic, Batch, BatchHandle, BatchReplies, Chain, ChainFuture, EachPipeline, EachPipelineFuture,
    Executed, Open, Pipeline, Plain, Queued, Replies, Transaction, Watch, Watched,
};
pub use client::{AnyClient, Client};
#[doc(hidden)]
pub use command::script_text::ScriptText;
pub use command::{
    ArgWriter, Args, Block, BlockLimit, BlockMilliseconds, Blocks, CommandInfo, Each, Fits, Given,
    Key, Keys, KnownCommand, KnownCommands, Milliseconds, Number, Optional, OptionalArg, Perhaps,
    Record, RequestPolicy, ResponsePolicy, Seconds, SignedMilliseconds, SignedSeconds, StateChange,
    Text, Timeout, ToArg, ToArgs, ToRecords, UnixMilliseconds, UnixSeconds, each,
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
    ArgError, DecodeError, Error, ErrorKind, Obstacle, Phase, Requirement, Result, SentinelCause,
    SentinelError, ServerError, ServerVersion, Since, TlsCause, TlsError,
};
pub use futures_core::Stream;
pub use handle::{Close, Closed, Connection, Exclusive, Pool, Unclaimed};
#[doc(hidden)]
pub use host::Repeated;
pub use host::{Host, IntoHost};
#[cfg(feature = "json")]
pub use json::Json;
pub use name::Name;
#[cfg(feature = "json")]
pub use pubsub::PublishJson;
pub use pubsub::{Channel, Event, Message, PatternChannel, Subscriber};
#[doc(hidden)]
pub use repeat::Pause;
pub use repeat::{Awaited, IntoRepeat, Repeat};
#[doc(hidden)]
pub use reply::FrameRef;
pub use reply::{Frame, Frames, FromRedis, Reply, Value};
#[doc(hidden)]
pub use request::state;
pub use request::{
    AllowsBlocking, AllowsState, Detached, Execute, IntoRequest, Queues, Raw, RawInfo, Request,
    Run, Script, Sink, Target, cmd, raw,
};
pub use scan::{Cursor, IntoScanStream, RowStream, Rows, ScanPage, ScanStream};
pub use wire::Limits;
