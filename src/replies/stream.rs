//! Replies of the commands on streams.

use typedis_core::{DecodeError, Name, Reply};

use super::entry_id::EntryId;
use super::fields::{is_gone, next};
use crate::FromRedis;

/// An entry of a stream.
///
/// Its fields are decoded into `T`: a map, a `Vec` of pairs (which keeps their order and repetitions), or a struct
/// with `#[derive(FromRedis)]`.
///
/// XREADGROUP lists entries that were deleted while they were pending without fields. A list leaves them out, unless
/// `T` can be nil: with an `Option` their ids are there, so that they can be acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamEntry<T> {
    /// Its id.
    pub id: EntryId,
    /// Its fields.
    pub fields: T,
}

impl<T: FromRedis> FromRedis for StreamEntry<T> {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let mut elements = array(&reply, "a stream entry")?;
        Ok(Self {
            id: next(&mut elements, "id")?,
            fields: next(&mut elements, "fields")?,
        })
    }

    fn decode_all(
        reply: &Reply<'_>,
        put: &mut impl FnMut(Self) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        each_present::<T, Self>(reply, put)
    }
}

/// An entry of a stream, as XREADGROUP with CLAIM delivers it: new, or taken over from a consumer.
///
/// Its fields are decoded into `T`, as in [`StreamEntry`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeliveredEntry<T> {
    /// Its id.
    pub id: EntryId,
    /// Its fields.
    pub fields: T,
    /// How many milliseconds ago it was delivered before; 0 if it was not, the time since 1970 after XNACK, below 0 if the server's clock
    /// was set back since.
    pub idle: i64,
    /// How often it was delivered before.
    pub deliveries: u64,
}

impl<T: FromRedis> FromRedis for DeliveredEntry<T> {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let mut elements = array(&reply, "a stream entry")?;
        let id = next(&mut elements, "id")?;
        let fields = next(&mut elements, "fields")?;
        // Both are there, or neither.
        let (idle, deliveries) = match elements.len() {
            0 => (0, 0),
            _ => (
                next(&mut elements, "idle")?,
                next(&mut elements, "deliveries")?,
            ),
        };
        Ok(Self {
            id,
            fields,
            idle,
            deliveries,
        })
    }

    fn decode_all(
        reply: &Reply<'_>,
        put: &mut impl FnMut(Self) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        each_present::<T, Self>(reply, put)
    }
}

/// Decodes the entries of a list, without those that have no fields if fields are needed.
fn each_present<T: FromRedis, E: FromRedis>(
    reply: &Reply<'_>,
    put: &mut impl FnMut(E) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    for (index, entry) in array(reply, "stream entries")?.enumerate() {
        let fields = entry.elements().and_then(|mut parts| parts.nth(1));
        if fields.is_some_and(|fields| is_gone::<T>(&fields)) {
            continue;
        }
        E::from_redis(entry)
            .and_then(&mut *put)
            .map_err(|error| error.at_index(index))?;
    }
    Ok(())
}

/// What XDELEX or XACKDEL did to an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryDeletion {
    /// There is no such entry.
    Missing,
    /// It was deleted.
    Deleted,
    /// It was not deleted, because other consumer groups have not acknowledged it yet.
    Referenced,
}

impl FromRedis for EntryDeletion {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        match i64::from_redis(reply)? {
            -1 => Ok(Self::Missing),
            1 => Ok(Self::Deleted),
            2 => Ok(Self::Referenced),
            other => Err(DecodeError::new(format!(
                "expected -1, 1 or 2, got {other}"
            ))),
        }
    }
}

/// The entries that XCLAIM gave to a consumer. It can be used like a slice, and iterated over.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claimed<E> {
    /// The entries, or their ids. Entries that were deleted meanwhile are left out.
    pub entries: Vec<E>,
}

impl<E> std::ops::Deref for Claimed<E> {
    type Target = [E];

    fn deref(&self) -> &[E] {
        &self.entries
    }
}

impl<E> IntoIterator for Claimed<E> {
    type Item = E;
    type IntoIter = std::vec::IntoIter<E>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl<E: FromRedis> FromRedis for Claimed<E> {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        present(reply).map(|entries| Self { entries })
    }
}

/// Redis 6.2 puts nil in the place of an entry that was deleted; later servers leave it out.
fn present<E: FromRedis>(reply: Reply<'_>) -> Result<Vec<E>, DecodeError> {
    Ok(Vec::<Option<E>>::from_redis(reply)?
        .into_iter()
        .flatten()
        .collect())
}

/// A part of the entries that XAUTOCLAIM gave to a consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AutoClaimed<E> {
    /// Where to go on; `0-0` when all pending entries were looked at.
    pub next: EntryId,
    /// The entries, or their ids.
    pub entries: Vec<E>,
    /// Entries that were pending but deleted, which are no longer pending; empty on servers before 7.0.
    pub deleted: Vec<EntryId>,
}

impl<E> AutoClaimed<E> {
    /// Whether all pending entries were looked at.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.next == EntryId::default()
    }
}

