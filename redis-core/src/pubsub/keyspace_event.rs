//! What a keyspace notification says: [`KeyspaceEvent`].

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

use crate::engine::subscriptions::message::Message;

/// Something happened to a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyspaceEvent {
    /// The database of the key.
    pub database: u32,
    /// What happened: the command in lower case (`set`, `del`, `hset`), or `expired`, `evicted`, `new`.
    pub event: String,
    /// The key.
    pub key: Bytes,
    /// The fields of the hash that it happened to, where [`WatchKeyspace::subkeys`](super::WatchKeyspace::subkeys) or
    /// [`WatchKeyspace::subkey`](super::WatchKeyspace::subkey) asked for them; else none.
    pub subkeys: Vec<Bytes>,
}

/// What a message is about: the channels of the servers, without the `@`.
#[derive(Clone, Copy)]
enum Class {
    /// The key is in the channel, the event in the payload.
    Keyspace,
    /// The event is in the channel, the key in the payload.
    Keyevent,
    /// The key is in the channel, the event and the subkeys in the payload: `hset|2:f1,2:f2`.
    Subkeyspace,
    /// The event is in the channel, the key and the subkeys in the payload: `1:h|2:f1,2:f2`.
    Subkeyevent,
    /// The key, a line feed and one subkey are in the channel, the event in the payload.
    Subkeyspaceitem,
    /// The event and the key are in the channel, `hset|h`, the subkeys in the payload.
    Subkeyspaceevent,
}

const CLASSES: [(&[u8], Class); 6] = [
    (b"__keyspace@", Class::Keyspace),
    (b"__keyevent@", Class::Keyevent),
    (b"__subkeyspace@", Class::Subkeyspace),
    (b"__subkeyevent@", Class::Subkeyevent),
    (b"__subkeyspaceitem@", Class::Subkeyspaceitem),
    (b"__subkeyspaceevent@", Class::Subkeyspaceevent),
];

impl KeyspaceEvent {
    /// The key as text; what is not UTF-8 in it is shown as `U+FFFD`.
    #[must_use]
    pub fn key_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.key)
    }

    /// Reads a message of one of the channels; `None` for anything else, since anybody may publish there.
    pub(super) fn read(message: &Message) -> Option<Self> {
        let (channel, payload) = (message.channel_bytes(), message.payload());
        CLASSES
            .iter()
            .find_map(|(prefix, class)| {
                let (database, rest) = split(channel, prefix)?;
                Some((class, database, channel.slice_ref(rest)))
            })
            .and_then(|(class, database, rest)| class.read(database, rest, payload))
    }
}

impl Class {
    fn read(self, database: u32, rest: Bytes, payload: &Bytes) -> Option<KeyspaceEvent> {
        let (event, key, subkeys) = match self {
            Self::Keyspace => (payload.clone(), rest, Vec::new()),
            Self::Keyevent => (rest, payload.clone(), Vec::new()),
            Self::Subkeyspace => {
                let (event, subkeys) = halves(payload, b'|')?;
                (event, rest, list(subkeys)?)
            }
            Self::Subkeyevent => {
                let (key, subkeys) = counted(payload)?;
                let subkeys = subkeys
                    .strip_prefix(b"|")
                    .map(|list| payload.slice_ref(list))?;
                (rest, key, list(subkeys)?)
            }
            Self::Subkeyspaceitem => {
                let (key, subkey) = halves(&rest, b'\n')?;
                (payload.clone(), key, vec![subkey])
            }
            Self::Subkeyspaceevent => {
                let (event, key) = halves(&rest, b'|')?;
                (event, key, list(payload.clone())?)
            }
        };
        Some(KeyspaceEvent {
            database,
            event: std::str::from_utf8(&event).ok()?.to_owned(),
            key,
            subkeys,
        })
    }
}

/// The database and what follows `__:`.
fn split<'a>(channel: &'a [u8], prefix: &[u8]) -> Option<(u32, &'a [u8])> {
    let rest = channel.strip_prefix(prefix)?;
    let end = rest.iter().position(|byte| !byte.is_ascii_digit())?;
    let (digits, rest) = rest.split_at_checked(end)?;
    let database = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some((database, rest.strip_prefix(b"__:")?))
}

