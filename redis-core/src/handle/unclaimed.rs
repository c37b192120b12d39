//! Replies of blocking commands whose callers have gone away: [`Unclaimed`].
//!
//! A server may hand out an element at the moment when its reader goes away, or when the deadline of the call passes. If
//! the socket were closed, the element would be lost unnoticed. If the pool has a function to report to, the call runs in
//! a separate task, which outlives its caller and its deadline. The task ends the wait with CLIENT UNBLOCK, and the reply
//! says whether an element was handed out.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::connection::Connection;
use super::exclusive::Exclusive;
use super::unblock::{self, CLIENT_ID};
use crate::command::{Args, Keys};
use crate::engine::exchange::Pending;
use crate::engine::inflight::Held;
use crate::engine::link::Link;
use crate::engine::trace::in_current_span;
use crate::error::{CommandName, Error, ErrorKind, Phase, Result};
use crate::reply::{Frame, FromRedis};
use crate::runtime::{self, after};

/// How long to wait for a reply before the server is asked again to end the wait.
const PAUSE: Duration = Duration::from_millis(20);

/// How long a server may take to end a wait. After that its socket is closed.
const GRACE: Duration = Duration::from_secs(1);

/// A reply that came after its caller had gone away, or had been told that its deadline has passed.
pub struct Unclaimed {
    command: CommandName,
    frame: Frame,
}

impl Unclaimed {
    /// The command.
    #[must_use]
    pub fn command(&self) -> &str {
        self.command.as_str()
    }

    /// The reply as it came.
    #[must_use]
    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// Decodes the reply as the command would have done.
    ///
    /// # Errors
    /// The reply does not fit the type.
    pub fn decode<T: FromRedis>(&self) -> Result<T> {
        self.frame.clone().decode()
    }
}

/// The element may be a secret.
impl fmt::Debug for Unclaimed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unclaimed")
            .field("command", &self.command)
            .finish_non_exhaustive()
    }
}

type Report = Arc<dyn Fn(Unclaimed) + Send + Sync>;

/// The function that a pool reports to.
#[derive(Default)]
pub(crate) struct Reports(RwLock<Option<Report>>);

impl fmt::Debug for Reports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reports")
            .field(&self.get().is_some())
            .finish()
    }
}

impl Reports {
    /// From now on, calls `report` with each unclaimed reply.
    pub(crate) fn set(&self, report: impl Fn(Unclaimed) + Send + Sync + 'static) {
        let report: Report = Arc::new(report);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(report);
    }

    fn get(&self) -> Option<Report> {
        let report = self.0.read().unwrap_or_else(PoisonError::into_inner);
        report.clone()
    }

    /// How the wait of a call is ended over `shared` if its caller goes away; `None` if its socket is closed then.
    pub(crate) fn ending(&self, shared: &Connection) -> Option<Ending> {
        Some(Ending {
            report: self.get()?,
            _held: shared.link().hold(),
            shared: shared.clone(),
        })
    }
}

/// How the wait of a call is ended whose caller goes away.
pub(crate) struct Ending {
    report: Report,
    /// What ends it goes over this.
    shared: Connection,
    /// So it stays there until then, also while the handle is being closed.
    _held: Held,
}

/// Runs a blocking command on a leased socket: directly, or, if its wait can be ended, in a separate task. `asking` says that the
/// node is about to get the slot of its keys.
pub(crate) async fn run(
    ending: Option<Ending>,
    lease: Exclusive,
    asking: bool,
    mut args: Box<Args>,
) -> Result<Frame> {
    if args.deadline().is_some_and(|left| left.is_zero()) {
        return Err(Error::timeout(Phase::NotSent, None));
    }
    let Some(ending) = ending else {
        if asking {
            lease.ask();
        }
        return lease.call(args).frame().await;
    };
    let late = Late::take_from(&mut args);
    let (sender, receiver) = oneshot::channel();
    let mut claim = Claim {
        receiver,
        name: args.name(),
        report: ending.report.clone(),
    };
    let wait = Wait {
        lease,
        asking,
        ending,
    };
    runtime::spawn(in_current_span(wait.run(args, late, sender)));
    match (&mut claim.receiver).await {
        Ok(outcome) => outcome,
        // Only the end of its runtime ends the task before that.
        Err(_) => Err(Error::new(ErrorKind::RuntimeEnded, Phase::MaybeApplied)),
    }
}

/// When a caller is told that its time is over.
struct Late {
    at: Option<Instant>,
    /// Whether that is the usual time, which maintenance makes longer, once.
    is_usual: bool,
}

impl Late {
    /// Takes the deadline of a command away from the socket, which throws away a reply that comes after it.
    fn take_from(args: &mut Args) -> Self {
        let (left, is_usual) = (args.deadline(), args.has_rest());
        args.set_deadline(Duration::MAX);
        let at = left.and_then(|left| Instant::now().checked_add(left));
        Self { at, is_usual }
    }

    /// Waits until then.
    async fn come(self, link: &Link) {
        let Some(at) = self.at else {
            return std::future::pending().await;
        };
        sleep_until(at).await;
        if self.is_usual
            && let Some(relaxation) = link.relaxation()
        {
            sleep_until(after(at, relaxation.extra_at(Instant::now()))).await;
        }
    }
}