impl<E: FromRedis> FromRedis for AutoClaimed<E> {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let mut elements = array(&reply, "a cursor and entries")?;
        let cursor = next(&mut elements, "next")?;
        let entries = elements
            .next()
            .ok_or_else(|| DecodeError::missing("entries"))?;
        let deleted = elements.next().map(Vec::from_redis).transpose();
        Ok(Self {
            next: cursor,
            entries: present(entries).map_err(|error| error.at_field("entries"))?,
            deleted: deleted
                .map_err(|error| error.at_field("deleted"))?
                .unwrap_or_default(),
        })
    }
}

/// The pending entries of a consumer group: delivered, and not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PendingSummary {
    /// The number of pending entries.
    pub count: u64,
    /// The first and the last of them; `None` if there is none.
    pub range: Option<(EntryId, EntryId)>,
    /// How many of them each consumer has; consumers without any are not listed.
    pub consumers: Vec<(Name, u64)>,
}

impl FromRedis for PendingSummary {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let mut elements = array(&reply, "a summary of what is pending")?;
        let count = next(&mut elements, "count")?;
        let first: Option<EntryId> = next(&mut elements, "first")?;
        let last: Option<EntryId> = next(&mut elements, "last")?;
        let consumers: Option<Vec<(Name, u64)>> = next(&mut elements, "consumers")?;
        Ok(Self {
            count,
            range: first.zip(last),
            consumers: consumers.unwrap_or_default(),
        })
    }
}

/// An entry that was delivered to a consumer and not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[redis(array)]
#[non_exhaustive]
pub struct PendingEntry {
    /// Its id.
    pub id: EntryId,
    /// Who has it; empty after XNACK, until it is delivered again.
    pub consumer: Name,
    /// How many milliseconds ago it was delivered; -1 after XNACK, or if the server does not know.
    pub idle: i64,
    /// How often it was delivered.
    pub deliveries: u64,
}

