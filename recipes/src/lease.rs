//! What is held for a time and renewed in the background: [`Lease`], behind the guards of locks, permits, leaders and runs.
//!
//! A task of its own renews it, notices that it is lost, and gives it back. So a guard that is dropped is given back in the background,
//! and a call that is dropped while it waits for the server leaves nothing behind.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use typedis::prelude::StringCommands as _;
use typedis::{AnyClient, ErrorKind, Phase};

use crate::error::{Error, LossCause, Lost, Result};
use crate::scripts::{jittered, millis};

/// What one caller may hold.
pub(crate) trait Held: Send + Sync + 'static {
    /// What the server says when it gives it.
    type Given: Send + Sync;
    /// What it says when it refuses.
    type Refusal: Send;

    /// What it is, for errors.
    fn what(&self) -> Arc<str>;

    /// How long it lives after it was taken or renewed.
    fn ttl(&self) -> Duration;

    /// Asks the server for it. Asking again changes nothing once it was given.
    fn take(&self) -> impl Future<Output = Taken<Self>> + Send;

    /// Renews it; `false` if the server does not have it any more.
    fn renew(&self) -> impl Future<Output = typedis::Result<bool>> + Send;

    /// Has the server refuse calls of [`take`](Self::take) that arrive only now: see [`forbid`].
    fn forbid(&self) -> impl Future<Output = typedis::Result<()>> + Send;

    /// Gives it back; `false` if the server did not have it any more.
    fn release(&self) -> impl Future<Output = typedis::Result<bool>> + Send;
}

/// How long something lives, and how often it is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) ttl: Duration,
    /// The longest pause between two attempts.
    pub(crate) pause: Duration,
}

/// What the server said.
pub(crate) type Taken<H> =
    typedis::Result<std::result::Result<<H as Held>::Given, <H as Held>::Refusal>>;

/// Where the result of giving it back is sent.
type Report = oneshot::Sender<Result<()>>;

/// Something that is held, and the task that renews it.
pub(crate) struct Lease<H: Held> {
    held: Arc<H>,
    given: H::Given,
    standing: watch::Receiver<Standing>,
    /// Sending ends the task with a report; dropping ends it without one. In both cases it is given back.
    stop: oneshot::Sender<Report>,
}

/// What the task knows.
#[derive(Debug, Clone)]
enum Standing {
    /// It is held at least until then, unless the server lost it.
    Held(Instant),
    Lost(Lost),
}

impl<H: Held> Lease<H> {
    /// Begins to renew what the server gave in a reply to a call that was made at `asked`.
    fn begin(held: Arc<H>, given: H::Given, asked: Instant) -> Self {
        let (standing, seen) = watch::channel(Standing::Held(asked + certain(held.ttl())));
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(keep(Arc::clone(&held), asked, standing, stopped));
        Self {
            held,
            given,
            standing: seen,
            stop,
        }
    }

    /// What is held.
    pub(crate) fn held(&self) -> &H {
        &self.held
    }

    /// What the server said when it gave it.
    pub(crate) fn given(&self) -> &H::Given {
        &self.given
    }

    /// Whether nobody else can hold it, as far as this client knows.
    pub(crate) fn is_held(&self) -> bool {
        matches!(&*self.standing.borrow(), Standing::Held(until) if Instant::now() < *until)
    }

    /// Waits until it is lost.
    pub(crate) async fn lost(&self) -> Lost {
        let mut standing = self.standing.clone();
        let lost = standing
            .wait_for(|standing| matches!(standing, Standing::Lost(_)))
            .await;
        match lost.as_deref() {
            Ok(Standing::Lost(lost)) => lost.clone(),
            // The task ended with its runtime.
            _ => Lost::new(self.held.what(), self.unrenewed(None)),
        }
    }

    /// Runs the work until it ends or what is held is lost.
    pub(crate) async fn run<F: Future>(&self, work: F) -> Result<F::Output, Lost> {
        tokio::select! {
            biased;
            lost = self.lost() => Err(lost),
            output = work => Ok(output),
        }
    }