/// The caller's side. A reply that it was sent and did not take is reported when it is dropped.
struct Claim {
    receiver: oneshot::Receiver<Result<Frame>>,
    name: CommandName,
    report: Report,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.receiver.close();
        if let Ok(outcome) = self.receiver.try_recv() {
            tell(&self.report, &self.name, outcome);
        }
    }
}

/// Reports a reply, unless it is empty.
fn tell(report: &Report, command: &CommandName, outcome: Result<Frame>) {
    if let Ok(frame) = outcome
        && !frame.reply().is_nil()
        && frame.reply().error().is_none()
    {
        report(Unclaimed {
            command: command.clone(),
            frame,
        });
    }
}

/// The task's side.
struct Wait {
    lease: Exclusive,
    asking: bool,
    /// After the lease: what ends the wait goes over it until then.
    ending: Ending,
}

/// What ends the wait of a caller.
enum End {
    Answered(Result<Frame>),
    Late,
    /// It has gone away.
    Gone,
}

impl Wait {
    async fn run(self, args: Box<Args>, late: Late, mut caller: oneshot::Sender<Result<Frame>>) {
        let name = args.name();
        // Both commands are sent together, so asking for the id takes no extra time.
        let mut id = self.lease.call(Args::lease(&CLIENT_ID, Keys::Ignored));
        id.be_own();
        id.submit();
        if self.asking {
            self.lease.ask();
        }
        let mut call = self.lease.call(args);
        call.submit();
        let mut late = pin!(late.come(self.lease.connection().link()));
        let end = poll_fn(|cx| {
            if let Poll::Ready(outcome) = call.poll(cx) {
                return Poll::Ready(End::Answered(outcome));
            }
            if late.as_mut().poll(cx).is_ready() {
                return Poll::Ready(End::Late);
            }
            caller.poll_closed(cx).map(|()| End::Gone)
        });
        let report = &self.ending.report;
        match end.await {
            End::Answered(outcome) => {
                if let Err(outcome) = caller.send(outcome) {
                    tell(report, &name, outcome);
                }
                return;
            }
            End::Late => {
                // It does not matter if the caller goes away at the same time.
                let _ = caller.send(Err(call.give_up()));
            }
            End::Gone => call.leave(),
        }
        if !call.is_in_flight() {
            // It must not be sent any more.
            return;
        }
        let report = |outcome| tell(report, &name, outcome);
        self.give_up(id, Reported::new(call, report)).await;
    }

    /// Makes the server end the wait. If it does not, or if no reply comes in time, the socket is closed.
    async fn give_up(&self, id: Pending<'_>, mut call: Reported<'_, impl FnMut(Result<Frame>)>) {
        let _ = tokio::time::timeout(GRACE, self.end_wait(id, &mut call)).await;
        if !call.is_over {
            // The reply may have come since the last look; after the end of the socket none can.
            self.lease.connection().abort();
            call.end().await;
        }
    }

    async fn end_wait(
        &self,
        id: Pending<'_>,
        call: &mut Reported<'_, impl FnMut(Result<Frame>)>,
    ) -> Result<()> {
        let id: i64 = call.beside(id.decoded()).await?;
        let (shared, leased) = (&self.ending.shared, self.lease.connection());
        // If the wait is split into pieces, the request to end it may come between two pieces.
        while !call.is_over {
            // Each time: meanwhile the shared socket may have been led to another server.
            if !call.beside(unblock::is_possible(shared, leased)).await? {
                return Ok(());
            }
            match call.beside(self.unblock(id)).await {
                Ok(true) => call.end().await,
                Err(error) if !unblock::may_ask_again(&error) => return Err(error),
                Ok(false) | Err(_) => {
                    let _ = tokio::time::timeout(PAUSE, call.end()).await;
                }
            }
        }
        Ok(())
    }

    /// Returns whether a command of this client was blocked.
    async fn unblock(&self, id: i64) -> Result<bool> {
        self.lease.set_unblocking(true);
        let (shared, leased) = (&self.ending.shared, self.lease.connection());
        let outcome = unblock::ask(shared.link(), leased.link(), id).await;
        let is_over = match &outcome {
            Ok(_) => true,
            Err(error) => unblock::may_ask_again(error),
        };
        if is_over {
            self.lease.set_unblocking(false);
        }
        outcome
    }
}

/// A call that has no caller any more: its outcome is reported as soon as it is there, whatever else is waited for.
struct Reported<'a, F> {
    call: Pending<'a>,
    report: F,
    is_over: bool,
}

impl<'a, F: FnMut(Result<Frame>)> Reported<'a, F> {
    fn new(mut call: Pending<'a>, report: F) -> Self {
        call.end_wait();
        Self {
            call,
            report,
            is_over: false,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_over {
            let outcome = ready!(self.call.poll(cx));
            self.is_over = true;
            (self.report)(outcome);
        }
        Poll::Ready(())
    }

    async fn end(&mut self) {
        poll_fn(|cx| self.poll(cx)).await;
    }

    /// Does some work, and looks for the outcome meanwhile.
    async fn beside<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|cx| {
            let _ = self.poll(cx);
            work.as_mut().poll(cx)
        })
        .await
    }
}
