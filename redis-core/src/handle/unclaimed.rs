//! Replies of blocking commands whose callers have gone away: [`Unclaimed`].
//!
//! A server may hand out an element at the moment when its reader goes away. If the socket were closed, the element
//! would be lost unnoticed. If the pool has a function to report to, the call runs in a separate task, which outlives
//! its caller. The task ends the wait with CLIENT UNBLOCK, and the reply says whether an element was handed out.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::oneshot;

use super::connection::Connection;
use super::exclusive::Exclusive;
use crate::command::{Args, CommandInfo, Keys, command_info};
use crate::engine::exchange::Pending;
use crate::error::{CommandName, Error, ErrorKind, Phase, Result};
use crate::reply::{Frame, FromRedis};
use crate::runtime;

static CLIENT_ID: CommandInfo = command_info!("CLIENT ID").idempotent();
static CLIENT_UNBLOCK: CommandInfo = command_info!("CLIENT UNBLOCK").idempotent();

/// How long to wait for a reply before the server is asked again to end the wait.
const PAUSE: Duration = Duration::from_millis(20);

/// How long a server may take to end a wait. After that its socket is closed.
const GRACE: Duration = Duration::from_secs(1);

/// A reply that came after its caller had gone away.
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
    args: Box<Args>,
) -> Result<Frame> {
    let Some(report) = reports.get() else {
        if asking {
            lease.ask();
        }
        return lease.call(args).frame().await;
    };
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
        report,
    };
    runtime::spawn(wait.run(args, sender));
    match (&mut claim.receiver).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Error::new(ErrorKind::Closed, Phase::MaybeApplied)),
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
    unblock_on: Connection,
    lease: Exclusive,
    asking: bool,
    report: Report,
}

impl Wait {
    async fn run(self, args: Box<Args>, mut caller: oneshot::Sender<Result<Frame>>) {
        let name = args.name();
        // Both commands are sent together, so asking for the id takes no extra time.
        let mut id = self.lease.call(Args::lease(&CLIENT_ID, Keys::Ignored));
        id.submit();
        if self.asking {
            self.lease.ask();
        }
        let mut call = self.lease.call(args);
        call.submit();
        let outcome = std::future::poll_fn(|cx| {
            if let std::task::Poll::Ready(outcome) = call.poll(cx) {
                return std::task::Poll::Ready(Some(outcome));
            }
            caller.poll_closed(cx).map(|()| None)
        })
        .await;
        let unclaimed = match outcome {
            Some(outcome) => caller.send(outcome).err(),
            None => self.give_up(id, call).await,
        };
        if let Some(outcome) = unclaimed {
            tell(&self.report, &name, outcome);
        }
    }

    /// Makes the server end the wait, and returns the reply; `None` if none came in time.
    async fn give_up(&self, id: Pending<'_>, mut call: Pending<'_>) -> Option<Result<Frame>> {
        call.end_wait();
        let reply = async {
            let id: i64 = id.decoded().await?;
            // If the wait is split into pieces, the request to end it may come between two pieces.
            while !self.unblock(id).await? {
                let pause = tokio::time::timeout(PAUSE, std::future::poll_fn(|cx| call.poll(cx)));
                if let Ok(outcome) = pause.await {
                    return outcome;
                }
            }
            call.frame().await
        };
        tokio::time::timeout(GRACE, reply).await.ok()
    }

    /// Returns whether a command of this client was blocked.
    async fn unblock(&self, id: i64) -> Result<bool> {
        let mut unblock = Args::lease(&CLIENT_UNBLOCK, Keys::Ignored);
        unblock.arg("client-id", &id);
        Pending::new(self.unblock_on.link(), unblock)
            .decoded()
            .await
    }
}
