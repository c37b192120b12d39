//! All topics of a table, and which of them are dirty: [`Topics`].

use std::collections::BTreeMap;

use bytes::Bytes;

use super::topic::Topic;
use crate::engine::subscriptions::source::{Source, SourceKind};
use crate::runtime::planted::Planted;

/// How many forgotten topics are kept on the list of dirty ones at the most, beside twice as many as are known.
const FORGOTTEN: usize = 64;

/// The topics of one kind. They have an order, so that what happens to all of them happens in the same order each time:
/// the simulation repeats from its seed.
type OfOneKind = BTreeMap<Bytes, Topic>;

#[derive(Debug, Default)]
pub(super) struct Topics {
    channels: OfOneKind,
    patterns: OfOneKind,
    shards: OfOneKind,
    /// Each of the known ones at most once, and some that are forgotten meanwhile.
    dirty: Vec<Source>,
}

impl Topics {
    fn of(&mut self, kind: SourceKind) -> &mut OfOneKind {
        match kind {
            SourceKind::Channel => &mut self.channels,
            SourceKind::Pattern => &mut self.patterns,
            SourceKind::Shard => &mut self.shards,
        }
    }

    #[inline]
    pub(super) fn get(&mut self, kind: SourceKind, name: &[u8]) -> Option<&mut Topic> {
        self.of(kind).get_mut(name)
    }

    /// The topic of a source, which may be new.
    pub(super) fn known(&mut self, source: &Source) -> &mut Topic {
        let topics = self.of(source.kind());
        topics.entry(source.name_bytes().clone()).or_default()
    }

    pub(super) fn forget(&mut self, source: &Source) {
        self.of(source.kind()).remove(source.name_bytes().as_ref());
    }

    pub(super) fn all(&mut self) -> impl Iterator<Item = &mut Topic> {
        let channels = self.channels.values_mut();
        let others = self.patterns.values_mut().chain(self.shards.values_mut());
        channels.chain(others)
    }

    /// How many there are.
    fn len(&self) -> usize {
        self.channels.len() + self.patterns.len() + self.shards.len()
    }

    // ---- what may have to move ----

    /// Whether there may be something for [`Topics::take_dirty`].
    pub(super) fn are_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Notes that a topic may have to move. What comes and goes while there is no server to tell does not make the list grow.
    pub(super) fn mark(&mut self, source: Source) {
        let Some(topic) = self.get(source.kind(), source.name_bytes()) else {
            return;
        };
        if std::mem::replace(&mut topic.is_dirty, true) {
            return;
        }
        self.dirty.push(source);
        if self.dirty.len() > self.len() * 2 + FORGOTTEN {
            self.clean_up();
        }
    }

    /// Takes off the list what is forgotten, or is there twice because it was forgotten in between.
    fn clean_up(&mut self) {
        for source in self.take_dirty() {
            self.mark(source);
        }
    }

    /// The sources of the topics that may have to move, in the order in which they were marked. Some may be forgotten, or be there
    /// twice.
    pub(super) fn take_dirty(&mut self) -> Vec<Source> {
        let dirty = std::mem::take(&mut self.dirty);
        for source in &dirty {
            if let Some(topic) = self.get(source.kind(), source.name_bytes()) {
                topic.is_dirty = false;
            }
        }
        dirty
    }

    /// The server has none of them any more: those that are wanted are dirty, the others are forgotten.
    pub(super) fn lost(&mut self) {
        let mut dirty = Vec::new();
        for (kind, topics) in [
            (SourceKind::Channel, &mut self.channels),
            (SourceKind::Pattern, &mut self.patterns),
            (SourceKind::Shard, &mut self.shards),
        ] {
            topics.retain(|_, topic| !topic.members.is_empty());
            for (name, topic) in topics {
                topic.lost();
                topic.is_dirty = true;
                dirty.push(Source::new(kind, name.clone()));
            }
        }
        if Planted::ForgottenSubscription.is_here() {
            dirty.pop();
        }
        self.dirty = dirty;
    }
}

#[cfg(test)]
impl Topics {
    /// How many are known, and how many are on the list of dirty ones.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.len(), self.dirty.len())
    }
}
