//! A read with many keys whose reply has an element for each: only what is not kept is asked for. See [`EachKey`].

use std::collections::HashMap;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::task::coop;

use super::inner::Inner;
use super::origin::Place;
use super::shared::Shared;
use super::shared_read::{self, Outcome, SharedRead, WantedKey};
use super::source::Source;
use super::standing::Tracking;
use super::store::{CommandRef, Entry, Stamp};
use crate::client::Onward;
use crate::command::{Args, CommandInfo, Keys};
use crate::engine::inflight::{Failure, Held};
use crate::reply::KeptReply;
use crate::wire::encode;

/// The elements of a reply, of which some are kept and some are on their way.
pub(super) struct EachKey {
    /// The whole command, in case it must be sent as it is.
    args: Box<Args>,
    elements: Vec<Element>,
    reads: Vec<Awaited>,
    shared: Arc<Shared>,
    /// Keeps the link, if all of it may have to be sent once the reads are answered.
    held: Option<Held>,
}

enum Element {
    Kept(KeptElement),
    /// A part of one of the reads.
    OnItsWay {
        read: usize,
        part: usize,
    },
}

/// An element that was kept when it was looked for.
struct KeptElement {
    reply: KeptReply,
    stamp: Stamp,
    place: Place,
}

/// A read that is waited for.
#[derive(Default)]
struct Awaited {
    /// There as soon as all its keys are known.
    read: Option<Arc<SharedRead>>,
    /// Whether it was begun for this command; others were begun before.
    is_own: bool,
    outcome: Option<Outcome>,
}

/// How a read of many keys ended.
pub(super) enum Joined {
    /// One reply, made of the elements.
    Reply(KeptReply),
    /// Why one of the reads failed, and the command, which may have more time than the read had. What keeps the link until then.
    Failed(Failure, Arc<SharedRead>, Box<Args>, Onward),
    /// The command must be sent as it is. What keeps the link until then.
    Ordinary(Box<Args>, Onward),
}

/// The keys that are missing and are read over one socket.
struct Missing {
    source: Arc<Source>,
    /// The number of their read among those that are waited for.
    place: usize,
    args: Box<Args>,
    keys: Vec<WantedKey>,
}

impl EachKey {
    /// Looks up every key, joins reads that are on their way, and begins reads for the rest.
    ///
    /// # Errors
    /// The command goes as on the handle beneath: none of the servers reports changes, so nothing of it can be kept.
    pub(super) fn begin(cache: &Inner, args: Box<Args>) -> Result<Self, Box<Args>> {
        let info = args.info();
        let mut search = Search {
            cache,
            info,
            is_joint: args.deadline().is_none(),
            elements: Vec::with_capacity(args.key_positions().len()),
            reads: Vec::new(),
            joined: HashMap::new(),
            missing: Vec::new(),
            by_place: HashMap::new(),
            is_refused: true,
        };
        args.each_key(|key| search.key(key));
        if search.is_refused {
            return Err(args);
        }
        let Search {
            elements,
            mut reads,
            missing,
            ..
        } = search;
        let deadline = args.deadline();
        for Missing {
            source,
            place,
            args: mut asked,
            keys,
            ..
        } in missing
        {
            if let Some(deadline) = deadline {
                asked.set_deadline(deadline);
            }
            let read = SharedRead::each(&cache.reads, source, keys, asked);
            if let Some(awaited) = reads.get_mut(place) {
                awaited.read = Some(read);
            }
        }
        let mut each = Self {
            args,
            elements,
            reads,
            shared: cache.shared.clone(),
            held: None,
        };
        each.held = each.hold();
        Ok(each)
    }

    /// Keeps the link from its end, if there is something whose change may be reported meanwhile: see [`EachKey::is_current`].
    fn hold(&self) -> Option<Held> {
        let read = self
            .reads
            .iter()
            .find_map(|awaited| awaited.read.as_ref())?;
        let (mut elements, mut reads) = (self.elements.iter(), self.reads.iter());
        let has_joined = self.reads.len() > 1 && reads.any(|awaited| !awaited.is_own);
        let may_differ = has_joined || elements.any(|element| matches!(element, Element::Kept(_)));
        may_differ.then(|| read.hold())
    }

