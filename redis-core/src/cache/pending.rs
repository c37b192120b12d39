//! A command on its way over a caching handle: [`CachedPending`].

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::task::coop;
use tokio::time::Instant;

use super::changes::KeyHash;
use super::each::{EachKey, Joined};
use super::flight::{self, Flight, Outcome};
use super::inner::Inner;
use super::origin::Place;
use super::standing::Tracking;
use super::store::CommandRef;
use super::written::Written;
use crate::client::{Client, InFlight};
use crate::command::{Args, CommandInfo};
use crate::error::{CommandName, Error, Result};
use crate::reply::{Frame, FromRedis};

/// A command on its way over a caching handle.
pub struct CachedPending<'a, C: Client + 'a> {
    client: &'a C,
    cache: &'a Inner,
    state: State<'a, C>,
}

enum State<'a, C: Client + 'a> {
    /// Its reply was kept.
    Kept(Bytes, &'static CommandInfo),
    /// It is sent once for all who ask for it; since when this caller waits.
    Shared(Arc<Flight>, Instant),
    /// It has many keys, each of which is kept by itself; since when they are waited for.
    Each(Box<EachKey>, Instant),
    /// It goes as on the handle beneath.
    Ordinary(C::InFlight<'a>, Option<Box<Written<'a>>>),
    Over,
}

impl<'a, C: Client> CachedPending<'a, C> {
    #[inline]
    pub(super) fn begin(client: &'a C, cache: &'a Inner, args: Box<Args>) -> Self {
        let state = match args.cacheable() {
            Some(_) if args.has_several_keys() && !cache.takes_all(&args) => {
                State::ordinary(client, cache, args)
            }
            Some(_) if args.reads_each_key() => {
                let each = Box::new(EachKey::begin(cache, args));
                State::Each(each, Instant::now())
            }
            Some((bytes, key)) if cache.covers(bytes, &key) => {
                let hash = cache.shared.hash_of(bytes, &key);
                let command = CommandRef { bytes, hash };
                let key = bytes.get(key).unwrap_or_default();
                match cache.sources.of(key, hash) {
                    Some(place) => match cache.shared.find(&place.source.standing, command) {
                        Some(reply) => {
                            cache.shared.counts.hit(hash);
                            let info = args.info();
                            args.retire();
                            State::Kept(reply, info)
                        }
                        None => State::missing(client, cache, &place, hash, args),
                    },
                    None => State::ordinary(client, cache, args),
                }
            }
            _ => State::ordinary(client, cache, args),
        };
        Self {
            client,
            cache,
            state,
        }
    }
}

impl<'a, C: Client> State<'a, C> {
    fn ordinary(client: &'a C, cache: &'a Inner, args: Box<Args>) -> Self {
        let written = Written::by(&cache.shared, &args);
        Self::Ordinary(client.begin_command(args), written)
    }

    /// Goes the ordinary way after it has waited since `begun`: its deadline is that of the whole call.
    #[cold]
    fn ordinary_since(
        client: &'a C,
        cache: &'a Inner,
        mut args: Box<Args>,
        limit: Option<Duration>,
        begun: Instant,
    ) -> Self {
        if let Some(limit) = args.deadline().or(limit) {
            args.set_deadline(limit.saturating_sub(begun.elapsed()));
        }
        Self::ordinary(client, cache, args)
    }