fn array<'a>(
    reply: &Reply<'a>,
    what: &str,
) -> Result<impl ExactSizeIterator<Item = Reply<'a>> + use<'a>, DecodeError> {
    match reply {
        Reply::Array(elements) => Ok(elements.clone()),
        _ => Err(DecodeError::expected(what, reply)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::replies::wire::decode;

    type Pairs = Vec<(String, String)>;

    fn id(milliseconds: u64) -> EntryId {
        EntryId::new(milliseconds, 1)
    }

    fn pairs(pairs: &[(&str, &str)]) -> Pairs {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn entries_have_their_fields_in_order() {
        let reply = "*2\r\n*2\r\n$3\r\n1-1\r\n*4\r\n$2\r\nf1\r\n$2\r\nv1\r\n$2\r\nf2\r\n$2\r\nv2\r\n\
                     *2\r\n$3\r\n2-1\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n";
        let entries: Vec<StreamEntry<Pairs>> = decode(reply).unwrap();
        let expected = [
            (id(1), pairs(&[("f1", "v1"), ("f2", "v2")])),
            (id(2), pairs(&[("a", "b")])),
        ];
        assert_eq!(
            entries
                .into_iter()
                .map(|entry| (entry.id, entry.fields))
                .collect::<Vec<_>>(),
            expected
        );
        let entries: Vec<StreamEntry<HashMap<String, String>>> = decode(reply).unwrap();
        assert_eq!(
            entries
                .first()
                .unwrap()
                .fields
                .get("f2")
                .map(String::as_str),
            Some("v2")
        );
    }

    #[test]
    fn streams_are_read_alike_in_both_protocols() {
        type Streams = Option<Vec<(String, Vec<StreamEntry<Pairs>>)>>;
        let two = "*1\r\n*2\r\n$2\r\nsq\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n";
        let three = "%1\r\n$2\r\nsq\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n";
        let read: Streams = decode(two).unwrap();
        let entry = StreamEntry {
            id: id(1),
            fields: pairs(&[("a", "b")]),
        };
        assert_eq!(read, Some(vec![("sq".to_owned(), vec![entry])]));
        assert_eq!(decode::<Streams>(three).unwrap(), read);
        assert_eq!(decode::<Streams>("*-1\r\n").unwrap(), None);
        assert_eq!(decode::<Streams>("_\r\n").unwrap(), None);
        let empty: Streams = decode("%1\r\n$1\r\ns\r\n*0\r\n").unwrap();
        assert_eq!(empty, Some(vec![("s".to_owned(), vec![])]));
    }

    #[test]
    fn deleted_entries_have_no_fields() {
        let reply = "*1\r\n*2\r\n$1\r\ns\r\n*2\r\n*2\r\n$3\r\n2-1\r\n*-1\r\n*2\r\n$3\r\n3-1\r\n*2\r\n$1\r\nc\r\n$1\r\nd\r\n";
        type Streams<Fields> = Vec<(String, Vec<StreamEntry<Fields>>)>;
        let streams: Streams<Option<Pairs>> = decode(reply).unwrap();
        let fields: Vec<_> = streams
            .into_iter()
            .flat_map(|(_, entries)| entries)
            .map(|entry| entry.fields)
            .collect();
        assert_eq!(fields, [None, Some(pairs(&[("c", "d")]))]);
        let present: Streams<Pairs> = decode(reply).unwrap();
        let ids = present.iter().flat_map(|(_, entries)| entries);
        assert_eq!(ids.map(|entry| entry.id).collect::<Vec<_>>(), [id(3)]);
        // A field that does not fit is still an error.
        assert!(decode::<Streams<(u8, u8)>>(reply).is_err());
    }

    #[test]
    fn a_claim_leaves_out_what_was_deleted() {
        let claimed: Claimed<StreamEntry<Pairs>> =
            decode("*2\r\n*-1\r\n*2\r\n$3\r\n3-1\r\n*2\r\n$1\r\nc\r\n$1\r\nd\r\n").unwrap();
        assert_eq!(
            claimed.iter().map(|entry| entry.id).collect::<Vec<_>>(),
            [id(3)]
        );
        let ids: Claimed<EntryId> = decode("*1\r\n$3\r\n3-1\r\n").unwrap();
        assert_eq!(ids.into_iter().collect::<Vec<_>>(), [id(3)]);
    }

    #[test]
    fn portions_are_claimed_on_old_and_new_servers() {
        let claimed: AutoClaimed<StreamEntry<Pairs>> =
            decode("*3\r\n$3\r\n4-1\r\n*1\r\n*2\r\n$3\r\n3-1\r\n*2\r\n$1\r\nc\r\n$1\r\nd\r\n*1\r\n$3\r\n2-1\r\n").unwrap();
        assert_eq!(
            (
                claimed.next,
                claimed.entries.len(),
                claimed.deleted.as_slice()
            ),
            (id(4), 1, [id(2)].as_slice())
        );
        assert!(!claimed.is_complete());
        let claimed: AutoClaimed<StreamEntry<Pairs>> =
            decode("*2\r\n$3\r\n3-1\r\n*1\r\n$-1\r\n").unwrap();
        assert_eq!((claimed.entries.len(), claimed.deleted.len()), (0, 0));
        let ids: AutoClaimed<EntryId> =
            decode("*3\r\n$3\r\n0-0\r\n*2\r\n$3\r\n3-1\r\n$3\r\n4-1\r\n*0\r\n").unwrap();
        assert!(ids.is_complete());
        assert_eq!(ids.entries, [id(3), id(4)]);
    }

    #[test]
    fn a_summary_counts_by_consumer() {
        let summary: PendingSummary = decode(
            "*4\r\n:4\r\n$3\r\n1-1\r\n$3\r\n4-1\r\n*2\r\n*2\r\n$2\r\nc1\r\n$1\r\n3\r\n*2\r\n$2\r\nc2\r\n$1\r\n1\r\n",
        )
        .unwrap();
        assert_eq!((summary.count, summary.range), (4, Some((id(1), id(4)))));
        assert_eq!(summary.consumers, [("c1".into(), 3), ("c2".into(), 1)]);
        for nothing in [
            "*4\r\n:0\r\n$-1\r\n$-1\r\n*-1\r\n",
            "*4\r\n:0\r\n_\r\n_\r\n_\r\n",
        ] {
            let summary: PendingSummary = decode(nothing).unwrap();
            assert_eq!(
                (summary.count, summary.range, summary.consumers.len()),
                (0, None, 0)
            );
        }
    }

    #[test]
    fn pending_entries_are_listed() {
        let entries: Vec<PendingEntry> =
            decode("*2\r\n*4\r\n$3\r\n1-1\r\n$2\r\nc1\r\n:0\r\n:2\r\n*4\r\n$3\r\n2-1\r\n$2\r\nc1\r\n:101\r\n:1\r\n").unwrap();
        let second = PendingEntry {
            id: id(2),
            consumer: "c1".into(),
            idle: 101,
            deliveries: 1,
        };
        assert_eq!(entries.get(1), Some(&second));
        assert_eq!(decode::<Vec<PendingEntry>>("*0\r\n").unwrap(), []);
    }

    #[test]
    fn claimed_entries_tell_how_often_they_were_delivered() {
        let reply = "*3\r\n*4\r\n$3\r\n1-1\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n:5000\r\n:2\r\n\
                     *4\r\n$3\r\n1-2\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n:-5\r\n:1\r\n*2\r\n$3\r\n2-1\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n";
        let entries: Vec<DeliveredEntry<Pairs>> = decode(reply).unwrap();
        let delivered: Vec<_> = entries
            .iter()
            .map(|entry| (entry.id, entry.idle, entry.deliveries))
            .collect();
        let set_back = EntryId::new(1, 2);
        assert_eq!(
            delivered,
            [(id(1), 5000, 2), (set_back, -5, 1), (id(2), 0, 0)]
        );
    }

    #[test]
    fn each_deletion_has_a_result_of_its_own() {
        use EntryDeletion::{Deleted, Missing, Referenced};
        let all: Vec<EntryDeletion> = decode("*3\r\n:-1\r\n:1\r\n:2\r\n").unwrap();
        assert_eq!(all, [Missing, Deleted, Referenced]);
        assert!(decode::<EntryDeletion>(":0\r\n").is_err());
    }
}