    /// The command.
    pub(super) fn info(&self) -> &'static CommandInfo {
        self.args.info()
    }

    /// The most time for a command, as it is configured; `None` too if nothing is waited for.
    pub(super) fn command_timeout(&self) -> Option<Duration> {
        let mut reads = self.reads.iter();
        reads
            .find_map(|awaited| awaited.read.as_ref())?
            .command_timeout()
    }

    /// Sends what is missing now, before the first poll.
    pub(super) fn submit(&self) {
        let reads = self
            .reads
            .iter()
            .filter_map(|awaited| awaited.read.as_ref());
        reads.for_each(|read| read.submit());
    }

    /// Drives the reads to their ends, and joins the elements in order.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Joined> {
        if self.reads.is_empty() {
            // Whoever reads from memory only gives other tasks their turn all the same.
            ready!(coop::poll_proceed(cx)).made_progress();
        }
        let mut is_pending = false;
        for Awaited { read, outcome, .. } in &mut self.reads {
            if outcome.is_none()
                && let Some(read) = read
            {
                match read.poll(cx) {
                    Poll::Ready(ended) => *outcome = Some(ended),
                    Poll::Pending => is_pending = true,
                }
            }
        }
        if is_pending {
            return Poll::Pending;
        }
        for Awaited { read, outcome, .. } in &self.reads {
            match (outcome, read) {
                (Some(Outcome::Elements(_)), _) => {}
                (Some(Outcome::Reply(error)), _) => {
                    return Poll::Ready(Joined::Reply(error.clone()));
                }
                (Some(Outcome::Failed(failure)), Some(read)) => {
                    let again = Box::new(self.args.again());
                    let onward = Onward(self.held.clone().or_else(|| read.onward().0));
                    let (failure, read) = (failure.clone(), read.clone());
                    return Poll::Ready(Joined::Failed(failure, read, again, onward));
                }
                _ => return Poll::Ready(self.ordinary()),
            }
        }
        if !self.is_current() {
            return Poll::Ready(self.ordinary());
        }
        Poll::Ready(self.join().map_or_else(|| self.ordinary(), Joined::Reply))
    }

    /// Whether no change has been reported of what was found one after the other: neither of what was kept, nor of what the reads of
    /// others have brought, which were sent before its own. What one read brings alone is of one moment.
    fn is_current(&self) -> bool {
        let is_alone = self.reads.len() == 1;
        self.elements.iter().all(|element| match element {
            Element::Kept(kept) => {
                let Place {
                    source, subject, ..
                } = &kept.place;
                let epoch = source.standing.epoch();
                self.shared.is_unchanged(&kept.stamp, epoch, *subject)
            }
            Element::OnItsWay { read, part } => self.reads.get(*read).is_some_and(|awaited| {
                let unchanged = |read: &Arc<SharedRead>| read.is_unchanged(*part);
                is_alone || awaited.is_own || awaited.read.as_ref().is_some_and(unchanged)
            }),
        })
    }

    fn ordinary(&self) -> Joined {
        let of_reads = || {
            let mut reads = self.reads.iter();
            reads.find_map(|awaited| awaited.read.as_ref()?.onward().0)
        };
        let onward = Onward(self.held.clone().or_else(of_reads));
        Joined::Ordinary(Box::new(self.args.again()), onward)
    }

    /// One array of all elements; `None` if one is missing.
    fn join(&self) -> Option<KeptReply> {
        if self.elements.len() != self.args.key_positions().len() {
            return None;
        }
        let count = u32::try_from(self.elements.len()).ok()?;
        let mut bytes = Vec::new();
        encode::array_header(&mut bytes, count);
        for element in &self.elements {
            let element = match element {
                Element::Kept(kept) => &kept.reply,
                Element::OnItsWay { read, part } => match &self.reads.get(*read)?.outcome {
                    Some(Outcome::Elements(elements)) => elements.get(*part)?,
                    _ => return None,
                },
            };
            element.write_to(&mut bytes);
        }
        Some(KeptReply::Frame(Some(Arc::new(bytes.into()))))
    }
}

