//! The handles that users hold: a shared connection, an exclusive socket, and a pool of both.
//!
//! # Layout
//!
//! - `connection`: one pipelined socket, shared by its clones
//! - `exclusive`: a socket that only one user has
//! - `pool`: a few shared sockets, and others to lease; `leases`: the sockets to lease
//! - `driven`: a command that a future drives, such as one that blocks
//! - `unclaimed`: replies of leased sockets that arrive after their caller has gone; `unblock`: ending such a wait
//! - `closing`: closing a handle in good order

mod closing;
mod connection;
mod driven;
mod exclusive;
mod leases;
mod pool;
mod unblock;
mod unclaimed;

pub use closing::{Close, Closed};
pub(crate) use closing::{count_answered, end_links};
pub use connection::Connection;
pub(crate) use connection::runtime;
pub(crate) use driven::{Answer, Driven};
pub use exclusive::Exclusive;
pub(crate) use leases::Leases;
pub use pool::Pool;
pub(crate) use pool::PoolPending;
pub use unclaimed::Unclaimed;
pub(crate) use unclaimed::{Reports, run as run_unclaimed};

#[cfg(test)]
mod tests;
