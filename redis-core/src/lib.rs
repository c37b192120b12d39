//! The engine of typedis: what every command of the `typedis` crate runs on. It knows no command by name.
//!
//! # Layout
//!
//! - `resp/`: bytes to frames and words to bytes, pure functions
//! - [`arg`], [`records`], [`args`]: what can be sent, and the command while it is built
//! - [`duration`]: times as commands take them; `json`: JSON in strings
//! - [`from_redis`], [`value`], [`frame`]: what can be received
//! - [`command`], [`request`]: the fixed facts of a command, and how it is issued
//! - [`error`]: what can go wrong

pub mod arg;
pub mod args;
pub mod command;
pub mod duration;
pub mod error;
pub mod frame;
pub mod from_redis;
#[cfg(feature = "json")]
pub mod json;
pub mod records;
pub mod request;
mod resp;
pub mod value;

pub use arg::{ArgError, ArgWriter, Each, ToArg, ToArgs, each};
pub use args::{Args, Block, BlockLimit, Keys};
pub use command::{CommandInfo, RequestPolicy, ResponsePolicy, StateChange};
pub use duration::{BlockMilliseconds, Milliseconds, Seconds, Timeout, UnixMilliseconds, UnixSeconds};
pub use error::{Error, ErrorKind, Phase, Result, ServerError};
pub use frame::{Frame, Frames};
pub use from_redis::{DecodeError, Elements, FromRedis, Pairs, Reply, Str};
#[cfg(feature = "json")]
pub use json::Json;
pub use records::{Fits, Key, Number, Record, Text, ToRecords};
pub use request::{AllowsBlocking, AllowsState, Execute, Request, Sink, Target};
pub use resp::scan::Limits;
pub use value::Value;
