//! The engine of typedis: what every command of the `typedis` crate runs on. It knows no command by name.
//!
//! # Layout
//!
//! What is sent and received:
//! - `resp/`: bytes to frames and words to bytes, pure functions
//! - [`arg`], [`records`], [`args`]: what can be sent, and the command while it is built
//! - [`from_redis`], [`value`], [`frame`]: what can be received; `chunk`: the bytes it is read from
//! - [`duration`], [`json`]: times, and JSON both ways
//! - [`error`]: what can go wrong
//!
//! How a command is issued:
//! - [`command`], [`request`], [`state`]: the fixed facts of a command, the request, the states of option builders
//! - [`detached`]: commands apart from any connection
//! - [`script`]: Lua scripts, loaded where they are missing
//! - [`host`]: what a stream issues its commands on; [`scan`], [`repeat`]: such streams
//! - [`chain`], [`batch`], [`open`], [`watch`]: pipelines and transactions, commands known at run time, transactions by
//!   hand and optimistic ones
//!
//! How it reaches the server:
//! - [`config`]: builder, URL and file
//! - [`connection`], [`exclusive`], [`pool`]: the handles; [`closing`]: their end in good order;
//!   [`unclaimed`]: replies that nobody waited for any more
//! - [`events`], [`stats`]: what happens to them, and their numbers; `trace`: both for `tracing`
//! - `pending`, `exchange`: one command, one payload on its way; `outgoing`: bytes on theirs
//! - `inflight/`: what waits to be written and for a reply; no I/O
//! - `driver/`: the one task that owns a socket; `background`: tasks
//! - `connect`: from a configuration to a socket that is ready; `resolve`, `transport`, `tls` and `handshake` are its
//!   steps
//! - `sentinel/`: the servers of a service that Sentinels watch, and its failovers
//! - [`credentials`], `renewal`: who we are, and for how long
//! - [`pubsub`]: what servers push, and who reads it

pub mod arg;
pub mod args;
mod background;
pub mod batch;
pub mod chain;
mod chunk;
pub mod closing;
pub mod command;
pub mod config;
mod connect;
pub mod connection;
pub mod credentials;
#[doc(hidden)]
pub mod derived;
pub mod detached;
mod driver;
pub mod duration;
pub mod error;
pub mod events;
mod exchange;
pub mod exclusive;
pub mod frame;
pub mod from_redis;
mod handshake;
pub mod host;
mod inflight;
#[cfg(feature = "json")]
pub mod json;
pub mod open;
mod outgoing;
mod pending;
pub mod pool;
pub mod pubsub;
pub mod records;
mod renewal;
pub mod repeat;
pub mod request;
mod resolve;
mod resp;
pub mod scan;
pub mod script;
mod sentinel;
pub mod state;
pub mod stats;
#[cfg(feature = "tls")]
mod tls;
mod trace;
mod transport;
pub mod unclaimed;
pub mod value;
pub mod watch;

pub use arg::{ArgError, ArgWriter, Each, ToArg, ToArgs, each};
pub use args::{Args, Block, BlockLimit, Keys};
pub use batch::{Batch, BatchReplies};
pub use chain::{Chain, Pipeline, Transaction};
pub use closing::{Close, Closed};
pub use command::{CommandInfo, RequestPolicy, ResponsePolicy, StateChange};
pub use config::{Address, Backoff, Config, IntoConfig, Protocol, Secret, ServiceRole};
#[cfg(feature = "tls")]
pub use config::{Tls, TlsVersion};
pub use connection::Connection;
pub use credentials::Credentials;
pub use detached::{Detached, Raw, Run, cmd, raw};
pub use duration::{
    BlockMilliseconds, Milliseconds, Seconds, SignedMilliseconds, SignedSeconds, Timeout,
    UnixMilliseconds, UnixSeconds,
};
pub use error::{
    Error, ErrorKind, Phase, Result, SentinelCause, SentinelError, ServerError, TlsCause, TlsError,
};
pub use events::{ConnectionEvent, Events};
pub use exclusive::Exclusive;
#[doc(hidden)]
pub use frame::FrameRef;
pub use frame::{Frame, Frames};
pub use from_redis::{DecodeError, FromRedis, Reply};
pub use futures_core::Stream;
pub use host::{Host, IntoHost};
pub use inflight::Budget;
#[cfg(feature = "json")]
pub use json::Json;
pub use open::{Executed, Open, Queued};
pub use pool::Pool;
#[cfg(feature = "json")]
pub use pubsub::PublishJson;
pub use pubsub::{Channel, Event, Lag, Message, PatternChannel, Subscriber};
pub use records::{Fits, Key, Number, Record, Text, ToRecords};
pub use repeat::{Awaited, IntoRepeat, Repeat};
pub use request::{
    AllowsBlocking, AllowsState, Execute, IntoRequest, Queues, Request, Sink, Target,
};
pub use resp::scan::Limits;
pub use scan::{Cursor, IntoScanStream, RowStream, Rows, ScanPage, ScanStream};
pub use script::Script;
pub use stats::Stats;
pub use unclaimed::Unclaimed;
pub use value::Value;
pub use watch::{Watch, Watched};
