//! Every command, expanded from `commands.toml`: one trait for each group, and one module for each group with its
//! option builders.
//!
//! The traits are implemented by everything that commands can be issued on, and are all in the
//! [prelude](crate::prelude).

use bytes::Bytes;
use typedis_core::{
    BlockMilliseconds, Cursor, Milliseconds, Name, Seconds, ServerError, SignedMilliseconds,
    SignedSeconds, Timeout, UnixMilliseconds, UnixSeconds, Value,
};

use crate::args::*;
use crate::replies::*;

typedis_macros::commands! { from "commands.toml" }
