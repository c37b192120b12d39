//! A second socket for reports: [`Reporter`], for connections that speak RESP2, in which nothing can be pushed.
//!
//! The second socket speaks RESP3, which every server that tracks keys can. The server is told to send the reports about
//! the reads of the first socket there (REDIRECT). When the second socket is lost, the server says nothing about that on
//! the first one, so its loss ends the epoch: nothing is kept until the server knows the number of the next one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::clock::Moment;
use super::standing::{Standing, Tracking};
use crate::command::{Args, CommandInfo, Keys, command_info};
use crate::config::{Config, Protocol};
use crate::engine::subscriptions::hub::InvalidationWatch;
use crate::engine::subscriptions::invalidation::Invalidates;
use crate::error::{Error, Result};
use crate::handle::Connection;
use crate::runtime::Lock;

static CLIENT_ID: CommandInfo = command_info!("CLIENT ID").readonly();

#[derive(Default)]
pub(super) struct Reporter {
    /// Whether somebody is asking the server for the number of the socket.
    is_asked: Arc<AtomicBool>,
    state: Lock<State>,
}

/// The right to ask for the number of the socket, which nobody else has meanwhile. It is given back also where the task that
/// asks never runs to its end.
pub(super) struct Asking(Arc<AtomicBool>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

#[derive(Default)]
struct State {
    /// The socket, and the end of its reports.
    line: Option<(Connection, InvalidationWatch)>,
    /// The number that the server has given it, and the epoch in which it did.
    client: Option<(u32, u64)>,
    /// The cache is gone.
    is_closed: bool,
}

impl Reporter {
    /// The number of the socket, if it is there since this epoch began.
    pub(super) fn client(&self, epoch: u32) -> Option<u64> {
        let (since, client) = self.state.lock().client?;
        (since == epoch).then_some(client)
    }

    /// Takes the right to ask; `None` if another task has it.
    pub(super) fn may_ask(&self) -> Option<Asking> {
        let is_asked = self.is_asked.swap(true, Ordering::AcqRel);
        (!is_asked).then(|| Asking(self.is_asked.clone()))
    }

    /// Asks the server for the number of the socket, which is opened if there is none.
    pub(super) async fn ask(
        &self,
        _asking: Asking,
        config: &Config,
        listener: Arc<dyn Invalidates>,
        standing: &Standing,
        now: Moment,
    ) {
        let epoch = standing.present().epoch;
        // A number of one server means another client, or none, on another.
        if config.leads_to_several() {
            standing.note(epoch, Tracking::Refused);
            return;
        }
        // A failure does not matter: the next read asks again.
        if let Ok(line) = self.line(config, listener)
            && let Ok(client) = line
                .begin(Args::lease(&CLIENT_ID, Keys::Ignored))
                .decoded()
                .await
        {
            if line.link().speaks_resp3() {
                standing.hear_reporter(now);
                self.state.lock().client = Some((epoch, client));
            } else {
                standing.note(epoch, Tracking::Refused);
            }
        }
    }

    fn line(&self, config: &Config, listener: Arc<dyn Invalidates>) -> Result<Connection> {
        let mut state = self.state.lock();
        if state.is_closed {
            return Err(Error::ended());
        }
        if let Some((line, _)) = &state.line
            && !line.is_closed()
        {
            return Ok(line.clone());
        }
        let line = Connection::lazy(config.clone().protocol(Protocol::Newest))?;
        let watch = line.link().hub().watch_invalidations(listener)?;
        state.line = Some((line.clone(), watch));
        Ok(line)
    }

    /// Closes the socket. A task that waits for an answer on it, which may never come, ends too.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.is_closed = true;
        let line = state.line.take();
        drop(state);
        if let Some((line, _)) = &line {
            line.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asked_in_vain_keeps_nobody_from_asking() {
        let reporter = Reporter::default();
        let first = reporter.may_ask();
        assert!(first.is_some() && reporter.may_ask().is_none());
        drop(first);
        assert!(reporter.may_ask().is_some());
    }
}
