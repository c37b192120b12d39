//! What is sent: a command while it is built, and what is known of it.
//!
//! # Layout
//!
//! - `info`: the fixed facts of a command
//! - `arg`: one argument; `args/`: the command while it is built; `values/`: what Rust types are sent as
//! - `records`: lists of pairs and longer records; `duration`: times
//! - `optional`: arguments of options that may be left out
//! - `script_text`: the text of a Lua script, and which texts a server has

pub(crate) mod arg;
pub(crate) mod args;
mod duration;
mod info;
mod optional;
mod records;
pub(crate) mod script_text;
mod values;

pub use arg::{ArgWriter, ToArg};
pub use args::{Args, Block, BlockLimit, Keys, ToArgs};
pub use duration::{
    BlockMilliseconds, Milliseconds, Seconds, SignedMilliseconds, SignedSeconds, Timeout,
    UnixMilliseconds, UnixSeconds,
};
pub use info::{CommandInfo, RequestPolicy, ResponsePolicy, StateChange};
pub use optional::{Given, Optional, OptionalArg, Perhaps};
pub use records::{Fits, Key, Number, Record, Text, ToRecords};
pub use values::{Each, each};
