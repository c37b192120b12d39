//! A transaction step by step: MULTI has been sent, commands are queued one by one, and EXEC or
//! DISCARD ends it.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::command::blame::Blame;
use crate::command::{Args, CommandInfo, Keys, StateChange, command_info};
use crate::engine::exchange::Pending;
use crate::error::{Error, ErrorKind, Phase, Result, ServerVersion};
use crate::handle::Exclusive;
use crate::reply::{Frame, FromRedis, Reply, described};
use crate::request::{Execute, Sink, Target};
use crate::runtime::Lock;

static MULTI: CommandInfo = command_info!("MULTI").state(StateChange::Transaction);
static EXEC: CommandInfo = command_info!("EXEC").state(StateChange::Transaction);
static DISCARD: CommandInfo = command_info!("DISCARD").state(StateChange::Transaction);

impl Exclusive {
    /// Sends MULTI. The server queues the commands that are sent through the returned handle, and checks
    /// each as it arrives, until [`Open::exec`].
    ///
    /// A [`transaction`](Exclusive::transaction) does the same in one write, which is faster. Use `begin` where the
    /// next command depends on whether the one before was queued.
    ///
    /// ```no_run
    /// # extern crate typedis_core as typedis;
    /// # async fn example(exclusive: typedis::Exclusive) -> typedis::Result<()> {
    /// use typedis::{Run, raw};
    ///
    /// let open = exclusive.begin().await?;
    /// let n = open.run(raw("INCR").key("n").reply::<i64>()).await?; // Queued<i64>: there is no number yet
    /// let mut replies = open.exec().await?;
    /// let n: i64 = replies.take(n)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The connection's; or a MULTI is open already, which is left as it is. Newer servers refuse to execute that one once
    /// they have seen a second MULTI, so it is not sent if the first is known.
    pub async fn begin(&self) -> Result<Open<'_>> {
        if self.set_open(true) {
            let error =
                Error::usage("a transaction is open; end it with `exec` or `discard` first");
            return Err(error.of_command(MULTI.name.into()));
        }
        // Made before MULTI is sent, so that a call that is dropped midway leaves no MULTI open
        // either.
        let mut open = Open {
            exclusive: self,
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            tally: Lock::default(),
            ended: false,
        };
        let begun = self.unit(&MULTI).await;
        if let Err(error) = &begun {
            // What may be open then is a MULTI that the user has sent: it is not this one that ends it.
            open.ended = error.phase() != Phase::MaybeApplied;
        }
        begun.map(|()| open)
    }

    /// Runs one of the core's commands that have no arguments and are answered with OK.
    pub(crate) async fn unit(&self, info: &'static CommandInfo) -> Result<()> {
        self.call(Args::lease(info, Keys::Ignored)).decoded().await
    }
}

/// Tells the transactions of this process apart.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A transaction between MULTI and EXEC. Dropped without [`Open::exec`], it is discarded.
///
/// Await each command of it, in any order. If one was dropped or timed out before the server had said that it is queued, it may or
/// may not be part of the transaction. Then [`Open::exec`] sends DISCARD and fails.
#[derive(Debug)]
#[must_use = "the server executes nothing before `exec`"]
pub struct Open<'e> {
    exclusive: &'e Exclusive,
    id: u64,
    tally: Lock<Tally>,
    /// Whether EXEC or DISCARD has been sent.
    ended: bool,
}

/// What is known about the commands that were sent between MULTI and EXEC.
#[derive(Debug, Default)]
struct Tally {
    /// How many were sent.
    sent: usize,
    /// Whether it is not known for each of them whether the server has queued it.
    is_unsure: bool,
}

impl Tally {
    /// The place of a command that is sent now.
    fn take_place(&mut self) -> usize {
        let place = self.sent;
        self.sent += 1;
        place
    }

    /// The command at this place was not sent after all.
    fn give_back(&mut self, place: usize) {
        if place + 1 == self.sent {
            self.sent = place;
        } else {
            // Those behind it have been told their places already.
            self.is_unsure = true;
        }
    }
}

/// Stands for the reply of a queued command until EXEC.
#[derive(Debug)]
pub struct Queued<R> {
    /// The transaction that it was queued by.
    open: u64,
    index: usize,
    blame: Blame,
    reply: PhantomData<fn() -> R>,
}

