//! What a command writes, which is forgotten: [`Written`].

use super::changes::KeyHash;
use super::shared::Shared;
use crate::command::Args;
use crate::runtime::planted::Planted;

/// The keys that a command may write. They are forgotten when the command begins, and once more when it ends: in between,
/// others may have read what was there before.
pub(super) struct Written<'a> {
    shared: &'a Shared,
    keys: WrittenKeys,
}

enum WrittenKeys {
    One(KeyHash),
    Several(Vec<KeyHash>),
    /// Any key, as with FLUSHALL.
    All,
}

impl<'a> Written<'a> {
    /// `None` if the command changes nothing that could be kept.
    pub(super) fn by(shared: &'a Shared, args: &Args) -> Option<Self> {
        if args.info().readonly {
            return None;
        }
        if Planted::OwnWriteKept.is_here() {
            return None;
        }
        let mut keys = Vec::new();
        args.each_key(|key| {
            shared.changed(key);
            keys.push(shared.changes.hash(key));
        });
        let keys = match keys.as_slice() {
            // Nothing is known of raw words.
            [] if args.info().writes_unnamed || args.is_raw() => WrittenKeys::All,
            [] => return None,
            [key] => WrittenKeys::One(*key),
            _ => WrittenKeys::Several(keys),
        };
        if let WrittenKeys::All = keys {
            shared.forget_all();
        }
        Some(Self { shared, keys })
    }
}

impl Drop for Written<'_> {
    fn drop(&mut self) {
        match &self.keys {
            WrittenKeys::One(key) => self.shared.count_change(*key),
            WrittenKeys::Several(keys) => {
                keys.iter().for_each(|key| self.shared.count_change(*key))
            }
            WrittenKeys::All => self.shared.forget_all(),
        }
    }
}
