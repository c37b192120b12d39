//! A command on its way over a caching handle: [`CachedPending`].

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::task::coop;
use tokio::time::Instant;

use super::each::{EachKey, Joined};
use super::forgotten::Forgotten;
use super::inner::{Inner, Way};
use super::origin::Place;
use super::shared_read::{Outcome, SharedRead};
use super::standing::Tracking;
use crate::client::{Client, InFlight, Onward};
use crate::command::{Args, CommandInfo};
use crate::error::{Error, Result};
use crate::reply::{Frame, FromRedis, KeptReply, described};

/// A command on its way over a caching handle. It is kept in a box: a read from memory, which begins none, should be small.
pub struct CachedPending<'a, C: Client + 'a> {
    client: &'a C,
    cache: &'a Inner,
    state: State<'a, C>,
}

enum State<'a, C: Client + 'a> {
    /// Its reply was kept.
    Kept(KeptReply, &'static CommandInfo),
    /// It is sent once for all who ask for it; since when this caller waits.
    Shared(Arc<SharedRead>, Instant),
    /// It has many keys, each of which is kept by itself; since when they are waited for.
    Each(Box<EachKey>, Instant),
    /// It goes as on the handle beneath.
    Ordinary(Ordinary<'a, C>),
    /// It is over, as this read is.
    Told(Arc<SharedRead>),
    Over,
}

/// A command that goes as on the handle beneath.
struct Ordinary<'a, C: Client + 'a> {
    pending: C::InFlight<'a>,
    forgotten: Option<Forgotten<'a>>,
}

impl<'a, C: Client> CachedPending<'a, C> {
    pub(super) fn begin(client: &'a C, cache: &'a Inner, args: Box<Args>) -> Self {
        let Some(reply) = cache.find(&args) else {
            return Self::begin_unknown(client, cache, args);
        };
        cache.shared.counts.hit();
        Self {
            client,
            cache,
            state: State::kept(reply, args),
        }
    }

    /// Begins a command whose reply was looked for in vain.
    pub(super) fn begin_unknown(client: &'a C, cache: &'a Inner, args: Box<Args>) -> Self {
        let state = match cache.way(&args) {
            Way::Kept(place) => State::missing(client, cache, place, args),
            Way::Each => State::each(client, cache, args),
            Way::Ordinary => State::ordinary(client, cache, args),
        };
        Self {
            client,
            cache,
            state,
        }
    }
}

impl<'a, C: Client> State<'a, C> {
    /// Its reply was found in memory.
    #[inline]
    fn kept(reply: KeptReply, args: Box<Args>) -> Self {
        let info = args.info();
        args.retire();
        Self::Kept(reply, info)
    }

    fn ordinary(client: &'a C, cache: &'a Inner, args: Box<Args>) -> Self {
        let forgotten = Forgotten::by(cache, &args);
        Self::Ordinary(Ordinary {
            pending: client.begin_command(args),
            forgotten,
        })
    }

    /// Goes the ordinary way after it has waited since `begun`: its deadline is that of the whole call. What is kept was read from
    /// primaries, so a replica may not know yet what was given out before.
    #[cold]
    fn ordinary_since(
        client: &'a C,
        cache: &'a Inner,
        (mut args, onward): (Box<Args>, Onward),
        limit: Option<Duration>,
        begun: Instant,
    ) -> Self {
        args.keep_at_primary();
        if let Some(limit) = args.deadline().or(limit) {
            args.set_time_left(limit.saturating_sub(begun.elapsed()));
        }
        let mut state = Self::ordinary(client, cache, args);
        if let Self::Ordinary(ordinary) = &mut state {
            ordinary.pending.go_on(onward);
        }
        state
    }

    /// Looks up every key by itself.
    fn each(client: &'a C, cache: &'a Inner, args: Box<Args>) -> Self {
        match EachKey::begin(cache, args) {
            Ok(each) => Self::Each(Box::new(each), Instant::now()),
            Err(args) => Self::ordinary(client, cache, args),
        }
    }

    /// Joins a read that is on its way, or begins one.
    #[inline(never)]
    fn missing(client: &'a C, cache: &'a Inner, place: Place, args: Box<Args>) -> Self {
        let shared = &cache.shared;
        let Some((bytes, key)) = args.cacheable() else {
            return Self::ordinary(client, cache, args);
        };
        let id = shared.changes.hash(bytes).0;
        let on_its_way = cache.reads.find(id);
        // What it has brought is in memory now.
        if let Some((read, _)) = &on_its_way
            && read.end_if_answered()
            && let Some(reply) = cache.find(&args)
        {
            shared.counts.hit();
            return Self::kept(reply, args);
        }
        shared.counts.missed();
        shared.drop_old(bytes, &key, place.source.standing.epoch(), place.subject);
        if place.source.present().tracking == Tracking::Refused {
            return Self::ordinary(client, cache, args);
        }
        // A caller with a deadline of its own waits for nobody else.
        if args.deadline().is_none()
            && let Some((read, part)) = on_its_way
            && read.answers(bytes, part)
        {
            shared.counts.joined();
            args.retire();
            return Self::Shared(read, Instant::now());
        }
        let read = SharedRead::whole(&cache.reads, place, id, args);
        Self::Shared(read, Instant::now())
    }
}

impl<'a, C: Client> CachedPending<'a, C> {
    /// Drives a shared read to its reply; `None` if the command goes the ordinary way from here on.
    #[inline]
    fn poll_shared(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<(Arc<SharedRead>, Result<KeptReply>)>> {
        let State::Shared(read, _) = &self.state else {
            return Poll::Ready(None);
        };
        let outcome = ready!(read.poll(cx));
        let State::Shared(read, begun) = std::mem::replace(&mut self.state, State::Over) else {
            return Poll::Ready(None);
        };
        Poll::Ready(match outcome {
            Outcome::Reply(reply) => Some((read, Ok(reply))),
            Outcome::Failed(failure) if !read.leaves_time(&failure, begun) => {
                Some((read, Err(Error::from(failure))))
            }
            // Nobody asks for the whole of a read whose elements are wanted.
            Outcome::Failed(_) | Outcome::Ordinary | Outcome::Elements(_) => {
                if let Some(args) = read.command_again() {
                    let (limit, again) = (read.command_timeout(), (args, read.onward()));
                    let (client, cache) = (self.client, self.cache);
                    self.state = State::ordinary_since(client, cache, again, limit, begun);
                }
                None
            }
        })
    }
}

impl<'a, C: Client> CachedPending<'a, C> {
    /// Ends a read of many keys; `None` if the command goes the ordinary way from here on.
    fn end_each(
        &mut self,
        joined: Joined,
        limit: Option<Duration>,
        begun: Instant,
    ) -> Option<Result<KeptReply>> {
        self.state = State::Over;
        let again = match joined {
            Joined::Reply(reply) => return Some(Ok(reply)),
            Joined::Failed(failure, read, ..) if !read.leaves_time(&failure, begun) => {
                return Some(Err(read.explained(failure.into())));
            }
            Joined::Failed(.., again, onward) | Joined::Ordinary(again, onward) => (again, onward),
        };
        self.state = State::ordinary_since(self.client, self.cache, again, limit, begun);
        None
    }
}

impl<C: Client> InFlight for CachedPending<'_, C> {
    fn submit(&mut self) {
        match &mut self.state {
            State::Shared(read, _) => read.submit(),
            State::Each(each, _) => each.submit(),
            State::Ordinary(ordinary) => ordinary.pending.submit(),
            State::Kept(..) | State::Told(_) | State::Over => {}
        }
    }

    #[inline]
    fn poll_decoded<R: FromRedis>(&mut self, cx: &mut Context<'_>) -> Poll<Result<R>> {
        if let State::Kept(..) = self.state {
            // Whoever reads from memory only gives other tasks their turn all the same, such as the one that reads reports.
            ready!(coop::poll_proceed(cx)).made_progress();
            if let State::Kept(reply, info) = std::mem::replace(&mut self.state, State::Over) {
                let decoded = R::from_kept(reply);
                return Poll::Ready(described(decoded, |error| {
                    error.of_command(info.name.into())
                }));
            }
        }
        self.poll_unkept(cx)
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame>> {
        match &mut self.state {
            State::Ordinary(ordinary) => {
                // It stays, to explain an error.
                let outcome = ready!(ordinary.pending.poll_frame(cx));
                ordinary.forgotten.take();
                Poll::Ready(outcome)
            }
            State::Kept(reply, _) => {
                ready!(coop::poll_proceed(cx)).made_progress();
                let frame = frame_of(reply.clone());
                self.state = State::Over;
                Poll::Ready(Ok(frame))
            }
            State::Shared(..) => match ready!(self.poll_shared(cx)) {
                Some((read, outcome)) => {
                    self.state = State::Told(read);
                    Poll::Ready(outcome.map(frame_of))
                }
                None => self.poll_frame(cx),
            },
            State::Each(each, begun) => {
                let joined = ready!(each.poll(cx));
                let (limit, begun) = (each.command_timeout(), *begun);
                match self.end_each(joined, limit, begun) {
                    Some(outcome) => Poll::Ready(outcome.map(frame_of)),
                    None => self.poll_frame(cx),
                }
            }
            State::Told(_) | State::Over => Poll::Ready(Err(Error::ended())),
        }
    }

    fn explained(&self, error: Error) -> Error {
        match &self.state {
            State::Ordinary(ordinary) => ordinary.pending.explained(error),
            State::Told(read) => read.explained(error),
            State::Kept(..) | State::Shared(..) | State::Each(..) | State::Over => error,
        }
    }
}

impl<C: Client> CachedPending<'_, C> {
    fn poll_unkept<R: FromRedis>(&mut self, cx: &mut Context<'_>) -> Poll<Result<R>> {
        match &mut self.state {
            State::Ordinary(ordinary) => {
                let outcome = ready!(ordinary.pending.poll_decoded(cx));
                ordinary.forgotten.take();
                self.state = State::Over;
                Poll::Ready(outcome)
            }
            State::Shared(..) => match ready!(self.poll_shared(cx)) {
                Some((read, outcome)) => {
                    let decoded = match outcome {
                        Ok(reply) => R::from_kept(reply),
                        Err(error) => R::from_outcome(Err(error)),
                    };
                    Poll::Ready(described(decoded, |error| read.explained(error)))
                }
                None => self.poll_unkept(cx),
            },
            State::Each(each, begun) => {
                let joined = ready!(each.poll(cx));
                let (info, limit, begun) = (each.info(), each.command_timeout(), *begun);
                match self.end_each(joined, limit, begun) {
                    Some(outcome) => {
                        let decoded = match outcome {
                            Ok(reply) => R::from_kept(reply),
                            Err(error) => R::from_outcome(Err(error)),
                        };
                        Poll::Ready(described(decoded, |error| {
                            error.of_command(info.name.into())
                        }))
                    }
                    None => self.poll_unkept(cx),
                }
            }
            State::Kept(..) | State::Told(_) | State::Over => Poll::Ready(Err(Error::ended())),
        }
    }
}

fn frame_of(reply: KeptReply) -> Frame {
    Frame::from_scanned(reply.into_frame())
}

impl<C: Client> fmt::Debug for CachedPending<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Kept(..) => "kept",
            State::Shared(..) => "shared",
            State::Each(..) => "each",
            State::Ordinary(..) => "ordinary",
            State::Told(_) | State::Over => "over",
        };
        f.debug_tuple("CachedPending").field(&state).finish()
    }
}