/// The replies of EXEC. Each is taken with the [`Queued`] that queueing its command returned.
#[derive(Debug)]
pub struct Executed {
    /// The transaction.
    open: u64,
    replies: Vec<Option<Frame>>,
    /// The server that executed it.
    server: Option<ServerVersion>,
}

impl Open<'_> {
    /// Executes what was queued.
    ///
    /// # Errors
    /// [`ErrorKind::WatchedKeyChanged`] if a watched key was changed, and the server's EXECABORT if it had refused to
    /// queue one of the commands. [`ErrorKind::Usage`] if a command was dropped before its call had ended, so that it is
    /// not known whether it was queued. In these cases nothing was executed.
    ///
    /// Also [`ErrorKind::Usage`], in the phase [`Phase::Applied`], if there are more or fewer replies than commands. This happens
    /// if other commands were sent on the socket meanwhile: they were queued and executed too.
    pub async fn exec(mut self) -> Result<Executed> {
        let named = |error: Error| error.of_command(EXEC.name.into());
        let Tally { sent, is_unsure } = std::mem::take(&mut *self.tally.lock());
        if is_unsure {
            self.discard().await?;
            return Err(named(unsure()));
        }
        let exclusive = self.exclusive;
        let mut call = exclusive.call(Args::lease(&EXEC, Keys::Ignored));
        self.ended = call.submit();
        let outcome = call.frame().await;
        self.ended = !is_unsent(&outcome);
        let replies = outcome.and_then(executed).map_err(named)?;
        if replies.len() != sent {
            return Err(named(other_commands(replies.len(), sent)));
        }
        Ok(Executed {
            open: self.id,
            replies,
            server: exclusive.server(),
        })
    }

    /// Discards the queued commands, and ends the watch of keys.
    ///
    /// # Errors
    /// The connection's.
    pub async fn discard(mut self) -> Result<()> {
        let exclusive = self.exclusive;
        let mut call = exclusive.call(Args::lease(&DISCARD, Keys::Ignored));
        self.ended = call.submit();
        let outcome = call.decoded().await;
        self.ended = !is_unsent(&outcome);
        outcome
    }
}

/// The replies in that of EXEC.
fn executed(frame: Frame) -> Result<Vec<Option<Frame>>> {
    if let Some(elements) = frame.elements() {
        return Ok(elements.map(Some).collect());
    }
    let changed = || Error::new(ErrorKind::WatchedKeyChanged, Phase::Refused);
    Err(match frame.reply() {
        Reply::Nil => changed(),
        reply => reply.error().map_or_else(
            || Error::protocol("EXEC was answered with no array"),
            Error::refused,
        ),
    })
}

/// The error of a transaction of which is not known what the server has queued.
fn unsure() -> Error {
    let text = "a command of this transaction was dropped or failed before the server had said that it is queued; \
                the transaction was discarded";
    Error::new(ErrorKind::Usage(text.into()), Phase::Refused)
}

/// The error of a transaction whose replies cannot be told apart.
fn other_commands(replies: usize, commands: usize) -> Error {
    let text = format!(
        "there are {replies} replies to {commands} commands, because others were sent on this socket \
         between MULTI and EXEC; all of them were carried out"
    );
    Error::new(ErrorKind::Usage(text.into()), Phase::Applied)
}

/// Whether EXEC or DISCARD was not sent, so that the transaction is still open.
fn is_unsent<T>(outcome: &Result<T>) -> bool {
    matches!(outcome, Err(error) if error.phase() == Phase::NotSent)
}

impl Drop for Open<'_> {
    /// The next command on this socket must not become part of the transaction.
    fn drop(&mut self) {
        self.exclusive.set_open(false);
        if self.ended || self.exclusive.is_closed() {
            return;
        }
        let mut args = Args::lease(&DISCARD, Keys::Ignored);
        // With a deadline it could be given up while what was written before it is stuck, and what follows would be queued.
        args.set_deadline(Duration::MAX);
        if !self.exclusive.call(args).submit() {
            self.exclusive.connection().abort();
        }
    }
}

impl Executed {
    /// The reply of a queued command.
    ///
    /// # Errors
    /// The command's own failure.
    pub fn take<R: FromRedis>(&mut self, queued: Queued<R>) -> Result<R> {
        let Queued {
            open, index, blame, ..
        } = queued;
        let reply = self.replies.get_mut(index).filter(|_| open == self.open);
        let decoded = match reply.and_then(Option::take) {
            Some(frame) => frame.decode(),
            None => Err(Error::usage(
                "this command was queued by another transaction",
            )),
        };
        described(decoded, |error| {
            blame.explain(error.at_index(index), self.server)
        })
    }

