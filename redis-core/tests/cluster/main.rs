//! A cluster behind one handle: routing, redirects, commands on many nodes, and clusters that change under load.
//!
//! # Layout
//!
//! - `alone`: nodes by themselves, and streams that stay with one
//! - `announcements`: maintenance that nodes announce
//! - `channels`: publish and subscribe on clusters that change; `placing`: which node a subscription is on, by a scripted cluster
//! - `keyspace`: what happens to keys of all primaries
//! - `closing`, `closing_beside` and `closing_counts`: the end of a cluster; `lazy`: clusters that are opened without a map
//! - `opening`: how a cluster is named, and how its nodes are reached
//! - `replicas`: reads from replicas
//! - `routing`: every command goes where its keys are
//! - `redirects`: what nodes say in place of a reply, by a scripted cluster; `permissions`: users whom they refuse
//! - `many`: commands that concern several nodes
//! - `chains`, `transactions`: pipelines, batches and transactions
//! - `blocking`, `watching`: what a socket is leased for
//! - `changes`: real clusters that change under load that checks itself
//! - `endurance`: load of every kind while failovers and moves repeat; a million operations if asked for
//! - `scans`: scans over all primaries, also while slots move; `targets`: the same, to nodes that cannot be reached; `keyed_scans`: scans of one
//!   key; `unsent_scans`: those that fail before anything is sent; `unfit_pages`: those with a page that cannot be given out
//! - `stalled`: how much a shard that stands still takes from the others
//! - `telling`: what a cluster tells of itself
//! - `tls`: clusters whose nodes speak TLS
//! - `load`: tasks that go on while a cluster changes, and count what they did
//! - `support`: what all of these use

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod alone;
mod announcements;
mod blocking;
mod chains;
mod changes;
mod channels;
mod closing;
mod closing_beside;
mod closing_counts;
mod endurance;
mod keyed_scans;
mod keyspace;
mod lazy;
mod load;
mod many;
mod opening;
mod permissions;
mod placing;
mod redirects;
mod replicas;
mod routing;
mod scans;
mod stalled;
mod support;
mod targets;
mod telling;
#[cfg(feature = "tls")]
mod tls;
mod transactions;
mod unfit_pages;
mod unsent_scans;
mod watching;
