//! Who is subscribed to what: [`Channels`].

use std::collections::{BTreeMap, BTreeSet};

/// The number of a session.
type Id = u64;

/// The subscriptions of all sessions.
#[derive(Debug, Default)]
pub(super) struct Channels {
    channels: BTreeMap<Vec<u8>, BTreeSet<Id>>,
    /// Patterns are a beginning of a name, and `*`.
    patterns: BTreeMap<Vec<u8>, BTreeSet<Id>>,
}

impl Channels {
    fn kind(&mut self, is_pattern: bool) -> &mut BTreeMap<Vec<u8>, BTreeSet<Id>> {
        if is_pattern {
            &mut self.patterns
        } else {
            &mut self.channels
        }
    }

    pub(super) fn join(&mut self, id: Id, is_pattern: bool, name: &[u8]) {
        self.kind(is_pattern)
            .entry(name.to_vec())
            .or_default()
            .insert(id);
    }

    pub(super) fn leave(&mut self, id: Id, is_pattern: bool, name: &[u8]) {
        let names = self.kind(is_pattern);
        if let Some(ids) = names.get_mut(name) {
            ids.remove(&id);
            if ids.is_empty() {
                names.remove(name);
            }
        }
    }

    pub(super) fn leave_all(&mut self, id: Id) {
        for names in [&mut self.channels, &mut self.patterns] {
            names.retain(|_, ids| {
                ids.remove(&id);
                !ids.is_empty()
            });
        }
    }

    /// How many subscriptions a session has.
    pub(super) fn of(&self, id: Id) -> usize {
        let names = self.channels.values().chain(self.patterns.values());
        names.filter(|ids| ids.contains(&id)).count()
    }

    /// How many sessions have a subscription with this name.
    pub(super) fn count(&self, name: &[u8]) -> usize {
        let count = |names: &BTreeMap<_, BTreeSet<Id>>| names.get(name).map_or(0, BTreeSet::len);
        count(&self.channels) + count(&self.patterns)
    }

    /// Who gets a message to this channel, and by which pattern, if by one.
    pub(super) fn receivers(&self, channel: &[u8]) -> Vec<(Id, Option<Vec<u8>>)> {
        let direct = self.channels.get(channel).into_iter().flatten();
        let matching = self.patterns.iter().filter(|(pattern, _)| {
            let beginning = pattern.strip_suffix(b"*").unwrap_or(pattern);
            channel.starts_with(beginning)
        });
        let by_pattern = matching
            .flat_map(|(pattern, ids)| ids.iter().map(move |id| (*id, Some(pattern.clone()))));
        direct.map(|id| (*id, None)).chain(by_pattern).collect()
    }
}
