//! CLIENT UNBLOCK over a shared socket, for a command that is blocked on a leased one.

use std::future::poll_fn;

use super::connection::Connection;
use crate::command::{Args, CommandInfo, Keys, command_info};
use crate::engine::exchange::{Exchange, Pending, decode};
use crate::engine::inflight::{Payload, Terms};
use crate::engine::link::Link;
use crate::engine::single::Command;
use crate::error::{Error, ErrorKind, Phase, Result};
use crate::wire::outgoing::Outgoing;

pub(super) static CLIENT_ID: CommandInfo = command_info!("CLIENT ID").idempotent();
static CLIENT_UNBLOCK: CommandInfo = command_info!("CLIENT UNBLOCK");

/// The request to end a wait. Its number is that of somebody else on every other server.
struct Unblock<'a> {
    command: Command,
    shared: &'a Link,
    leased: &'a Link,
}

impl Payload for Unblock<'_> {
    fn terms(&self) -> Terms {
        self.command.terms()
    }

    fn write_to(&mut self, out: &mut Outgoing) {
        self.command.write_to(out);
    }

    fn is_bound(&self) -> bool {
        true
    }

    fn fits(&self, is_connected: bool) -> bool {
        is_connected && self.shared.place.is_same(&self.leased.place)
    }

    /// The caller looks first where the socket leads to.
    fn goes_again_later(&self) -> bool {
        false
    }

    #[cfg(feature = "tracing")]
    fn summary(&self) -> crate::engine::inflight::Summary {
        self.command.summary()
    }
}

/// Whether the shared socket leads to the server that the command is blocked on. A name may have several addresses, or lead
/// elsewhere since a failover.
pub(super) async fn is_possible(shared: &Connection, leased: &Connection) -> Result<bool> {
    if !shared.is_connected() {
        // Only then is it known where it leads.
        let mut id = Pending::new(shared.link(), Args::lease(&CLIENT_ID, Keys::Ignored));
        // The end of what is on its way is asked for also while the handle is being closed.
        id.be_own();
        id.decoded::<i64>().await?;
    }
    Ok(shared.link().place.is_same(&leased.link().place))
}

/// Asks for the end of a wait. Returns whether a command of this client was blocked.
pub(super) async fn ask(shared: &Link, leased: &Link, id: i64) -> Result<bool> {
    let mut args = Args::lease(&CLIENT_UNBLOCK, Keys::Ignored);
    args.arg("client-id", &id);
    let mut unblock = Unblock {
        command: Command::new(args),
        shared,
        leased,
    };
    let mut exchange = Exchange::new(shared, &unblock);
    exchange.be_own();
    decode(poll_fn(|cx| exchange.poll(&mut unblock, cx)).await)
}

/// Whether nothing came of it: its socket was lost before it was sent there, or the server refused it for a reason that goes away.
pub(super) fn may_ask_again(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::ConnectionLost(_) => error.phase() == Phase::NotSent,
        ErrorKind::Server(refusal) => refusal.is_transient(),
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io;
    use std::pin::pin;
    use std::sync::Arc;
    use std::task::{Context, Poll, Waker};

    use bytes::Bytes;
    use tokio::time::Instant;

    use super::*;
    use crate::config::Config;
    use crate::engine::inflight::{Failure, Unanswered};
    use crate::wire::Chunk;

    /// A link whose driver never runs here, with a socket to this place.
    fn link_to(place: &str) -> Arc<Link> {
        let connection = Connection::sleeping(Config::tcp("127.0.0.1", 1), None);
        let link = connection.shared_link();
        link.place.note(place);
        link.with(&mut Vec::new(), |queue, _| queue.admitted());
        // Its end is asked for when the last handle goes.
        std::mem::forget(connection);
        link
    }

    fn has_output(link: &Link) -> bool {
        link.with(&mut Vec::new(), |queue, _| queue.has_output())
    }

    fn lose(link: &Link) {
        let lost = Failure::Lost(Phase::MaybeApplied, io::ErrorKind::Other, "".into());
        link.with(&mut Vec::new(), |queue, woken| {
            queue.lost(&lost, &mut Unanswered::default(), true, woken);
        });
    }

    fn is_unsent(outcome: Poll<Result<bool>>) -> bool {
        matches!(outcome, Poll::Ready(Err(error)) if may_ask_again(&error))
    }

    #[tokio::test]
    async fn the_end_of_a_wait_is_asked_for_on_no_other_server() {
        let cx = &mut Context::from_waker(Waker::noop());
        let (here, there) = (link_to("here"), link_to("there"));
        assert!(is_unsent(pin!(ask(&there, &here, 7)).poll(cx)));
        assert!(!has_output(&there));
        // It was lost before it was written.
        let shared = link_to("here");
        let mut asking = pin!(ask(&shared, &here, 7));
        assert!(asking.as_mut().poll(cx).is_pending());
        assert!(has_output(&shared));
        lose(&shared);
        assert!(!has_output(&shared));
        assert!(is_unsent(asking.as_mut().poll(cx)));
        // What the server refuses for now is not sent again without another look.
        let busy = link_to("here");
        let mut refused = pin!(ask(&busy, &here, 7));
        assert!(refused.as_mut().poll(cx).is_pending());
        busy.with(&mut Vec::new(), |queue, woken| {
            let mut unanswered = Unanswered::default();
            queue.take_output(&mut unanswered, Instant::now());
            let refusal = Chunk::from(Bytes::from_static(b"-BUSY a script is running\r\n"));
            queue.deliver_refusal(refusal, &unanswered, woken);
        });
        assert!(is_unsent(refused.as_mut().poll(cx)));
        assert!(!has_output(&busy));
        // The next socket may lead elsewhere.
        assert!(is_unsent(pin!(ask(&shared, &here, 7)).poll(cx)));
        assert!(!has_output(&shared));
    }
}
