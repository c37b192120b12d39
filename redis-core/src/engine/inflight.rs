//! What waits to be written and what waits for a reply on one connection. No I/O happens here.
//!
//! ```text
//!   submit ──► out ──take_output──► (driver writes) ──► deliver ──► cell ──► the caller decodes
//!              └────────── entries, in wire order ──────────┘
//! ```
//!
//! Callers and the driver share one [`Queue`] behind a mutex, which is held only for as long as it takes to copy a
//! command. An *entry* stands for something that is owed replies; a *cell* is the place where those replies wait for
//! their caller. An entry stays when its caller goes away: the replies are then awaited, and thrown away.
//!
//! # Layout
//!
//! - `payload`: what callers give to the queue, and what they get back
//! - `unanswered`: the bytes of what was taken from it
//! - `callers`, `sessions`: the two sides of the queue; `line`: callers who wait for room
//! - `failures`: what is late, lost or refused
//! - `held`: what keeps a link from its end though nothing is queued; `leads`: which replies do

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use slab::Slab;
use tokio::time::Instant;

use super::maintenance::Relaxation;
use super::stats::Stats;
use crate::config::Budget;
use crate::error::{Obstacle, Phase};
use crate::runtime::planted::Planted;
use crate::wire::outgoing::Outgoing;

mod callers;
mod failures;
mod held;
mod leads;
mod line;
mod payload;
mod sessions;
mod unanswered;

pub(crate) use held::Held;
use held::Holds;
pub(crate) use leads::Leads;
use line::Line;
pub(crate) use line::WaiterKey;
#[cfg(feature = "tracing")]
pub(crate) use payload::Summary;
pub(crate) use payload::{
    Again, Delivery, Due, Failure, Hold, Limit, Parts, Patience, Payload, Terms,
};
pub(crate) use unanswered::Unanswered;

/// The key of a cell.
pub(crate) type CellKey = usize;

#[derive(Debug)]
pub(crate) struct Queue {
    budget: Budget,
    /// Encoded commands that the driver has not taken yet.
    out: Outgoing,
    /// Everything that is owed replies, in wire order.
    entries: VecDeque<Entry>,
    /// How many of the entries the driver has taken.
    taken: usize,
    /// How many of the entries are the client's own.
    own: usize,
    /// How many of the last entries may have a limit without a fixed moment; see [`Limit::Within`].
    unstamped: usize,
    cells: Slab<Cell>,
    /// Bytes of all entries.
    bytes: usize,
    /// Bytes of entries that were answered and are still among the [`Unanswered`].
    answered_bytes: usize,
    /// How many entries were given up since [`Queue::forget_unwanted`] last ran: at most this many need
    /// not be sent.
    given_up: usize,
    /// Whether there is a socket.
    connected: bool,
    /// Whether commands that are refused or lost go back to their callers, who may send them elsewhere.
    routed: bool,
    /// Whether the driver must send no commands of its own. After MULTI they would be queued among those of the
    /// callers.
    pub(crate) quiet: bool,
    /// A command that is sent with nothing before or after it in flight.
    alone: Alone,
    /// Whether the server was demoted to a replica, and this socket is of no use for writes.
    pub(crate) demoted: bool,
    /// Since when it is known that another server must be used.
    pub(crate) left_since: Option<Instant>,
    /// Set while announced maintenance makes limits of time longer.
    pub(crate) relaxation: Option<Relaxation>,
    /// Callers who wait for room, in the order in which they came.
    line: Line,
    driver: Option<Waker>,
    /// No deadline of any entry is earlier than this.
    earliest_deadline: Option<Instant>,
    /// Set once: nothing is accepted any more.
    ended: Option<Failure>,
    /// Why the server refused the last attempt to connect; cleared when one succeeds.
    refused: Option<Failure>,
    /// Why there is no socket, if there is none.
    pub(crate) unreached: Option<Arc<Obstacle>>,
    /// Nothing new is accepted, since the end is near.
    closing: bool,
    /// The wakers of those who wait for the end.
    closing_waiters: Vec<Waker>,
    /// Since when the server has owed the next reply.
    owed_since: Option<Instant>,
    pub(crate) counts: Counts,
    /// What a caller, or the drop of the last handle, has ordered.
    pub(crate) order: Order,
    /// What keeps it from the end, though nothing is queued.
    holds: Holds,
}

/// What is counted over the life of a connection.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) answered: u64,
    /// Questions of the client itself that were answered.
    pub(crate) told: u64,
    pub(crate) timeouts: u64,
    pub(crate) reconnects: u64,
    pub(crate) failed_connects: u64,
    /// Sockets that have taken the place of the first.
    pub(crate) sockets: u64,
}

impl Counts {
    /// All that was answered.
    pub(crate) fn answers(&self) -> u64 {
        self.answered + self.told
    }
}

/// The state of a command that has the socket to itself. This is AUTH: if Redis 8.2 refuses it, and it came in one
/// piece with commands before it, Redis does not answer it.
#[derive(Debug)]
enum Alone {
    None,
    /// Waits until everything before it has been answered.
    Waiting(CellKey, Outgoing, Instant),
    InFlight,
}