/// What stands before the first such byte, and behind it.
fn halves(bytes: &Bytes, sign: u8) -> Option<(Bytes, Bytes)> {
    let at = bytes.iter().position(|byte| *byte == sign)?;
    let (first, rest) = bytes.split_at_checked(at)?;
    Some((bytes.slice_ref(first), bytes.slice_ref(rest.get(1..)?)))
}

/// `2:f1`: as many bytes as the number says, and what follows them.
fn counted(bytes: &Bytes) -> Option<(Bytes, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b':')?;
    let length: usize = std::str::from_utf8(bytes.get(..end)?).ok()?.parse().ok()?;
    let rest = bytes.get(end + 1..)?;
    let (item, rest) = rest.split_at_checked(length)?;
    Some((bytes.slice_ref(item), rest))
}

/// `2:f1,2:f2`.
fn list(mut bytes: Bytes) -> Option<Vec<Bytes>> {
    let mut items = Vec::new();
    loop {
        let (item, rest) = counted(&bytes)?;
        items.push(item);
        match rest.split_first() {
            None => return Some(items),
            Some((b',', rest)) => bytes = bytes.slice_ref(rest),
            Some(_) => return None,
        }
    }
}

impl fmt::Display for KeyspaceEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.event, self.key_text())?;
        for (index, subkey) in self.subkeys.iter().enumerate() {
            let sign = if index == 0 { ": " } else { ", " };
            write!(f, "{sign}{}", String::from_utf8_lossy(subkey))?;
        }
        write!(f, " (database {})", self.database)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::engine::subscriptions::source::{Source, SourceKind};

    fn read(channel: &'static [u8], payload: &'static [u8]) -> Option<KeyspaceEvent> {
        let source = Arc::new(Source::new(SourceKind::Pattern, "*".into()));
        let channel = Some(Bytes::from_static(channel));
        KeyspaceEvent::read(&Message::new(source, channel, Bytes::from_static(payload)))
    }

    #[test]
    fn all_channels_say_the_same() {
        let event = |subkeys: &[&'static str]| {
            Some(KeyspaceEvent {
                database: 15,
                event: "hset".to_owned(),
                key: "a__:b|,".into(),
                subkeys: subkeys.iter().map(|subkey| (*subkey).into()).collect(),
            })
        };
        let (none, one, two) = (event(&[]), event(&["f,1"]), event(&["f,1", "g|:\n"]));
        assert_eq!(read(b"__keyspace@15__:a__:b|,", b"hset"), none);
        assert_eq!(read(b"__keyevent@15__:hset", b"a__:b|,"), none);
        assert_eq!(
            read(b"__subkeyspace@15__:a__:b|,", b"hset|3:f,1,4:g|:\n"),
            two
        );
        assert_eq!(
            read(b"__subkeyevent@15__:hset", b"7:a__:b|,|3:f,1,4:g|:\n"),
            two
        );
        assert_eq!(read(b"__subkeyspaceitem@15__:a__:b|,\nf,1", b"hset"), one);
        assert_eq!(
            read(b"__subkeyspaceevent@15__:hset|a__:b|,", b"3:f,1,4:g|:\n"),
            two
        );
    }

    #[test]
    fn what_anybody_published_is_nothing() {
        for (channel, payload) in [
            (&b"__keyevent@x__:set"[..], &b"a"[..]),
            (b"__keyevent@1_:set", b"a"),
            (b"__keyevent@", b"a"),
            (b"__keyevent@99999999999__:a", b"a"),
            (b"__keyspace@0__:a", b"\xff"),
            (b"__subkeyspace@0__:h", b"hset"),
            (b"__subkeyspace@0__:h", b"hset|"),
            (b"__subkeyspace@0__:h", b"hset|9:f"),
            (b"__subkeyspace@0__:h", b"hset|1:f,"),
            (b"__subkeyspace@0__:h", b"hset|1:f1:g"),
            (b"__subkeyspace@0__:h", b"hset|-1:f"),
            (b"__subkeyspace@0__:h", b"hset|18446744073709551616:f"),
            (b"__subkeyevent@0__:hset", b"1:h1:f"),
            (b"__subkeyspaceitem@0__:h", b"hset"),
            (b"__subkeyspaceevent@0__:hset", b"1:f"),
            (b"news", b"hello"),
        ] {
            assert_eq!(read(channel, payload), None, "{channel:?} {payload:?}");
        }
    }
}
