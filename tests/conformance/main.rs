//! The spec against real servers: every command, every option of it, in both protocols.
//!
//! All of it is generated from `commands.toml`; what is kept by hand here is what a key has to hold for a command to
//! find something, and what no server can be brought to answer in a test, each with its reason.
//!
//! # Layout
//!
//! - `cases`: the calls, expanded from the spec
//! - `wire`: what is sent, against the syntax
//! - `metadata`: numbers of words and flags, against COMMAND
//! - `keys`: which words are keys, against COMMAND GETKEYS
//! - `prefixed`: the calls through a handle with a prefix of keys
//! - `replies`: live replies, against the declared types
//! - `clustered`: the calls through the handle of a cluster
//! - `moving`: reads from replicas of keys that move to another shard
//! - `live`: calls whose arguments are only known at run time
//! - `tracking`: which reads are tracked, against `cacheable`
//! - `trees`: the order and the types of words, against COMMAND DOCS
//! - `reading`: a call of any words, read by the rows of the spec
//! - `recorded`: recorded replies, against the declared types
//! - `waits`: what blocks, where silence is to be noticed
//! - `moments`: calls that only a certain moment lets succeed
//! - `modules`: modules that come and go
//! - `absent`: options that `None` leaves out
//! - `own`: calls that need a server of their own
//! - `seeds`: what keys hold before a call
//! - `outcomes`: what came of the calls, for the table of `cargo xtask spec`
//! - `versions`: what a server is too old for
//! - `exceptions`: lists of what is not as expected, each entry with its reason
//! - `server`: the servers, and what they know

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod absent;
mod cases;
mod clustered;
mod exceptions;
mod keys;
mod live;
mod metadata;
mod modules;
mod moments;
mod moving;
mod outcomes;
mod own;
mod prefixed;
mod reading;
mod recorded;
mod replies;
mod seeds;
mod server;
mod tracking;
mod trees;
mod versions;
mod waits;
mod wire;
