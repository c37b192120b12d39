//! A transaction step by step: MULTI has been sent, commands are queued one by one, and EXEC or
//! DISCARD ends it.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use crate::command::{Args, CommandInfo, Keys, StateChange, command_info};
use crate::engine::exchange::Pending;
use crate::error::{Error, ErrorKind, Phase, Result};
use crate::handle::Exclusive;
use crate::reply::{Frame, Frames, FromRedis, Reply};
use crate::request::{Execute, Sink, Target};

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
            queued: AtomicUsize::new(0),
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

/// A transaction between MULTI and EXEC. Dropped without [`Open::exec`], it is discarded.
#[derive(Debug)]
#[must_use = "the server executes nothing before `exec`"]
pub struct Open<'e> {
    exclusive: &'e Exclusive,
    /// The number of commands that the server has queued.
    queued: AtomicUsize,
    /// Whether EXEC or DISCARD has been sent.
    ended: bool,
}

/// Stands for the reply of a queued command until EXEC.
#[derive(Debug)]
pub struct Queued<R> {
    index: usize,
    reply: PhantomData<fn() -> R>,
}

/// The replies of EXEC. Each is taken with the [`Queued`] that queueing its command returned.
#[derive(Debug)]
pub struct Executed {
    replies: Vec<Option<Frame>>,
}

impl Open<'_> {
    /// Executes what was queued.
    ///
    /// # Errors
    /// [`ErrorKind::WatchedKeyChanged`] if a watched key was changed, and the server's EXECABORT if it had refused to
    /// queue one of the commands. In both cases nothing was executed.
    pub async fn exec(mut self) -> Result<Executed> {
        let exclusive = self.exclusive;
        let mut call = exclusive.call(Args::lease(&EXEC, Keys::Ignored));
        self.ended = call.submit();
        let outcome = call.frame().await;
        self.ended = !is_unsent(&outcome);
        let frame = outcome.map_err(|error| error.of_command(EXEC.name.into()))?;
        let changed = || Error::new(ErrorKind::WatchedKeyChanged, Phase::Refused);
        let replies = match frame.elements() {
            Some(elements) => Ok(elements),
            None => match frame.reply() {
                Reply::Nil => Err(changed()),
                reply => Err(reply.error().map_or_else(
                    || Error::protocol("EXEC was answered with no array"),
                    Error::refused,
                )),
            },
        };
        let replies: Frames = replies.map_err(|error| error.of_command(EXEC.name.into()))?;
        Ok(Executed {
            replies: replies.map(Some).collect(),
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
        let mut call = self.exclusive.call(Args::lease(&DISCARD, Keys::Ignored));
        if !call.submit() {
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
        let frame = self.replies.get_mut(queued.index).and_then(Option::take);
        let frame =
            frame.ok_or_else(|| Error::usage("this command was queued by another transaction"))?;
        frame.decode().map_err(|error| error.at_index(queued.index))
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
    queued: &'a AtomicUsize,
}

impl<'a, R> Execute<R> for &'a Open<'_> {
    type Output = Queued<R>;

    fn begin(self, mut args: Box<Args>) -> OpenPending<'a> {
        // Only EXEC would say that the server lacks the script, when the other commands have been carried out
        // already.
        args.send_script_text();
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
            queued: &self.queued,
        }
    }

    fn submit(pending: &mut OpenPending<'a>) {
        pending.pending.submit();
    }

    fn poll(pending: &mut OpenPending<'a>, cx: &mut Context<'_>) -> Poll<Result<Queued<R>>> {
        let status: Result<String> = ready!(pending.pending.poll_decoded(cx));
        Poll::Ready(match status {
            // Replies of EXEC come in the order of queueing, so the count gives each its place.
            Ok(status) if status == "QUEUED" => Ok(Queued {
                index: pending.queued.fetch_add(1, Ordering::Relaxed),
                reply: PhantomData,
            }),
            Ok(_) => Err(Error::protocol(
                "the server did not queue a command after MULTI",
            )),
            Err(error) => Err(error),
        })
    }
}
