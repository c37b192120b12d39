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
use crate::command::{Args, CommandInfo, Keys, command_info};
use crate::engine::exchange::Pending;
use crate::error::{CommandName, Error, ErrorKind, Phase, Result};
use crate::reply::{Frame, FromRedis};
use crate::runtime;

static CLIENT_ID: CommandInfo = command_info!("CLIENT ID").idempotent();
static CLIENT_UNBLOCK: CommandInfo = command_info!("CLIENT UNBLOCK");

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
}

/// Runs a blocking command on a leased socket: directly, or, if there is a function to report to, in a separate task.
/// The wait is ended over `unblock_on`. `asking` says that the node is about to get the slot of its keys.
pub(crate) async fn run(
    reports: &Reports,
    lease: Exclusive,
    unblock_on: &Connection,
    asking: bool,
    mut args: Box<Args>,
) -> Result<Frame> {
    if args.deadline().is_some_and(|left| left.is_zero()) {
        return Err(Error::timeout(Phase::NotSent, None));
    }
    let Some(report) = reports.get() else {
        if asking {
            lease.ask();
        }
        return lease.call(args).frame().await;
    };
    let end = take_deadline(&mut args);
    let (sender, receiver) = oneshot::channel();
    let mut claim = Claim {
        receiver,
        name: args.name(),
        report: report.clone(),
    };
    let wait = Wait {
        unblock_on: unblock_on.clone(),
        lease,
        asking,
        end,
        report,
    };
    runtime::spawn(wait.run(args, sender));
    match (&mut claim.receiver).await {
        Ok(outcome) => outcome,
        // Only the end of its runtime ends the task before that.
        Err(_) => Err(Error::new(ErrorKind::RuntimeEnded, Phase::MaybeApplied)),
    }
}

/// Takes the deadline of a command away from the socket, which throws away a reply that comes after it.
fn take_deadline(args: &mut Args) -> Option<Instant> {
    let left = args.deadline();
    args.set_deadline(Duration::MAX);
    Instant::now().checked_add(left?)
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
    unblock_on: Connection,
    lease: Exclusive,
    asking: bool,
    /// When the caller is told that its time is over.
    end: Option<Instant>,
    report: Report,
}

/// What ends the wait of a caller.
enum End {
    Answered(Result<Frame>),
    Late,
    /// It has gone away.
    Gone,
}

impl Wait {
    async fn run(self, args: Box<Args>, mut caller: oneshot::Sender<Result<Frame>>) {
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
        let mut late = pin!(at(self.end));
        let end = poll_fn(|cx| {
            if let Poll::Ready(outcome) = call.poll(cx) {
                return Poll::Ready(End::Answered(outcome));
            }
            if late.as_mut().poll(cx).is_ready() {
                return Poll::Ready(End::Late);
            }
            caller.poll_closed(cx).map(|()| End::Gone)
        });
        match end.await {
            End::Answered(outcome) => {
                if let Err(outcome) = caller.send(outcome) {
                    tell(&self.report, &name, outcome);
                }
                return;
            }
            End::Late => {
                // It does not matter if the caller goes away at the same time.
                let _ = caller.send(Err(call.timeout()));
            }
            End::Gone => {}
        }
        if !call.is_in_flight() {
            // It must not be sent any more.
            return;
        }
        let report = |outcome| tell(&self.report, &name, outcome);
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
        // If the wait is split into pieces, the request to end it may come between two pieces.
        while !call.is_over {
            // Each time: meanwhile the lane may have been led to another server.
            if !call.beside(self.can_unblock()).await? {
                return Ok(());
            }
            if call.beside(self.unblock(id)).await? {
                call.end().await;
            } else {
                let _ = tokio::time::timeout(PAUSE, call.end()).await;
            }
        }
        Ok(())
    }

    /// Whether the lane leads to the server that the command is blocked on. A name may have several addresses, or lead elsewhere
    /// since a failover: there, the id is that of somebody else.
    async fn can_unblock(&self) -> Result<bool> {
        let (lane, lease) = (self.unblock_on.link(), self.lease.connection().link());
        if !self.unblock_on.is_connected() {
            // Only then is it known where it leads.
            let mut id = Pending::new(lane, Args::lease(&CLIENT_ID, Keys::Ignored));
            // Also while the handle is being closed.
            id.be_own();
            id.decoded::<i64>().await?;
        }
        Ok(lane.place.is_same(&lease.place))
    }

    /// Returns whether a command of this client was blocked.
    async fn unblock(&self, id: i64) -> Result<bool> {
        let mut unblock = Args::lease(&CLIENT_UNBLOCK, Keys::Ignored);
        unblock.arg("client-id", &id);
        self.lease.set_unblocking(true);
        let mut unblock = Pending::new(self.unblock_on.link(), unblock);
        unblock.be_own();
        let was_blocked = unblock.decoded().await?;
        self.lease.set_unblocking(false);
        Ok(was_blocked)
    }
}

/// Waits until this moment; `None` never comes.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
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
