//! The keys of a command that goes past the cache: [`Forgotten`].

use super::changes::KeyHash;
use super::inner::Inner;
use super::shared::Shared;
use crate::command::Args;
use crate::engine::subscriptions::invalidation::Invalidation;
use crate::runtime::planted::Planted;

/// The keys of a command that goes past the cache. What is kept about them is forgotten when the command ends.
///
/// A command that writes makes it old. It is forgotten when such a command begins, too: in between, others may have read
/// what was there before. A command that reads may show something newer, because it can take another socket than the one
/// that reports changes of its keys. Whoever has seen that must not see what was kept.
pub(super) struct Forgotten<'a> {
    shared: &'a Shared,
    keys: ForgottenKeys,
    /// What those who listen are told when it ends, since the server does not report it.
    unreported: Option<Invalidation>,
}

enum ForgottenKeys {
    One(KeyHash),
    Several(Vec<KeyHash>),
    /// Any key, as with FLUSHALL.
    All,
}

impl<'a> Forgotten<'a> {
    /// `None` if nothing about the keys of the command can be kept.
    pub(super) fn by(cache: &'a Inner, args: &Args) -> Option<Self> {
        let shared = &*cache.shared;
        let (keys, unreported) = if args.info().readonly {
            (Self::read(cache, args)?, None)
        } else {
            Self::written(shared, args)?
        };
        Some(Self {
            shared,
            keys,
            unreported,
        })
    }

    fn read(cache: &Inner, args: &Args) -> Option<ForgottenKeys> {
        if !cache.may_show_newer() {
            return None;
        }
        let shared = &cache.shared;
        let (mut keys, mut names_none) = (Vec::new(), true);
        args.each_key(|key| {
            names_none = false;
            if shared.settings.covers(key) {
                keys.push(shared.changes.hash(key));
            }
        });
        if names_none && args.may_touch_unnamed() {
            return Some(ForgottenKeys::All);
        }
        ForgottenKeys::of(keys)
    }

    fn written(shared: &Shared, args: &Args) -> Option<(ForgottenKeys, Option<Invalidation>)> {
        if Planted::OwnWriteKept.is_here() {
            return None;
        }
        let (mut keys, mut unreported) = (Vec::new(), Vec::new());
        args.each_key(|key| {
            shared.changed(key);
            keys.push(shared.changes.hash(key));
            if shared.settings.no_loop {
                unreported.push(key.to_vec());
            }
        });
        // Others than those that it names are reported, unless the server leaves own changes out.
        let may_be_any = args.may_touch_unnamed() && (keys.is_empty() || shared.settings.no_loop);
        let unreported = unreported.iter().map(Vec::as_slice);
        let unreported = shared.unreported(unreported, may_be_any);
        if may_be_any {
            shared.forget_all();
            return Some((ForgottenKeys::All, unreported));
        }
        ForgottenKeys::of(keys).map(|keys| (keys, unreported))
    }
}

impl ForgottenKeys {
    fn of(keys: Vec<KeyHash>) -> Option<Self> {
        match keys.as_slice() {
            [] => None,
            [key] => Some(Self::One(*key)),
            _ => Some(Self::Several(keys)),
        }
    }
}

impl Drop for Forgotten<'_> {
    fn drop(&mut self) {
        match &self.keys {
            ForgottenKeys::One(key) => self.shared.count_change(*key),
            ForgottenKeys::Several(keys) => {
                keys.iter().for_each(|key| self.shared.count_change(*key))
            }
            ForgottenKeys::All => self.shared.forget_all(),
        }
        if let Some(unreported) = &self.unreported {
            self.shared.tell_now(unreported);
        }
    }
}