    /// How many commands were executed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.replies.len()
    }

    /// Whether the transaction was empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.replies.is_empty()
    }
}

impl Target for &Open<'_> {
    type Sink = Self;

    fn into_sink(self) -> Self {
        self
    }
}

impl<'a> Sink for &'a Open<'_> {
    type Pending = OpenPending<'a>;
}

/// A command that is being queued in an open MULTI.
#[derive(Debug)]
pub struct OpenPending<'a> {
    pending: Pending<'a>,
    open: u64,
    blame: Blame,
    tally: &'a Lock<Tally>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    /// It is not sent yet.
    Waiting,
    /// It is sent, as the command at this place of the transaction, and the server has not said anything yet.
    Sent(usize),
    /// The caller knows what became of it.
    Over,
}

impl OpenPending<'_> {
    /// Queues it now, if there is room.
    ///
    /// The server queues commands in the order in which they are sent, and replies of EXEC come in the same order. So places are
    /// given out when commands are sent, whatever their callers are awaiting. Both happens under one lock.
    fn submit(&mut self) {
        if matches!(self.stage, Stage::Waiting) {
            let mut tally = self.tally.lock();
            if self.pending.submit() {
                self.stage = Stage::Sent(tally.take_place());
            }
        }
    }

    fn poll_status(&mut self, cx: &mut Context<'_>) -> Poll<Result<String>> {
        if !matches!(self.stage, Stage::Waiting) {
            return self.pending.poll_decoded(cx);
        }
        let mut tally = self.tally.lock();
        let status = self.pending.poll_decoded(cx);
        let is_sent = match &status {
            Poll::Pending => self.pending.is_in_flight(),
            Poll::Ready(outcome) => !is_unsent(outcome),
        };
        if is_sent {
            self.stage = Stage::Sent(tally.take_place());
        }
        status
    }

    /// What became of it.
    fn conclude<R>(&mut self, status: Result<String>) -> Result<Queued<R>> {
        let stage = std::mem::replace(&mut self.stage, Stage::Over);
        let Stage::Sent(index) = stage else {
            return Err(status.err().unwrap_or_else(Error::ended));
        };
        let error = match status {
            Ok(status) if status == "QUEUED" => {
                return Ok(Queued {
                    open: self.open,
                    index,
                    blame: self.blame.clone(),
                    reply: PhantomData,
                });
            }
            Ok(_) => Error::protocol("the server did not queue a command after MULTI"),
            Err(error) => error,
        };
        match error.phase() {
            Phase::NotSent => self.tally.lock().give_back(index),
            // EXEC will refuse the whole.
            Phase::Refused => {}
            Phase::MaybeApplied | Phase::Applied => self.tally.lock().is_unsure = true,
        }
        Err(error)
    }
}

impl Drop for OpenPending<'_> {
    fn drop(&mut self) {
        if let Stage::Sent(_) = self.stage {
            self.tally.lock().is_unsure = true;
        }
    }
}

impl<'a, R> Execute<R> for &'a Open<'_> {
    type Output = Queued<R>;

    fn begin(self, mut args: Box<Args>) -> OpenPending<'a> {
        // Only EXEC would say that the server lacks the script, when the other commands have been carried out
        // already.
        args.send_script_text();
        let blame = Blame::of(&args);
        let pending = match args.changes_its_socket() {
            false => self.exclusive.call(args),
            true => {
                let error = Error::usage(
                    "it has no place in a transaction; end that one with `exec` or `discard` first",
                );
                Pending::refused(self.exclusive.connection().link(), args, error)
            }
        };
        OpenPending {
            pending,
            open: self.id,
            blame,
            tally: &self.tally,
            stage: Stage::Waiting,
        }
    }

    fn submit(pending: &mut OpenPending<'a>) {
        pending.submit();
    }

    fn poll(pending: &mut OpenPending<'a>, cx: &mut Context<'_>) -> Poll<Result<Queued<R>>> {
        let status = ready!(pending.poll_status(cx));
        Poll::Ready(pending.conclude(status))
    }
}
