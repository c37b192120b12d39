//! What waits to be written and what waits for a reply on one connection. No I/O happens here.
//!
//! ```text
//!   submit ──► out ──take_output──► (driver writes) ──► deliver ──► cell ──► the caller decodes
//!              └────────── entries, in wire order ──────────┘
//! ```
//!
//! Callers and the driver share one [`Queue`] behind a mutex that is held for the length of a copy. An *entry* stands
//! for what was written and is owed replies; a *cell* is where those replies wait for their caller. An entry outlives
//! the interest in it: when a caller goes away, the replies are still awaited, and thrown away.
//!
//! # Layout
//!
//! - `payload`: what is handed to the queue, and what comes back for it
//! - `unanswered`: the bytes of what was taken from it
//! - `callers`, `sessions`: the two sides of the queue

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use slab::Slab;
use tokio::time::Instant;

use super::stats::Stats;
use crate::config::Budget;
use crate::error::{Obstacle, Phase};
use crate::wire::outgoing::Outgoing;

mod callers;
mod payload;
mod sessions;
mod unanswered;

#[cfg(feature = "tracing")]
pub(crate) use payload::Summary;
pub(crate) use payload::{Again, Delivery, Failure, Hold, Limit, Parts, Patience, Payload, Terms};
pub(crate) use unanswered::Unanswered;

/// Names a cell.
pub(crate) type CellKey = usize;

/// Names a caller who waits for room.
pub(crate) type WaiterKey = u64;

#[derive(Debug)]
pub(crate) struct Queue {
    budget: Budget,
    /// Encoded, not yet taken by the driver.
    out: Outgoing,
    /// Everything that is owed replies, in wire order.
    entries: VecDeque<Entry>,
    /// How many of the entries the driver has taken.
    taken: usize,
    /// How many of the last entries may have a limit that is no moment yet; see [`Limit::Within`].
    unstamped: usize,
    cells: Slab<Cell>,
    /// Bytes of all entries.
    bytes: usize,
    /// Bytes of entries that were answered and are still among the [`Unanswered`].
    answered_bytes: usize,
    /// How many entries were given up since the last look for such; a bound for how many need not be sent.
    given_up: usize,
    /// Whether there is a socket.
    connected: bool,
    /// Whether what is refused or lost goes back to its callers, who may send it elsewhere.
    routed: bool,
    /// Whether a command of the driver's own might be mistaken for one of the callers': after MULTI it would be queued
    /// among theirs.
    pub(crate) quiet: bool,
    /// A command that goes out with nothing before or behind it.
    alone: Alone,
    /// Whether the server was demoted to a replica, and this socket is of no use for writes.
    pub(crate) demoted: bool,
    /// Since when it is known that another server is to be connected to.
    pub(crate) left_since: Option<Instant>,
    /// Callers who wait for room, first come first served.
    waiters: VecDeque<(WaiterKey, Waker)>,
    next_waiter: WaiterKey,
    driver: Option<Waker>,
    /// No deadline of any entry is earlier than this.
    earliest_deadline: Option<Instant>,
    /// Set once: nothing is accepted any more.
    ended: Option<Failure>,
    /// The server refuses to let us in, as of the last attempt.
    refused: Option<Failure>,
    /// Why there is no socket, while there is none.
    pub(crate) unreached: Option<Arc<Obstacle>>,
    /// Nothing new is accepted, since the end is near.
    closing: bool,
    /// Who waits for the end.
    closing_waiters: Vec<Waker>,
    /// Since when the server has owed the next reply.
    owed_since: Option<Instant>,
    pub(crate) counts: Counts,
    /// Wanted by a caller or by the last handle's end.
    pub(crate) order: Order,
}

/// What is counted over the life of a connection.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) answered: u64,
    pub(crate) timeouts: u64,
    pub(crate) reconnects: u64,
    pub(crate) failed_connects: u64,
}

