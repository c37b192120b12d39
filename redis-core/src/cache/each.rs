//! A read with many keys whose reply has an element for each: only what is not kept is asked for. See [`EachKey`].

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;

use super::changes::KeyHash;
use super::flight::{self, Flight, Outcome};
use super::inner::Inner;
use super::origin::Place;
use super::shared::Shared;
use super::source::Source;
use super::store::{CommandRef, Stamp};
use crate::command::{Args, CommandInfo, Keys};
use crate::engine::inflight::Failure;
use crate::wire::encode;

/// The elements of a reply, of which some are kept and some are on their way.
pub(super) struct EachKey {
    /// The whole command, in case it must be sent as it is.
    args: Box<Args>,
    elements: Vec<Element>,
    flights: Vec<Awaited>,
    shared: Arc<Shared>,
}

enum Element {
    Kept(KeptElement),
    /// A part of one of the flights.
    OnItsWay {
        flight: usize,
        part: usize,
    },
}

/// An element that was kept when it was looked for.
struct KeptElement {
    reply: Bytes,
    key: KeyHash,
    /// The state at that moment.
    stamp: Stamp,
    source: Arc<Source>,
}

/// A read that is waited for.
#[derive(Default)]
struct Awaited {
    /// There as soon as all its keys are known.
    flight: Option<Arc<Flight>>,
    outcome: Option<Outcome>,
}

/// How a read of many keys ended.
pub(super) enum Joined {
    /// One reply, made of the elements.
    Reply(Bytes),
    Failed(Failure, Arc<Flight>),
    /// The command must be sent as it is.
    Ordinary(Box<Args>),
}

/// The keys that are missing and are read over one socket.
struct Missing {
    source: Arc<Source>,
    /// What stands for their slot.
    slot: Option<KeyHash>,
    /// The place of their read among those that are waited for.
    place: usize,
    args: Box<Args>,
    keys: Vec<(u64, KeyHash)>,
}

impl EachKey {
    /// Looks up every key, joins reads that are on their way, and begins reads for the rest.
    pub(super) fn begin(cache: &Inner, args: Box<Args>) -> Self {
        let info = args.info();
        let mut search = Search {
            cache,
            info,
            is_joint: args.deadline().is_none(),
            elements: Vec::with_capacity(args.key_positions().len()),
            flights: Vec::new(),
            missing: Vec::new(),
        };
        args.each_key(|key| search.key(key));
        let Search {
            elements,
            mut flights,
            missing,
            ..
        } = search;
        let deadline = args.deadline();
        for Missing {
            source,
            slot,
            place,
            args: mut read,
            keys,
        } in missing
        {
            if let Some(deadline) = deadline {
                read.set_deadline(deadline);
            }
            let flight = Flight::each(&cache.flights, &cache.shared, (&source, slot), keys, read);
            if deadline.is_none() {
                cache.flights.announce(&flight);
            }
            if let Some(awaited) = flights.get_mut(place) {
                awaited.flight = Some(flight);
            }
        }
        Self {
            args,
            elements,
            flights,
            shared: cache.shared.clone(),
        }
    }

    /// The command.
    pub(super) fn info(&self) -> &'static CommandInfo {
        self.args.info()
    }

    /// The most time for a command, as it is configured; `None` too if nothing is waited for.
    pub(super) fn command_timeout(&self) -> Option<Duration> {
        let mut flights = self.flights.iter();
        flights
            .find_map(|awaited| awaited.flight.as_ref())?
            .command_timeout()
    }

    /// Sends what is missing now, before the first poll.
    pub(super) fn submit(&self) {
        let flights = self
            .flights
            .iter()
            .filter_map(|awaited| awaited.flight.as_ref());
        flights.for_each(|flight| flight.submit());
    }

    /// Drives the reads to their ends, and joins the elements in order.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Joined> {
        let mut is_pending = false;
        for Awaited { flight, outcome } in &mut self.flights {
            if outcome.is_none()
                && let Some(flight) = flight
            {
                match flight.poll(cx) {
                    Poll::Ready(ended) => *outcome = Some(ended),
                    Poll::Pending => is_pending = true,
                }
            }
        }
        if is_pending {
            return Poll::Pending;
        }
        for Awaited { flight, outcome } in &self.flights {
            match (outcome, flight) {
                (Some(Outcome::Elements(_)), _) => {}
                (Some(Outcome::Reply(error)), _) => {
                    return Poll::Ready(Joined::Reply(error.clone()));
                }
                (Some(Outcome::Failed(failure)), Some(flight)) => {
                    return Poll::Ready(Joined::Failed(failure.clone(), flight.clone()));
                }
                _ => return Poll::Ready(self.ordinary()),
            }
        }
        // While the others were read, a change of what was kept may have been reported.
        if !self.flights.is_empty() && !self.is_current() {
            return Poll::Ready(self.ordinary());
        }
        Poll::Ready(self.join().map_or_else(|| self.ordinary(), Joined::Reply))
    }

    /// Whether no change of the elements that were kept has been reported since.
    fn is_current(&self) -> bool {
        self.elements.iter().all(|element| match element {
            Element::Kept(kept) => {
                let present = kept.source.present();
                self.shared.is_current(&kept.stamp, present, kept.key)
            }
            Element::OnItsWay { .. } => true,
        })
    }

    fn ordinary(&self) -> Joined {
        Joined::Ordinary(Box::new(self.args.again()))
    }

    /// One array of all elements; `None` if one is missing.
    fn join(&self) -> Option<Bytes> {
        if self.elements.len() != self.args.key_positions().len() {
            return None;
        }
        let count = u32::try_from(self.elements.len()).ok()?;
        let mut bytes = Vec::new();
        encode::array_header(&mut bytes, count);
        for element in &self.elements {
            let element = match element {
                Element::Kept(kept) => &kept.reply,
                Element::OnItsWay { flight, part } => match &self.flights.get(*flight)?.outcome {
                    Some(Outcome::Elements(elements)) => elements.get(*part)?,
                    _ => return None,
                },
            };
            bytes.extend_from_slice(element);
        }
        Some(bytes.into())
    }
}

