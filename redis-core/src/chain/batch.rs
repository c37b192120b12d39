//! Commands that are only known at run time, sent together: [`Batch`] with handles, and `pipeline_each`.

use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use super::Running;
use super::carrier::Carrier;
use super::outcomes::Outcomes;
use super::payload::ChainPayload;
use crate::command::prefix::Prefix;
use crate::error::{Error, Result};
use crate::handle::{Connection, Exclusive, Pool};
use crate::reply::{Frame, FromRedis};
use crate::request::{Detached, IntoRequest};

/// A pipeline whose commands are collected one by one.
///
/// ```no_run
/// # extern crate typedis_core as typedis;
/// # async fn example(conn: typedis::Connection) -> typedis::Result<()> {
/// use typedis::raw;
///
/// let mut batch = conn.batch();
/// let visits = batch.push(raw("INCR").key("visits").reply::<i64>());
/// let name = batch.push(raw("GET").key("name").reply::<Option<String>>());
/// let mut replies = batch.execute().await?;
/// let visits: i64 = replies.take(visits)?;
/// let name: Option<String> = replies.take(name)?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "a batch does nothing until it is executed"]
pub struct Batch<'a> {
    carrier: Carrier<'a>,
    payload: ChainPayload,
    id: u64,
}

/// Stands for a command's reply until the batch has been executed. It is not a future, so it cannot be awaited too
/// early.
#[derive(Debug)]
#[must_use = "the command's reply, and its failure, is only seen when it is taken with this"]
pub struct BatchHandle<R> {
    batch: u64,
    index: usize,
    reply: PhantomData<fn() -> R>,
}

/// The replies of a batch, each is taken by its handle.
#[derive(Debug)]
pub struct BatchReplies {
    batch: u64,
    outcomes: Vec<Option<Result<Frame>>>,
    payload: ChainPayload,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(carrier: Carrier<'a>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            carrier,
            payload: carrier.payload(false),
            id: NEXT.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// The same batch for a handle that puts a prefix before names.
    pub(crate) fn prefixed(mut self, prefix: &Arc<Prefix>) -> Self {
        self.payload = self.payload.prefixed(prefix);
        self
    }

    /// Adds a command; its reply is later taken with the handle.
    pub fn push<C: IntoRequest<Sink = Detached>>(&mut self, command: C) -> BatchHandle<C::Reply> {
        let index = self.payload.len();
        self.payload.push(command.into_request().into_args_box());
        BatchHandle {
            batch: self.id,
            index,
            reply: PhantomData,
        }
    }

    /// The number of commands in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.payload.len()
    }

    /// Whether there are no commands in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sends all commands in one write and waits for their replies.
    ///
    /// # Errors
    /// Only a command that cannot be sent. The outcome of each command is returned when its reply is
    /// taken.
    pub async fn execute(self) -> Result<BatchReplies> {
        let batch = self.id;
        let (outcomes, payload) = Running::collect(self.carrier, self.payload).await?;
        Ok(BatchReplies {
            batch,
            outcomes,
            payload,
        })
    }
}

impl BatchReplies {
    /// The reply of the command that belongs to the handle.
    ///
    /// # Errors
    /// The command's own failure, or a handle that belongs to another batch.
    pub fn take<R: FromRedis>(&mut self, handle: BatchHandle<R>) -> Result<R> {
        let outcome = if handle.batch == self.batch {
            self.outcomes.get_mut(handle.index)
        } else {
            None
        };
        let outcome = outcome
            .and_then(Option::take)
            .ok_or_else(|| Error::usage("this handle belongs to another batch"))?;
        match outcome {
            Ok(frame) => self
                .payload
                .commands()
                .decode_one(handle.index, Ok(frame.borrowed())),
            Err(error) => self.payload.commands().decode_one(handle.index, Err(error)),
        }
    }
}

/// A pipeline with the same command for each item; see [`Connection::pipeline_each`].
#[derive(Debug)]
#[must_use = "a pipeline does nothing until it is awaited"]
pub struct EachPipeline<'a, R> {
    carrier: Carrier<'a>,
    payload: ChainPayload,
    reply: PhantomData<fn() -> R>,
}

impl<'a, R: FromRedis + 'a> IntoFuture for EachPipeline<'a, R> {
    type Output = Result<Vec<R>>;
    type IntoFuture = EachPipelineFuture<'a, R>;

    fn into_future(self) -> EachPipelineFuture<'a, R> {
        EachPipelineFuture {
            running: Running::new(Some(self.carrier), self.payload),
            reply: PhantomData,
        }
    }
}

/// The future of an [`EachPipeline`].
#[derive(Debug)]
pub struct EachPipelineFuture<'a, R> {
    running: Running<'a>,
    reply: PhantomData<fn() -> R>,
}

impl<R: FromRedis> Future for EachPipelineFuture<'_, R> {
    type Output = Result<Vec<R>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.running.poll(cx, all)
    }
}

/// The replies of all commands.
fn all<R: FromRedis>(outcomes: &mut Outcomes<'_>) -> Result<Vec<R>> {
    let mut replies = Vec::with_capacity(outcomes.remaining());
    for _ in 0..outcomes.remaining() {
        replies.push(outcomes.next()?);
    }
    Ok(replies)
}

pub(crate) fn each<'a, I, C>(
    carrier: Carrier<'a>,
    prefix: Option<&Arc<Prefix>>,
    items: I,
    command: impl Fn(Detached, I::Item) -> C,
) -> EachPipeline<'a, C::Reply>
where
    I: IntoIterator,
    C: IntoRequest<Sink = Detached>,
{
    let mut payload = carrier.payload(false);
    if let Some(prefix) = prefix {
        payload = payload.prefixed(prefix);
    }
    let mut items = items.into_iter();
    while let Some(item) = items.next() {
        payload.push(command(Detached, item).into_request().into_args_box());
        if payload.len() == 1 {
            payload.reserve(items.size_hint().0);
        }
    }
    EachPipeline {
        carrier,
        payload,
        reply: PhantomData,
    }
}

macro_rules! batches {
    ($($handle:ty)*) => {$(
        impl $handle {
            /// Starts a batch: a pipeline whose commands are collected at run time.
            pub fn batch(&self) -> Batch<'_> {
                Batch::new(Carrier::socket(self))
            }

            /// Sends one command for each item, all in one pipeline. The replies come as a `Vec` in the order of the
            /// items.
            ///
            /// The first failure is the error of the whole pipeline. With `.attempt()` on the command, each item
            /// has its own `Result`.
            pub fn pipeline_each<I, C>(&self, items: I, command: impl Fn(Detached, I::Item) -> C) -> EachPipeline<'_, C::Reply>
            where
                I: IntoIterator,
                C: IntoRequest<Sink = Detached>,
            {
                each(Carrier::socket(self), None, items, command)
            }
        }
    )*};
}

batches!(Connection Exclusive Pool);
