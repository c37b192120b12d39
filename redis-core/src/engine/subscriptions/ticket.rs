//! The wait for the server's confirmation: [`Ticket`], one for each call of `subscribe`.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use slab::Slab;

use super::cause::Cause;
use crate::error::ServerError;
use crate::runtime::Lock;

/// Counts the confirmations that a call still waits for.
#[derive(Debug, Default)]
pub(crate) struct Ticket {
    state: Lock<State>,
}

#[derive(Debug, Default)]
struct State {
    pending: usize,
    failure: Option<Cause>,
    /// What the server said of those that it refuses for a reason that goes away.
    refusals: Slab<ServerError>,
    waker: Option<Waker>,
}

impl Ticket {
    /// One more confirmation is needed.
    pub(crate) fn expect(&self) {
        self.state.lock().pending += 1;
    }

    pub(crate) fn confirm(&self, woken: &mut Vec<Waker>) {
        let mut state = self.state.lock();
        state.pending = state.pending.saturating_sub(1);
        if state.pending == 0 {
            woken.extend(state.waker.take());
        }
    }

    pub(crate) fn fail(&self, cause: Cause, woken: &mut Vec<Waker>) {
        let mut state = self.state.lock();
        state.failure.get_or_insert(cause);
        woken.extend(state.waker.take());
    }

    /// The server refuses one of them for a reason that goes away, and will be asked again.
    pub(crate) fn hinder(self: &Arc<Self>, error: &ServerError) -> Hindrance {
        Hindrance {
            key: self.state.lock().refusals.insert(error.clone()),
            ticket: self.clone(),
        }
    }

    /// Why one of them is not confirmed yet, if the server has said so.
    pub(crate) fn refusal(&self) -> Option<ServerError> {
        let state = self.state.lock();
        let first = state.refusals.iter().next();
        first.map(|(_, refusal)| refusal.clone())
    }

    /// Whether it is still waited for.
    pub(crate) fn is_open(&self) -> bool {
        let state = self.state.lock();
        state.pending > 0 && state.failure.is_none()
    }

    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        let mut state = self.state.lock();
        match state.failure.clone() {
            Some(cause) => Poll::Ready(Err(cause)),
            None if state.pending == 0 => Poll::Ready(Ok(())),
            None => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// A refusal that a call is told of if its time is over, until this is dropped.
#[derive(Debug)]
pub(crate) struct Hindrance {
    ticket: Arc<Ticket>,
    key: usize,
}

impl Drop for Hindrance {
    fn drop(&mut self) {
        self.ticket.state.lock().refusals.try_remove(self.key);
    }
}