/// The search for all keys of a command.
struct Search<'c> {
    cache: &'c Inner,
    info: &'static CommandInfo,
    is_joint: bool,
    elements: Vec<Element>,
    flights: Vec<Awaited>,
    missing: Vec<Missing>,
}

impl Search<'_> {
    fn key(&mut self, key: &[u8]) {
        let Inner {
            shared,
            flights,
            sources,
        } = self.cache;
        let (bytes, place) = flight::command_of(self.info, key);
        let hash = shared.changes.hash(key);
        let Some(Place { source, slot }) = sources.of(key, hash) else {
            return;
        };
        let bytes = &bytes;
        let stamp = Stamp {
            epoch: source.present().epoch,
            count: shared.changes.count(hash),
            others: None,
        };
        if let Some(reply) = shared.find(&source.standing, CommandRef { bytes, hash }) {
            shared.counts.hit(hash);
            self.elements.push(Element::Kept(KeptElement {
                reply,
                key: hash,
                stamp,
                source: source.clone(),
            }));
            return;
        }
        shared.counts.missed();
        let id = shared.changes.hash(bytes).0;
        if self.is_joint
            && let Some(flight) = flights.find(id)
            && let Some(part) = flight.part_for(bytes, &place, id)
        {
            shared.counts.joined();
            let flight = self.joined(flight);
            self.elements.push(Element::OnItsWay { flight, part });
            return;
        }
        let element = self.miss((&source, slot), key, (id, hash));
        self.elements.push(element);
    }

    /// The number of a read that is joined.
    fn joined(&mut self, flight: Arc<Flight>) -> usize {
        let known = |awaited: &Awaited| {
            let known = awaited.flight.as_ref();
            known.is_some_and(|known| Arc::ptr_eq(known, &flight))
        };
        let place = self.flights.iter().position(known);
        place.unwrap_or_else(|| self.wait_for(Some(flight)))
    }

    /// Waits for one more read; returns its place.
    fn wait_for(&mut self, flight: Option<Arc<Flight>>) -> usize {
        self.flights.push(Awaited {
            flight,
            outcome: None,
        });
        self.flights.len() - 1
    }

    /// Adds a key to those that are asked for over its socket.
    fn miss(
        &mut self,
        (source, slot): (&Arc<Source>, Option<KeyHash>),
        key: &[u8],
        of: (u64, KeyHash),
    ) -> Element {
        let known =
            |missing: &Missing| Arc::ptr_eq(&missing.source, source) && missing.slot == slot;
        let number = self.missing.iter().position(known).unwrap_or_else(|| {
            let place = self.wait_for(None);
            self.missing.push(Missing {
                source: source.clone(),
                slot,
                place,
                args: Args::lease(self.info, Keys::Noted),
                keys: Vec::new(),
            });
            self.missing.len() - 1
        });
        let (mut flight, mut part) = (0, 0);
        if let Some(missing) = self.missing.get_mut(number) {
            (flight, part) = (missing.place, missing.keys.len());
            missing.args.key("key", key);
            missing.keys.push(of);
        }
        Element::OnItsWay { flight, part }
    }
}