    /// Joins a read that is on its way, or begins one.
    #[cold]
    fn missing(
        client: &'a C,
        cache: &'a Inner,
        place: &Place<'_>,
        hash: KeyHash,
        args: Box<Args>,
    ) -> Self {
        let shared = &cache.shared;
        shared.counts.missed();
        if place.source.present().tracking == Tracking::Refused {
            return Self::ordinary(client, cache, args);
        }
        let Some((bytes, key)) = args.cacheable() else {
            return Self::ordinary(client, cache, args);
        };
        let id = shared.changes.hash(bytes).0;
        // A caller with a deadline of its own waits for nobody else, and nobody waits for it.
        let is_joint = args.deadline().is_none();
        if is_joint
            && let Some(flight) = cache.flights.find(id)
            && flight.part_for(bytes, &key, id).is_some()
        {
            shared.counts.joined();
            args.retire();
            return Self::Shared(flight, Instant::now());
        }
        let flight = Flight::whole(&cache.flights, shared, place, (id, hash), args);
        if is_joint {
            cache.flights.announce(&flight);
        }
        Self::Shared(flight, Instant::now())
    }
}

impl<'a, C: Client> CachedPending<'a, C> {
    /// Drives a shared read to its reply; `None` if the command goes the ordinary way from here on.
    fn poll_shared(
        &mut self,
        flight: &Arc<Flight>,
        begun: Instant,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes>>> {
        let outcome = ready!(flight.poll(cx));
        self.state = State::Over;
        Poll::Ready(match outcome {
            Outcome::Reply(reply) => Some(Ok(reply)),
            Outcome::Failed(failure) => Some(Err(Error::from(failure))),
            // Nobody asks for the whole of a read whose elements are wanted.
            Outcome::Ordinary | Outcome::Elements(_) => {
                if let Some(args) = flight.command_again() {
                    let limit = flight.command_timeout();
                    self.state = State::ordinary_since(self.client, self.cache, args, limit, begun);
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
    ) -> Option<Result<Bytes>> {
        self.state = State::Over;
        match joined {
            Joined::Reply(reply) => Some(Ok(reply)),
            Joined::Failed(failure, flight) => Some(Err(flight.explained(failure.into()))),
            Joined::Ordinary(args) => {
                self.state = State::ordinary_since(self.client, self.cache, args, limit, begun);
                None
            }
        }
    }
}

impl<C: Client> InFlight for CachedPending<'_, C> {
    fn submit(&mut self) {
        match &mut self.state {
            State::Shared(flight, _) => flight.submit(),
            State::Each(each, _) => each.submit(),
            State::Ordinary(pending, _) => pending.submit(),
            State::Kept(..) | State::Over => {}
        }
    }

    #[inline]
    fn poll_decoded<R: FromRedis>(&mut self, cx: &mut Context<'_>) -> Poll<Result<R>> {
        if let State::Kept(..) = self.state {
            // Whoever reads from memory only gives other tasks their turn all the same, such as the one that reads reports.
            ready!(coop::poll_proceed(cx)).made_progress();
            if let State::Kept(reply, info) = std::mem::replace(&mut self.state, State::Over) {
                return Poll::Ready(decode(&reply, info));
            }
        }
        self.poll_unkept(cx)
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame>> {
        match &mut self.state {
            State::Ordinary(pending, written) => {
                let outcome = ready!(pending.poll_frame(cx));
                written.take();
                self.state = State::Over;
                Poll::Ready(outcome)
            }
            State::Kept(reply, _) => {
                let frame = Frame::from_scanned(reply.clone());
                self.state = State::Over;
                Poll::Ready(Ok(frame))
            }
            State::Shared(flight, begun) => {
                let (flight, begun) = (flight.clone(), *begun);
                match ready!(self.poll_shared(&flight, begun, cx)) {
                    Some(outcome) => Poll::Ready(outcome.map(Frame::from_scanned)),
                    None => self.poll_frame(cx),
                }
            }
            State::Each(each, begun) => {
                let joined = ready!(each.poll(cx));
                let (limit, begun) = (each.command_timeout(), *begun);
                match self.end_each(joined, limit, begun) {
                    Some(outcome) => Poll::Ready(outcome.map(Frame::from_scanned)),
                    None => self.poll_frame(cx),
                }
            }
            State::Over => Poll::Ready(Err(Error::ended())),
        }
    }
}

impl<C: Client> CachedPending<'_, C> {
    fn poll_unkept<R: FromRedis>(&mut self, cx: &mut Context<'_>) -> Poll<Result<R>> {
        match &mut self.state {
            State::Ordinary(pending, written) => {
                let outcome = ready!(pending.poll_decoded(cx));
                written.take();
                self.state = State::Over;
                Poll::Ready(outcome)
            }
            State::Shared(flight, begun) => {
                let (flight, begun) = (flight.clone(), *begun);
                match ready!(self.poll_shared(&flight, begun, cx)) {
                    Some(outcome) => {
                        let decoded = match outcome {
                            Ok(reply) => R::from_outcome(Ok(flight::frame(&reply))),
                            Err(error) => R::from_outcome(Err(error)),
                        };
                        Poll::Ready(decoded.map_err(|error| flight.explained(error)))
                    }
                    None => self.poll_unkept(cx),
                }
            }
            State::Each(each, begun) => {
                let joined = ready!(each.poll(cx));
                let (info, limit, begun) = (each.info(), each.command_timeout(), *begun);
                match self.end_each(joined, limit, begun) {
                    Some(outcome) => {
                        let decoded = match outcome {
                            Ok(reply) => R::from_outcome(Ok(flight::frame(&reply))),
                            Err(error) => R::from_outcome(Err(error)),
                        };
                        Poll::Ready(decoded.map_err(|error| error.of_command(info.name.into())))
                    }
                    None => self.poll_unkept(cx),
                }
            }
            State::Kept(..) | State::Over => Poll::Ready(Err(Error::ended())),
        }
    }
}

#[inline]
fn decode<R: FromRedis>(reply: &Bytes, info: &'static CommandInfo) -> Result<R> {
    R::from_outcome(Ok(flight::frame(reply)))
        .map_err(|error| error.of_command(CommandName::from(info.name)))
}

impl<C: Client> fmt::Debug for CachedPending<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Kept(..) => "kept",
            State::Shared(..) => "shared",
            State::Each(..) => "each",
            State::Ordinary(..) => "ordinary",
            State::Over => "over",
        };
        f.debug_tuple("CachedPending").field(&state).finish()
    }
}