    /// Gives it back and says whether it was held until now.
    pub(crate) async fn release(self) -> Result<()> {
        let (report, outcome) = oneshot::channel();
        let unrenewed = Lost::new(self.held.what(), self.unrenewed(None));
        // If the task has ended with its runtime, there is no outcome either.
        let _ = self.stop.send(report);
        outcome.await.unwrap_or(Err(Error::Lost(unrenewed)))
    }

    fn unrenewed(&self, error: Option<Arc<typedis::Error>>) -> LossCause {
        LossCause::Unreachable {
            ttl: self.held.ttl(),
            error,
        }
    }
}

/// How long it is certainly held, counted from before the call was sent: clocks may run differently fast.
fn certain(ttl: Duration) -> Duration {
    ttl - ttl / 100
}

/// How long to wait before it is asked for again: at most `longest`, and no longer than what another caller holds lives.
pub(crate) fn pause(longest: Duration, expires: Duration) -> Duration {
    jittered(longest).min(expires)
}

/// Renews it until it is lost or given back.
async fn keep<H: Held>(
    held: Arc<H>,
    asked: Instant,
    standing: watch::Sender<Standing>,
    mut stop: oneshot::Receiver<Report>,
) {
    let stopped = tokio::select! {
        stopped = &mut stop => stopped,
        cause = renew(&held, asked, &standing) => {
            let may_be_there = matches!(cause, LossCause::Unreachable { .. });
            let lost = Lost::new(held.what(), cause);
            standing.send_replace(Standing::Lost(lost.clone()));
            if may_be_there {
                // The server may have carried out a renewal whose reply was lost, so the others would wait for its end.
                tokio::spawn(async move { give_back(&*held).await });
            }
            if let Ok(report) = stop.await {
                let _ = report.send(Err(Error::Lost(lost)));
            }
            return;
        }
    };
    let outcome = give_back(&*held).await;
    // A guard that was dropped does not ask; then it expires if it could not be given back.
    if let Ok(report) = stopped {
        let _ = report.send(outcome);
    }
}

/// Renews it three times in its time to live, until it is lost; says why. A renewal that is not answered soon is made once more beside the first, which may
/// hang with its connection while others work.
async fn renew<H: Held>(
    held: &Arc<H>,
    asked: Instant,
    standing: &watch::Sender<Standing>,
) -> LossCause {
    let ttl = held.ttl();
    let mut renewing = Renewing::new(asked, ttl);
    loop {
        tokio::select! {
            biased;
            Some(ended) = renewing.calls.join_next() => {
                // A call that panicked says nothing; the next one is made in time.
                let Ok((sent, renewed)) = ended else { continue };
                match renewing.ended(sent, renewed) {
                    Ok(until) => standing.send_replace(Standing::Held(until)),
                    Err(cause) => return cause,
                };
            },
            () = tokio::time::sleep_until(renewing.asked + certain(ttl)) => {
                return LossCause::Unreachable { ttl, error: renewing.error };
            }
            () = tokio::time::sleep_until(renewing.next) => renewing.call(held),
        }
    }
}

/// The calls that renew.
struct Renewing {
    ttl: Duration,
    /// When the last call was made that gave or renewed it.
    asked: Instant,
    /// When the next call is made.
    next: Instant,
    /// The last failure since then.
    error: Option<Arc<typedis::Error>>,
    /// Those without a reply, each with the moment at which it was made.
    calls: JoinSet<(Instant, typedis::Result<bool>)>,
}

impl Renewing {
    fn new(asked: Instant, ttl: Duration) -> Self {
        Self {
            ttl,
            asked,
            next: asked + ttl / 3,
            error: None,
            calls: JoinSet::new(),
        }
    }

    /// Makes another call.
    fn call<H: Held>(&mut self, held: &Arc<H>) {
        let (held, now) = (Arc::clone(held), Instant::now());
        self.calls.spawn(async move { (now, held.renew().await) });
        self.next = now + self.ttl / 6;
    }

    /// Takes note of what a call has brought: until when it is held, or why it is lost.
    fn ended(
        &mut self,
        sent: Instant,
        renewed: typedis::Result<bool>,
    ) -> std::result::Result<Instant, LossCause> {
        match renewed {
            Ok(true) => *self = Self::new(sent, self.ttl),
            Ok(false) => return Err(LossCause::Gone),
            Err(failure) => {
                self.error = Some(Arc::new(failure));
                self.next = self.next.min(Instant::now() + self.ttl / 20);
            }
        }
        Ok(self.asked + certain(self.ttl))
    }
}

