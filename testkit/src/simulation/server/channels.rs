//! Who is subscribed to what: [`Channels`].

use std::collections::{BTreeMap, BTreeSet};

/// The number of a session.
type Id = u64;

/// What a subscription is to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChannelKind {
    Channel,
    /// A beginning of names, and `*`.
    Pattern,
    Shard,
}

/// Who is subscribed to a name.
type Members = BTreeMap<Vec<u8>, BTreeSet<Id>>;

/// The subscriptions of all sessions.
#[derive(Debug, Default)]
pub(super) struct Channels {
    channels: Members,
    patterns: Members,
    shards: Members,
}

impl Channels {
    fn kind(&mut self, kind: ChannelKind) -> &mut Members {
        match kind {
            ChannelKind::Channel => &mut self.channels,
            ChannelKind::Pattern => &mut self.patterns,
            ChannelKind::Shard => &mut self.shards,
        }
    }

    pub(super) fn join(&mut self, id: Id, kind: ChannelKind, name: &[u8]) {
        self.kind(kind).entry(name.to_vec()).or_default().insert(id);
    }

    pub(super) fn leave(&mut self, id: Id, kind: ChannelKind, name: &[u8]) {
        let names = self.kind(kind);
        if let Some(ids) = names.get_mut(name) {
            ids.remove(&id);
            if ids.is_empty() {
                names.remove(name);
            }
        }
    }

    pub(super) fn leave_all(&mut self, id: Id) {
        for names in [&mut self.channels, &mut self.patterns, &mut self.shards] {
            names.retain(|_, ids| {
                ids.remove(&id);
                !ids.is_empty()
            });
        }
    }

    /// How many subscriptions a session has, as confirmations of this kind count them.
    pub(super) fn of(&self, id: Id, kind: ChannelKind) -> usize {
        let count = |names: &Members| names.values().filter(|ids| ids.contains(&id)).count();
        match kind {
            ChannelKind::Shard => count(&self.shards),
            ChannelKind::Channel | ChannelKind::Pattern => {
                count(&self.channels) + count(&self.patterns)
            }
        }
    }

    /// Whether a session has any subscription.
    pub(super) fn has(&self, id: Id) -> bool {
        self.of(id, ChannelKind::Channel) + self.of(id, ChannelKind::Shard) > 0
    }

    /// How many sessions have a subscription with this name.
    pub(super) fn count(&self, name: &[u8]) -> usize {
        let count = |names: &Members| names.get(name).map_or(0, BTreeSet::len);
        count(&self.channels) + count(&self.patterns) + count(&self.shards)
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

    /// Who gets a message to this shard channel.
    pub(super) fn shard_receivers(&self, channel: &[u8]) -> Vec<Id> {
        self.shards
            .get(channel)
            .into_iter()
            .flatten()
            .copied()
            .collect()
    }

    /// Ends the subscriptions to shard channels that are not served any more.
    pub(super) fn end_shards(&mut self, serves: impl Fn(&[u8]) -> bool) -> Vec<(Id, Vec<u8>)> {
        let mut ended = Vec::new();
        self.shards.retain(|name, ids| {
            let stays = serves(name);
            if !stays {
                ended.extend(ids.iter().map(|id| (*id, name.clone())));
            }
            stays
        });
        ended
    }
}