/// Whether a command has the socket to itself: AUTH, which Redis 8.2 does not answer when it is refused and came in one
/// piece with commands before it.
#[derive(Debug)]
enum Alone {
    None,
    /// Waits until everything before it has been answered.
    Waiting(CellKey, Outgoing, Instant),
    InFlight,
}

/// What the callers want of the driver besides writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Serve,
    /// A new socket, once what is in flight has been answered.
    Renew,
    /// A new socket, now: the server lost its role, and does not answer what is in flight.
    Leave,
    /// The end, once everything queued has been answered.
    Drain,
    /// The end, now.
    Close,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    owner: Owner,
    bytes: usize,
    replies: usize,
    /// How many of the replies have come.
    come: usize,
    limit: Limit,
    hold: Hold,
    /// Whether sending it twice does no harm.
    idempotent: bool,
    /// On how many sockets that were lost it was sent.
    losses: u8,
    awaits: Awaits,
}

impl Entry {
    /// One reply, no limit, not to be sent again.
    fn of(owner: Owner, bytes: usize) -> Self {
        Self {
            owner,
            bytes,
            replies: 1,
            come: 0,
            limit: Limit::None,
            hold: Hold::None,
            idempotent: false,
            losses: 0,
            awaits: Awaits::Reply,
        }
    }

    /// Whether it may be sent once more after it was sent on so many sockets that were lost.
    fn may_go_again(&self, losses: u8) -> bool {
        /// How often something that may be repeated is sent, on one socket after another.
        const SENDINGS: u8 = 3;
        self.idempotent && losses < SENDINGS
    }

    /// Whether it may have been carried out, if the driver has `taken` it or not.
    fn phase(&self, taken: bool) -> Phase {
        if taken || self.losses > 0 {
            Phase::MaybeApplied
        } else {
            Phase::NotSent
        }
    }
}

/// What answers a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Awaits {
    Reply,
    /// A push, or an error: SUBSCRIBE and its kin.
    Push,
    /// The reply of a PING behind the command, and before it, perhaps, the command's error: SUNSUBSCRIBE, whose
    /// confirmation looks like what the server says on its own account when a slot moves away.
    Fence,
}

/// Whose an entry is.
#[derive(Debug, Clone, Copy)]
enum Owner {
    Caller(CellKey),
    /// The driver asked on its own account.
    Driver,
    /// The caller was told that it failed.
    Nobody,
}

/// Where the replies of an entry wait for their caller.
#[derive(Debug)]
enum Cell {
    /// With what has come so far, where that is not all.
    Waiting(Option<Waker>, Option<Box<Parts>>),
    Filled(Delivery),
    /// The caller went away first.
    Abandoned,
}

/// What came of a try to submit.
#[derive(Debug)]
pub(crate) enum Submitted {
    /// It waits for its reply.
    Queued(CellKey),
    /// There is no room; the caller stands in line.
    Full(WaiterKey),
    /// Nothing is accepted any more.
    Ended(Box<Failure>),
}

impl Queue {
    pub(crate) fn new(budget: Budget, routed: bool) -> Self {
        Self {
            budget,
            out: Outgoing::default(),
            entries: VecDeque::new(),
            taken: 0,
            unstamped: 0,
            cells: Slab::new(),
            bytes: 0,
            answered_bytes: 0,
            given_up: 0,
            connected: true,
            routed,
            quiet: false,
            alone: Alone::None,
            demoted: false,
            left_since: None,
            waiters: VecDeque::new(),
            next_waiter: 0,
            driver: None,
            earliest_deadline: None,
            ended: None,
            refused: None,
            unreached: None,
            closing: false,
            closing_waiters: Vec::new(),
            owed_since: None,
            counts: Counts::default(),
            order: Order::Serve,
        }
    }
}

/// Frees the cell of a caller who went away; says whether it was one.
fn forget_abandoned(cells: &mut Slab<Cell>, key: CellKey) -> bool {
    let abandoned = cells
        .get(key)
        .is_none_or(|cell| matches!(cell, Cell::Abandoned));
    if abandoned {
        cells.try_remove(key);
    }
    abandoned
}

#[cfg(test)]
mod tests;
