//! A cluster behind one handle: routing, redirects, commands on many nodes, and clusters that change under load.
//!
//! # Layout
//!
//! - `routing`: every command goes where its keys are
//! - `redirects`: what nodes say in place of a reply, by a scripted cluster
//! - `many`: commands that concern several nodes
//! - `changes`: real clusters that change under load that checks itself
//! - `support`: what all of these use

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod announcements;
mod changes;
mod many;
mod redirects;
mod routing;
mod support;