/// The search for all keys of a command.
struct Search<'c> {
    cache: &'c Inner,
    info: &'static CommandInfo,
    is_joint: bool,
    elements: Vec<Element>,
    reads: Vec<Awaited>,
    /// The places of the reads of others among the reads.
    joined: HashMap<*const SharedRead, usize>,
    missing: Vec<Missing>,
    /// Which of the missing are read over a socket, in a slot.
    by_place: HashMap<(*const Source, Option<u16>), usize>,
    /// Whether no key has a server that reports its changes or may be told to.
    is_refused: bool,
}

impl Search<'_> {
    fn key(&mut self, key: &[u8]) {
        let Inner {
            shared,
            reads,
            sources,
        } = self.cache;
        let (bytes, _) = shared_read::command_of(self.info, key);
        let hash = shared.changes.hash(key);
        let Some(place) = sources.of(key, hash) else {
            return;
        };
        self.is_refused &= place.source.present().tracking == Tracking::Refused;
        let bytes = &bytes;
        let command = CommandRef {
            bytes,
            hash: hash.into(),
        };
        if let Some(entry) = self.find(&place, &command) {
            return self.take(entry, place);
        }
        let id = shared.changes.hash(bytes).0;
        let on_its_way = reads.find(id);
        // What it has brought is in memory now.
        if let Some((read, _)) = &on_its_way
            && read.end_if_answered()
            && let Some(entry) = self.find(&place, &command)
        {
            return self.take(entry, place);
        }
        shared.counts.missed();
        if self.is_joint
            && let Some((read, part)) = on_its_way
            && read.answers(bytes, part)
        {
            shared.counts.joined();
            let read = self.joined(read);
            self.elements.push(Element::OnItsWay { read, part });
            return;
        }
        let element = self.miss(place, key, id);
        self.elements.push(element);
    }

    /// The element for a key, if it is in memory.
    fn find(&self, place: &Place, command: &CommandRef<'_>) -> Option<Entry> {
        self.cache.shared.find(place.subject.key, command)
    }

    fn take(&mut self, entry: Entry, place: Place) {
        self.cache.shared.counts.hit();
        self.elements.push(Element::Kept(KeptElement {
            reply: entry.reply,
            stamp: entry.stamp,
            place,
        }));
    }

    /// The number of a read that is joined.
    fn joined(&mut self, read: Arc<SharedRead>) -> usize {
        let address = Arc::as_ptr(&read);
        if let Some(place) = self.joined.get(&address) {
            return *place;
        }
        let place = self.wait_for(Some(read));
        self.joined.insert(address, place);
        place
    }

    /// Waits for one more read, which is its own if it has not begun yet; returns its place.
    fn wait_for(&mut self, read: Option<Arc<SharedRead>>) -> usize {
        self.reads.push(Awaited {
            is_own: read.is_none(),
            read,
            outcome: None,
        });
        self.reads.len() - 1
    }

    /// Adds a key to those that are asked for over its socket.
    fn miss(&mut self, place: Place, key: &[u8], id: u64) -> Element {
        let Place {
            source,
            subject,
            moves,
        } = place;
        let place = (Arc::as_ptr(&source), subject.slot);
        let number = match self.by_place.get(&place) {
            Some(number) => *number,
            None => {
                let number = self.misses_over(source);
                self.by_place.insert(place, number);
                number
            }
        };
        let (mut read, mut part) = (0, 0);
        if let Some(missing) = self.missing.get_mut(number) {
            (read, part) = (missing.place, missing.keys.len());
            let word = missing.args.encoded_words().len();
            missing.args.key("key", key);
            missing.keys.push(WantedKey {
                id,
                subject,
                moves,
                word,
            });
        }
        Element::OnItsWay { read, part }
    }

    /// Begins a list of keys that are asked for over this socket; returns its number.
    fn misses_over(&mut self, source: Arc<Source>) -> usize {
        let place = self.wait_for(None);
        self.missing.push(Missing {
            source,
            place,
            args: Args::lease(self.info, Keys::Noted),
            keys: Vec::new(),
        });
        self.missing.len() - 1
    }
}