/// Gives it back. If a first call may have been carried out, a second one decides nothing: it is not held any more in any case.
async fn give_back<H: Held>(held: &H) -> Result<()> {
    let first = held.release().await;
    let (outcome, is_repeated) = match first {
        Err(error) if error.phase() == Phase::MaybeApplied => (held.release().await, true),
        outcome => (outcome, false),
    };
    match outcome {
        Ok(given) if given || is_repeated => Ok(()),
        Ok(_) => Err(Error::Lost(Lost::new(held.what(), LossCause::Gone))),
        Err(error) => Err(Error::Client(error)),
    }
}

/// How long the server refuses a call that was given up: longer than one is on its way.
const ON_ITS_WAY: Duration = Duration::from_secs(600);

/// Notes on the server, at `key`, that a caller has given its call up. The call may be on its way still, as on another lane of a pool that hangs, and
/// what it took would be nobody's. So giving back is not enough: it may come first.
pub(crate) async fn forbid(client: &AnyClient, key: &str) -> typedis::Result<()> {
    client.set(key, 1).px(millis(ON_ITS_WAY)).await
}

/// Gives back what a call may have taken that was given up: at once, because the note that [`forbid`] makes may go over the lane that hangs, and `again`
/// when the note is there, because the call may have arrived in between. If all of this fails, what was taken expires.
pub(crate) async fn take_back(forbid: impl Future, release: impl Future, again: impl Future) {
    let refused = async {
        forbid.await;
        again.await
    };
    tokio::join!(refused, release);
}

/// How often it is asked for if each reply takes the whole time to live.
const QUESTIONS: u32 = 5;

/// The error of a call that gets nothing that is still held when the reply is there. The server has carried the call out.
fn too_short(ttl: Duration) -> typedis::Error {
    let reason = format!(
        "a time to live of {ttl:?} is over before the reply of the server is there; give it a longer one"
    );
    typedis::Error::new(ErrorKind::Usage(reason.into()), Phase::Applied)
}

/// An attempt to take something. If it ends without knowing whether the server gave it, it is given back in the background.
pub(crate) struct Attempt<H: Held> {
    held: Arc<H>,
    /// Whether the server may have given what nobody holds here.
    is_open: bool,
}

impl<H: Held> Attempt<H> {
    pub(crate) fn new(held: H) -> Self {
        Self {
            held: Arc::new(held),
            is_open: false,
        }
    }

    /// Asks the server once. A reply that took the whole time to live says nothing any more, so it is asked again, some times.
    pub(crate) async fn take(
        &mut self,
    ) -> typedis::Result<std::result::Result<Lease<H>, H::Refusal>> {
        for _ in 0..QUESTIONS {
            let asked = Instant::now();
            self.is_open = true;
            let reply = self.held.take().await;
            if matches!(reply, Ok(Ok(_))) && asked.elapsed() >= certain(self.held.ttl()) {
                continue;
            }
            self.is_open = matches!(&reply, Err(error) if error.phase() == Phase::MaybeApplied);
            let lease = |given| Lease::begin(Arc::clone(&self.held), given, asked);
            return reply.map(|reply| reply.map(lease));
        }
        Err(too_short(self.held.ttl()))
    }
}

impl<H: Held<Refusal = Duration>> Attempt<H> {
    /// Asks until the server gives it: after a pause of at most `longest`, and at once when what another caller holds has expired.
    pub(crate) async fn wait(&mut self, longest: Duration) -> typedis::Result<Lease<H>> {
        loop {
            match self.take().await? {
                Ok(lease) => return Ok(lease),
                Err(expires) => tokio::time::sleep(pause(longest, expires)).await,
            }
        }
    }
}

impl<H: Held> Drop for Attempt<H> {
    fn drop(&mut self) {
        if self.is_open
            && let Ok(runtime) = Handle::try_current()
        {
            let held = Arc::clone(&self.held);
            runtime.spawn(async move {
                take_back(held.forbid(), give_back(&*held), give_back(&*held)).await;
            });
        }
    }
}
