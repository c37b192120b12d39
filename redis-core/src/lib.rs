//! The engine of typedis: what every command of the `typedis` crate runs on. It knows no command by name.
//!
//! # Layout
//!
//! What is sent and received:
//! - `resp/`: bytes to frames and words to bytes, pure functions
//! - [`arg`], [`records`], [`args`]: what can be sent, and the command while it is built
//! - [`from_redis`], [`value`], [`frame`]: what can be received
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
//! - [`config`]: builder and URL
//! - [`connection`], [`exclusive`], [`pool`]: the handles; [`unclaimed`]: replies that nobody waited for any more
//! - `exchange`: one payload on its way
//! - `inflight`: what waits to be written and for a reply; no I/O
//! - `driver/`: the one task that owns a socket
//! - [`pubsub`]: what servers push, and who reads it
//! - `transport`, `handshake`: opening a socket, and the first words on it

pub mod arg;
pub mod args;
pub mod batch;
pub mod chain;
pub mod command;
pub mod config;
pub mod connection;
#[doc(hidden)]
pub mod derived;
pub mod detached;
mod driver;
pub mod duration;
pub mod error;
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
pub mod pool;
pub mod pubsub;
pub mod records;
pub mod repeat;
pub mod request;
mod resp;
pub mod scan;
pub mod script;
pub mod state;
mod transport;
pub mod unclaimed;
pub mod value;
pub mod watch;

pub use arg::{ArgError, ArgWriter, Each, ToArg, ToArgs, each};
pub use args::{Args, Block, BlockLimit, Keys};
pub use batch::{Batch, BatchReplies};
pub use chain::{Chain, Pipeline, Transaction};
pub use command::{CommandInfo, RequestPolicy, ResponsePolicy, StateChange};
pub use config::{Address, Backoff, Config, IntoConfig, Protocol, Secret};
pub use connection::Connection;
pub use detached::{Detached, Raw, Run, cmd, raw};
pub use duration::{
    BlockMilliseconds, Milliseconds, Seconds, SignedMilliseconds, SignedSeconds, Timeout,
    UnixMilliseconds, UnixSeconds,
};
pub use error::{Error, ErrorKind, Phase, Result, ServerError};
pub use exclusive::Exclusive;
pub use frame::{Frame, Frames};
pub use from_redis::{DecodeError, FromRedis, Reply};
pub use futures_core::Stream;
pub use host::Host;
pub use inflight::Budget;
#[cfg(feature = "json")]
pub use json::Json;
pub use open::{Executed, Open, Queued};
pub use pool::Pool;
#[cfg(feature = "json")]
pub use pubsub::PublishJson;
pub use pubsub::{Channel, Event, Lag, Message, PatternChannel, Subscriber};
pub use records::{Fits, Key, Number, Record, Text, ToRecords};
pub use repeat::{IntoRepeat, Repeat};
pub use request::{
    AllowsBlocking, AllowsState, Execute, IntoRequest, Queues, Request, Sink, Target,
};
pub use resp::scan::Limits;
pub use scan::{Cursor, IntoScanStream, ScanStream};
pub use script::Script;
pub use unclaimed::Unclaimed;
pub use value::Value;
pub use watch::{Watch, Watched};