/// What callers can order the driver to do, other than writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Serve,
    /// Change to a new socket, after everything in flight has been answered.
    Renew,
    /// Change to a new socket now: the server lost its role, and does not answer commands in flight.
    Leave,
    /// The end, once everything queued has been answered and [nothing keeps it](Held).
    Drain,
    /// End now.
    Close,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    owner: Owner,
    bytes: usize,
    replies: usize,
    /// How many of the replies have arrived.
    come: usize,
    limit: Limit,
    /// Whether its limit is the configured one, which maintenance makes longer, once.
    is_usual: bool,
    hold: Hold,
    /// Whether sending it twice does no harm.
    idempotent: bool,
    /// Whether this is so when some of the replies have come too.
    again_in_part: bool,
    /// Whether it must not be sent on another socket as it is.
    bound: bool,
    /// Which of its replies may have its caller send something more.
    leads_on: Leads,
    /// Whether several replies may be given in one piece.
    in_one_piece: bool,
    /// How many of the lost sockets it was sent on.
    losses: u8,
    awaits: Awaits,
}

impl Entry {
    /// One reply, no limit, not idempotent.
    fn of(owner: Owner, bytes: usize) -> Self {
        Self {
            owner,
            bytes,
            replies: 1,
            come: 0,
            limit: Limit::None,
            is_usual: false,
            hold: Hold::None,
            idempotent: false,
            again_in_part: false,
            bound: false,
            leads_on: Leads::NOWHERE,
            in_one_piece: false,
            losses: 0,
            awaits: Awaits::Reply,
        }
    }

    /// When it has to be answered.
    fn due(&self) -> Due {
        due(self.limit, self.is_usual)
    }

    /// Whether it may be sent once more, after it was sent on `losses` sockets that were lost.
    fn may_go_again(&self, losses: u8) -> bool {
        /// How often an idempotent command is sent, if the socket is lost each time.
        const SENDINGS: u8 = 3;
        // A bound one may be refused in part on the next socket.
        let in_part = self.come > 0 || self.bound;
        let harmless = self.idempotent && (!in_part || self.again_in_part);
        (harmless || Planted::UnsafeRetry.is_here())
            && losses < SENDINGS
            && !Planted::NeverRepeats.is_here()
    }

    /// Whether it may have been carried out; `taken` says whether the driver has taken it.
    fn phase(&self, taken: bool) -> Phase {
        let was_sent = taken || self.losses > 0 || Planted::FalseMaybeApplied.is_here();
        if was_sent && !Planted::FalseNotSent.is_here() {
            Phase::MaybeApplied
        } else {
            Phase::NotSent
        }
    }
}

fn due(limit: Limit, is_usual: bool) -> Due {
    Due {
        at: limit.moment(),
        is_final: !is_usual,
    }
}

/// What answers a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Awaits {
    Reply,
    /// A push, or an error: SUBSCRIBE and the like.
    Push,
    /// The reply to a PING that is sent after the command; before it there may be an error of the command. This
    /// is SUNSUBSCRIBE: its confirmation looks like the message that the server sends by itself when a slot
    /// moves away.
    Fence,
}

/// The owner of an entry.
#[derive(Debug, Clone, Copy)]
enum Owner {
    Caller(CellKey),
    /// The client itself, for a question that no caller asked, such as that for the map of a cluster.
    Client(CellKey),
    /// The driver, for a command of its own.
    Driver,
    /// Nobody: the caller was told that the entry failed.
    Nobody,
    /// The same, of a question of the client itself.
    Forgotten,
}

impl Owner {
    /// Where the replies wait, if anybody may take them.
    fn cell(self) -> Option<CellKey> {
        match self {
            Self::Caller(key) | Self::Client(key) => Some(key),
            Self::Driver | Self::Nobody | Self::Forgotten => None,
        }
    }

    /// Whether no caller has asked for it: then nobody has to wait for it.
    #[inline]
    fn is_own(self) -> bool {
        match self {
            Self::Caller(_) | Self::Nobody => false,
            Self::Client(_) | Self::Driver | Self::Forgotten => true,
        }
    }

    /// The owner from now on; the present one is told that the entry failed.
    fn leave(&mut self) -> Self {
        let nobody = if self.is_own() {
            Self::Forgotten
        } else {
            Self::Nobody
        };
        std::mem::replace(self, nobody)
    }
}

/// Where the replies of an entry wait for their caller.
#[derive(Debug)]
enum Cell {
    /// The waker, and the replies so far, if there are several.
    Waiting(Option<Waker>, Option<Box<Parts>>),
    Filled(Delivery),
    /// The caller went away first.
    Abandoned,
}

/// The result of submitting.
#[derive(Debug)]
pub(crate) enum Submitted {
    /// It waits for its reply.
    Queued(CellKey),
    /// There is no room; the caller waits for it.
    Full(WaiterKey),
    /// Nothing new is accepted.
    Ended(Box<Failure>),
}

impl Queue {
    pub(crate) fn new(budget: Budget, routed: bool) -> Self {
        Self {
            budget,
            out: Outgoing::default(),
            entries: VecDeque::new(),
            taken: 0,
            own: 0,
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
            relaxation: None,
            line: Line::default(),
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
            holds: Holds::default(),
        }
    }
}

/// Frees the cell if its caller has gone away; returns whether it had.
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
