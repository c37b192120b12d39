//! A transaction by hand: MULTI is out, commands are queued one by one, EXEC or DISCARD ends it.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use crate::command::{Args, CommandInfo, Keys, StateChange};
use crate::engine::pending::Pending;
use crate::error::{Error, ErrorKind, Phase, Result};
use crate::handle::Exclusive;
use crate::reply::{Frame, Frames, FromRedis, Reply};
use crate::request::{Execute, Sink, Target};

static MULTI: CommandInfo =
    CommandInfo::new("MULTI", b"$5\r\nMULTI\r\n", 1).state(StateChange::Transaction);
static EXEC: CommandInfo =
    CommandInfo::new("EXEC", b"$4\r\nEXEC\r\n", 1).state(StateChange::Transaction);
static DISCARD: CommandInfo =
    CommandInfo::new("DISCARD", b"$7\r\nDISCARD\r\n", 1).state(StateChange::Transaction);

impl Exclusive {
    /// Sends MULTI. Commands on what this gives are queued by the server, each checked as it arrives, until
    /// [`Open::exec`].
    ///
    /// A [`transaction`](Exclusive::transaction) does the same in one write, which is faster; this one is for deciding
    /// from queued command to queued command.
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
    /// The connection's; or a MULTI that is open already.
    pub async fn begin(&self) -> Result<Open<'_>> {
        // Made first, so that a call that is given up midway leaves no MULTI open either.
        let open = Open {
            exclusive: self,
            queued: AtomicUsize::new(0),
            ended: false,
        };
        self.unit(&MULTI).await?;
        Ok(open)
    }

    /// Runs a command of the core's own that has no arguments and answers OK.
    pub(crate) async fn unit(&self, info: &'static CommandInfo) -> Result<()> {
        self.call(Args::lease(info, Keys::Ignored)).decoded().await
    }
}

/// A MULTI that has not been ended. Dropped without [`Open::exec`], it is discarded.
#[derive(Debug)]
#[must_use = "the server executes nothing before `exec`"]
pub struct Open<'e> {
    exclusive: &'e Exclusive,
    /// How many commands the server has queued.
    queued: AtomicUsize,
    /// Whether EXEC or DISCARD is on its way.
    ended: bool,
}

/// Stands for the reply of a queued command until EXEC.
#[derive(Debug)]
pub struct Queued<R> {
    index: usize,
    reply: PhantomData<fn() -> R>,
}

/// The replies of EXEC, each to be taken by what queueing its command gave.
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
        self.ended = true;
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

    /// Gives up what was queued, and the watched keys with it.
    ///
    /// # Errors
    /// The connection's.
    pub async fn discard(mut self) -> Result<()> {
        let exclusive = self.exclusive;
        let mut call = exclusive.call(Args::lease(&DISCARD, Keys::Ignored));
        self.ended = call.submit();
        let outcome = call.decoded().await;
        self.ended = true;
        outcome
    }
}

impl Drop for Open<'_> {
    /// Whatever is sent next on this socket must not be taken for part of the transaction.
    fn drop(&mut self) {
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

/// A command on its way into an open MULTI.
#[derive(Debug)]
pub struct OpenPending<'a> {
    pending: Pending<'a>,
    queued: &'a AtomicUsize,
}

impl<'a, R> Execute<R> for &'a Open<'_> {
    type Output = Queued<R>;

    fn begin(self, mut args: Box<Args>) -> OpenPending<'a> {
        // Whether the server has the script would only be seen at EXEC, when the other commands have been carried out.
        args.send_script_text();
        let pending = match args
            .needs_own_socket()
            .filter(|_| args.info().state.is_some())
        {
            None => self.exclusive.call(args),
            Some(_) => {
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
            // Replies come in the order of queueing, so counting them gives each its place in the reply of EXEC.
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
