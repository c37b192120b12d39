//! The library as a user sees it, on real servers.
//!
//! # Layout
//!
//! - `support`: the servers and protocols that a test runs on
//! - `design`: everything that the front page promises
//! - `clients`: generic code, and tasks
//! - `cache`: what a cache forgets because of a row of the spec
//! - `again`: what is sent again after a lost connection, and what is not
//! - `built_arguments`: arguments that are built step by step
//! - `input`: bad input, refused before anything is sent
//! - `from_aioredis`: what docs/from-aioredis.md names
//! - `from_others`: the tables of docs/guide/from-redis-rs.md and from-fred.md
//! - `module_replies`: what commands of modules do otherwise than others of their kind
//! - `names`: names that other people choose
//! - `pages`: the guide and its links
//! - `prefixed`: handles with a prefix of keys
//! - `raw`: commands that are built from words
//! - `rebuild`: editing a spec rebuilds what was expanded from it
//! - `requirements`: what a server is too old for
//! - `scan`: scans as streams; `rows`: the rows of an aggregation
//! - `follow`: what blocks, when its server hangs or loses its role
//! - `lanes`: streams over a pool whose lanes lead to different servers
//! - `listen`: streams over commands that block
//! - `vanished`: nil in the place of what is gone
//! - `worker`: consumer groups; `worker_stops`: what a worker leaves to others when it is told to stop
//! - `cluster`: the typed commands on many nodes
//! - `field_set`: hashes that all have the same fields
//! - `scripts`: Lua scripts and functions
//! - `shop`: scripts and functions of a spec of a user's own
//! - `signatures`: types and bounds that a user's own code names
//! - `unusual`: replies of an unusual form

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod again;
mod built_arguments;
mod cache;
mod clients;
mod cluster;
mod design;
mod field_set;
mod follow;
mod from_aioredis;
mod from_others;
mod input;
mod lanes;
mod listen;
mod module_replies;
mod names;
mod pages;
mod prefixed;
mod raw;
mod rebuild;
mod requirements;
mod rows;
mod scan;
mod scripts;
mod shop;
mod signatures;
mod support;
mod unusual;
mod vanished;
mod worker;
mod worker_stops;
