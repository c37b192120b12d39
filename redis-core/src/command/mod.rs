//! What is sent: a command while it is built, and what is known about it.
//!
//! # Layout
//!
//! - `info`: the fixed facts of a command; `state_change`: what it changes on its connection; `known`: the effect of commands that are built from words
//! - `arg`: one argument; `args/`: the command while it is built; `values/`: what Rust types are sent as
//! - `block`: how long a server may hold a command; `blame`: which command an error is of
//! - `naming`: the names in a command besides its keys; `prefix`: what a handle puts before names
//! - `records`: lists of pairs and longer records; `duration`: times
//! - `optional`: arguments of options that may be left out
//! - `slot`: from a key to its slot in a cluster; `checksum`: what it is computed from
//! - `script_text`: the text of a Lua script, and which texts a server has

pub(crate) mod arg;
pub(crate) mod args;
pub(crate) mod blame;
pub(crate) mod block;
mod checksum;
mod duration;
mod info;
mod known;
pub(crate) mod naming;
mod optional;
pub(crate) mod prefix;
mod records;
pub(crate) mod script_text;
mod slot;
mod state_change;
mod values;

pub use arg::{ArgWriter, ToArg};
pub use args::{Args, Keys, ToArgs};
pub use block::{Block, BlockLimit};
pub use duration::{
    BlockMilliseconds, Milliseconds, Seconds, SignedMilliseconds, SignedSeconds, Timeout,
    UnixMilliseconds, UnixSeconds,
};
pub(crate) use info::command_info;
pub use info::{CommandInfo, RequestPolicy, ResponsePolicy};
pub use known::{Blocks, KnownCommand, KnownCommands};
pub use naming::{Naming, PatternPlace};
pub use optional::{Given, Optional, OptionalArg, Perhaps};
pub use records::{Fits, Key, Number, Record, Text, ToRecords, Within};
pub(crate) use slot::{ASKING, Slots, WordSlot, crossing};
pub use slot::{SLOTS, slot};
pub use state_change::StateChange;
pub use values::{Each, each};
