//! Commands that are only known at run time, sent together: [`Batch`] with handles, and `pipeline_each`.

use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use crate::chain::{Outcomes, Queued, Route, Running};
use crate::connection::Connection;
use crate::detached::Detached;
use crate::error::{Error, Result};
use crate::exclusive::Exclusive;
use crate::from_redis::FromRedis;
use crate::pool::Pool;
use crate::request::IntoRequest;

/// A pipeline whose commands are collected one by one.
///
/// ```no_run
/// # async fn example(conn: typedis_core::Connection) -> typedis_core::Result<()> {
/// use typedis_core::raw;
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
    route: Route<'a>,
    queued: Queued,
    id: u64,
}

/// Stands for a command's reply until the batch has been executed. It is no future, so nothing can wait for it in vain.
#[derive(Debug)]
pub struct Handle<R> {
    batch: u64,
    index: usize,
    reply: PhantomData<fn() -> R>,
}

/// The replies of a batch, each to be taken by its handle.
#[derive(Debug)]
pub struct BatchReplies {
    batch: u64,
    outcomes: Vec<Option<Result<crate::Frame>>>,
    queued: Queued,
}

impl<'a> Batch<'a> {
    fn new(route: Route<'a>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            route,
            queued: Queued::new(false),
            id: NEXT.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Adds a command; its reply is later taken with the handle.
    pub fn push<C: IntoRequest<Sink = Detached>>(&mut self, command: C) -> Handle<C::Reply> {
        let index = self.queued.len();
        self.queued.push(command.into_request().into_args_box());
        Handle {
            batch: self.id,
            index,
            reply: PhantomData,
        }
    }

    /// How many commands it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queued.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sends all commands in one write and waits for their replies.
    ///
    /// # Errors
    /// Only a command that cannot be sent; what becomes of each command is told when its reply is taken.
    pub async fn execute(self) -> Result<BatchReplies> {
        let batch = self.id;
        let (outcomes, queued) = Running::collect(self.route, self.queued).await?;
        Ok(BatchReplies {
            batch,
            outcomes,
            queued,
        })
    }
}

impl BatchReplies {
    /// The reply of the command that the handle stands for.
    ///
    /// # Errors
    /// The command's own failure; or a handle of another batch.
    pub fn take<R: FromRedis>(&mut self, handle: Handle<R>) -> Result<R> {
        let outcome = if handle.batch == self.batch {
            self.outcomes.get_mut(handle.index)
        } else {
            None
        };
        let outcome = outcome
            .and_then(Option::take)
            .ok_or_else(|| Error::usage("this handle belongs to another batch"))?;
        match outcome {
            Ok(frame) => self.queued.decode_one(handle.index, Ok(frame.borrowed())),
            Err(error) => self.queued.decode_one(handle.index, Err(error)),
        }
    }
}

/// A pipeline of like commands, one for each item; see [`Connection::pipeline_each`].
#[derive(Debug)]
#[must_use = "a pipeline does nothing until it is awaited"]
pub struct Each<'a, R> {
    route: Route<'a>,
    queued: Queued,
    reply: PhantomData<fn() -> R>,
}

impl<'a, R: FromRedis + 'a> IntoFuture for Each<'a, R> {
    type Output = Result<Vec<R>>;
    type IntoFuture = EachReply<'a, R>;

    fn into_future(self) -> EachReply<'a, R> {
        EachReply {
            running: Running::new(self.route, self.queued),
            reply: PhantomData,
        }
    }
}

/// The future of an [`Each`].
#[derive(Debug)]
pub struct EachReply<'a, R> {
    running: Running<'a>,
    reply: PhantomData<fn() -> R>,
}

impl<R: FromRedis> Future for EachReply<'_, R> {
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

fn each<'a, I, C>(
    route: Route<'a>,
    items: I,
    command: impl Fn(Detached, I::Item) -> C,
) -> Each<'a, C::Reply>
where
    I: IntoIterator,
    C: IntoRequest<Sink = Detached>,
{
    let mut queued = Queued::new(false);
    let mut items = items.into_iter();
    while let Some(item) = items.next() {
        queued.push(command(Detached, item).into_request().into_args_box());
        if queued.len() == 1 {
            queued.reserve(items.size_hint().0);
        }
    }
    Each {
        route,
        queued,
        reply: PhantomData,
    }
}

macro_rules! surfaces {
    ($($surface:ty: $this:ident => $route:expr;)*) => {$(
        impl $surface {
            /// Starts a batch: a pipeline whose commands are collected at run time.
            pub fn batch(&self) -> Batch<'_> {
                let $this = self;
                Batch::new($route)
            }

            /// Sends one command for each item in a single pipeline; the replies come as a `Vec` in the items' order.
            ///
            /// The first failure is the error of the whole; with `.attempt()` on the command each item has its own
            /// `Result`.
            pub fn pipeline_each<I, C>(&self, items: I, command: impl Fn(Detached, I::Item) -> C) -> Each<'_, C::Reply>
            where
                I: IntoIterator,
                C: IntoRequest<Sink = Detached>,
            {
                let $this = self;
                each($route, items, command)
            }
        }
    )*};
}

surfaces! {
    Connection: this => Route::Link(this.link());
    Exclusive: this => Route::Exclusive(this);
    Pool: this => Route::Pool(this);
}
