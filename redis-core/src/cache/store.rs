//! Where replies are kept: [`Store`], bounded in bytes.

use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::sync::Cache as Kept;
use quick_cache::{Equivalent, Lifecycle, OptionsBuilder, Weighter};

use super::bounds::Bounds;
use super::changes::{CommandHash, Counted, KeyHash};
use crate::reply::KeptReply;

/// The replies by their commands. It evicts what was not used for long, and resists scans.
///
/// Commands with nothing but a key have the hash of that key, so that they are found by the key as well. Others, of which there
/// may be any number about one key, have hashes of their own.
pub(super) struct Store {
    kept: Kept<Command, Entry, Weight, BuildHasherDefault<AsIs>, Evictions>,
    evicted: Arc<AtomicU64>,
}

/// An encoded command, as the key of its reply.
#[derive(Debug)]
pub(super) struct Command {
    bytes: Box<[u8]>,
    hash: ShortHash,
    /// Where its first key begins and ends.
    key: (u16, u16),
}

/// Half of the hash of a command, which is enough to find its reply; an entry has no room for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ShortHash(u32);

impl From<CommandHash> for ShortHash {
    #[inline]
    fn from(hash: CommandHash) -> Self {
        // These bits are not among those that choose the counter of a key.
        Self(u32::try_from(hash.0 & u64::from(u32::MAX)).unwrap_or_default())
    }
}

impl Hash for ShortHash {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        /// The fraction of the golden ratio: the map looks at the upper bits too.
        const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
        state.write_u64(u64::from(self.0).wrapping_mul(SPREAD));
    }
}

/// The same, borrowed.
#[derive(Debug, Clone, Copy)]
pub(super) struct CommandRef<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) hash: CommandHash,
}

/// Any command with this key and nothing else.
struct About<'a> {
    key: &'a [u8],
    hash: ShortHash,
}

/// A reply that is kept.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) reply: KeptReply,
    pub(super) stamp: Stamp,
    pub(super) bounds: Bounds,
}

/// By what a reply is known to be current.
#[derive(Debug, Clone)]
pub(super) struct Stamp {
    /// The epoch of the socket that it was read on; see [`Standing`](super::standing::Standing).
    pub(super) epoch: u32,
    /// How often its first key had been changed.
    pub(super) count: u32,
    /// The other keys.
    pub(super) others: Option<Arc<Vec<Counted>>>,
}

impl Command {
    /// `None` if it is too long.
    pub(super) fn new(command: CommandRef<'_>, key: std::ops::Range<usize>) -> Option<Self> {
        Some(Self {
            bytes: command.bytes.into(),
            hash: command.hash.into(),
            key: (u16::try_from(key.start).ok()?, u16::try_from(key.end).ok()?),
        })
    }

    fn key(&self) -> &[u8] {
        let (start, end) = self.key;
        self.bytes.get(start.into()..end.into()).unwrap_or_default()
    }
}

impl Hash for Command {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash.hash(state);
    }
}

impl PartialEq for Command {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Command {}

impl Hash for CommandRef<'_> {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        ShortHash::from(self.hash).hash(state);
    }
}

impl Equivalent<Command> for CommandRef<'_> {
    #[inline]
    fn equivalent(&self, command: &Command) -> bool {
        #[cfg(test)]
        tests::COMPARED.with(|compared| compared.set(compared.get() + 1));
        *self.bytes == *command.bytes
    }
}

impl Hash for About<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash.hash(state);
    }
}

impl Equivalent<Command> for About<'_> {
    fn equivalent(&self, command: &Command) -> bool {
        self.hash == command.hash && self.key == command.key()
    }
}

/// The hash is known already.
#[derive(Debug, Default)]
pub(super) struct AsIs(u64);

impl Hasher for AsIs {
    fn write(&mut self, _: &[u8]) {}

    #[inline]
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

#[derive(Debug, Clone)]
struct Weight;

impl Weighter<Command, Entry> for Weight {
    fn weight(&self, command: &Command, entry: &Entry) -> u64 {
        weight(command, entry.reply.len(), &entry.stamp)
    }
}

/// What the store needs for an entry besides the bytes of the command and the reply.
const ENTRY: usize = 128;

/// How many bytes a command and a reply of this length count.
pub(super) fn weight(command: &Command, reply: usize, stamp: &Stamp) -> u64 {
    let others = stamp.others.as_ref().map_or(0, |others| others.len());
    (ENTRY + command.bytes.len() + reply + others * size_of::<Counted>()) as u64
}

/// The options of a map with these bounds, whose entries count this many bytes on average; a guess suffices.
///
/// A map has parts, each with a lock and an equal share of the bytes. Four for each core let threads hardly ever wait for each
/// other. But a reply that would fill most of a part is never kept, so each part has room for several of the longest.
pub(super) fn options(
    (max_bytes, max_reply_bytes): (usize, usize),
    average: usize,
    cores: usize,
) -> OptionsBuilder {
    const LONGEST_IN_A_PART: u64 = 4;
    let longest = ENTRY.saturating_add(max_reply_bytes) as u64;
    let longest = longest.saturating_mul(LONGEST_IN_A_PART);
    let most = max_bytes as u64 / longest;
    let most = most
        .checked_ilog2()
        .map_or(1, |power| 1_usize << power.min(16));
    let mut options = OptionsBuilder::new();
    options
        .estimated_items_capacity((max_bytes / average).max(1))
        .weight_capacity(max_bytes as u64)
        .shards(cores.saturating_mul(4).next_power_of_two().min(most));
    options
}

/// How many threads can run at once.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Counts evictions.
#[derive(Debug, Clone)]
struct Evictions(Arc<AtomicU64>);

/// The key of what is being inserted: what it replaces is not evicted.
#[derive(Debug, Default)]
struct Inserted(Option<ShortHash>);

impl Lifecycle<Command, Entry> for Evictions {
    type RequestState = Inserted;

    fn on_evict(&self, Inserted(key): &mut Inserted, command: Command, _: Entry) {
        if *key != Some(command.hash) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Store {
    /// A store for `max_bytes` in all and `max_reply_bytes` in one reply. The number of its shards depends on `cores`.
    pub(super) fn new(max_bytes: usize, max_reply_bytes: usize, cores: usize) -> Self {
        const AVERAGE: usize = 256;
        let evicted = Arc::new(AtomicU64::new(0));
        let evictions = Evictions(evicted.clone());
        let hasher = BuildHasherDefault::default();
        let kept = match options((max_bytes, max_reply_bytes), AVERAGE, cores).build() {
            Ok(options) => Kept::with_options(options, Weight, hasher, evictions),
            // Both numbers are set.
            Err(_) => Kept::with(1, max_bytes as u64, Weight, hasher, evictions),
        };
        Self { kept, evicted }
    }

    #[inline(always)]
    pub(super) fn get(&self, command: &CommandRef<'_>) -> Option<Entry> {
        self.kept.get(command)
    }

    pub(super) fn insert(&self, command: Command, entry: Entry) {
        let mut inserted = Inserted(Some(command.hash));
        self.kept
            .insert_with_lifecycle(command, entry, &mut inserted);
    }

    /// Removes the reply to a command.
    pub(super) fn remove(&self, command: &CommandRef<'_>) {
        self.kept.remove(command);
    }

    /// Removes the reply to a command if `is_old` says so; returns the stamp of what was removed.
    pub(super) fn remove_if(
        &self,
        command: &CommandRef<'_>,
        is_old: impl FnOnce(&Entry) -> bool,
    ) -> Option<Stamp> {
        let (_, entry) = self.kept.remove_if(command, is_old)?;
        Some(entry.stamp)
    }

    /// Removes the replies to all commands with this key and nothing else; returns how many there were.
    pub(super) fn remove_about(&self, key: &[u8], hash: KeyHash) -> u64 {
        let hash = CommandHash::from(hash).into();
        let about = About { key, hash };
        let mut removed = 0;
        while self.kept.remove(&about).is_some() {
            removed += 1;
        }
        removed
    }

    /// Removes what was read in this epoch.
    pub(super) fn remove_of(&self, epoch: u32) {
        self.kept.retain(|_, entry| entry.stamp.epoch != epoch);
    }

    pub(super) fn clear(&self) {
        self.kept.clear();
    }

    /// How many replies there are, and how many bytes they count.
    pub(super) fn size(&self) -> (usize, u64) {
        (self.kept.len(), self.kept.weight())
    }

    /// How many replies gave way to others.
    pub(super) fn evictions(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::cache::changes::Changes;

    thread_local! {
        /// How often a command was compared with one that is kept.
        pub(super) static COMPARED: Cell<usize> = const { Cell::new(0) };
    }

    fn store(store: &Store, bytes: &[u8], key: std::ops::Range<usize>, hash: u64, reply: &[u8]) {
        let command = CommandRef {
            bytes,
            hash: CommandHash(hash),
        };
        let stamp = Stamp {
            epoch: 1,
            count: 0,
            others: None,
        };
        let entry = Entry {
            reply: KeptReply::of(reply),
            stamp,
            bounds: Bounds::new(0, None, u64::MAX),
        };
        store.insert(Command::new(command, key).unwrap(), entry);
    }

    fn has(store: &Store, bytes: &[u8], hash: u64) -> bool {
        let hash = CommandHash(hash);
        store.get(&CommandRef { bytes, hash }).is_some()
    }

    #[test]
    fn the_replies_about_a_key_alone_are_removed_and_no_others() {
        let kept = Store::new(1 << 20, 1 << 10, 1);
        store(&kept, b"GET a", 4..5, 7, b"$1\r\n1\r\n");
        store(&kept, b"TTL a", 4..5, 7, b":1\r\n");
        // Another key with the same hash.
        store(&kept, b"GET b", 4..5, 7, b"$1\r\n2\r\n");
        assert_eq!(kept.remove_about(b"a", KeyHash(7)), 2);
        assert!(!has(&kept, b"GET a", 7) && !has(&kept, b"TTL a", 7));
        assert!(has(&kept, b"GET b", 7));
    }

    /// The fields of a large hash, say.
    #[test]
    fn of_many_commands_about_one_key_each_is_found_at_once() {
        const COUNT: usize = 40_000;
        let changes = Changes::new(64 << 20, false);
        let kept = Store::new(64 << 20, 1 << 20, 64);
        let commands = (0..COUNT).map(|number| {
            let bytes = format!("HGET h\r\n$6\r\nf{number:05}\r\n").into_bytes();
            let hash = changes.hashes(&bytes, &(5..6)).unwrap().command.0;
            (bytes, hash)
        });
        let commands: Vec<_> = commands.collect();
        for (bytes, hash) in &commands {
            store(&kept, bytes, 5..6, *hash, b":1\r\n");
        }
        COMPARED.set(0);
        assert!(
            commands
                .iter()
                .all(|(bytes, hash)| has(&kept, bytes, *hash))
        );
        let compared = COMPARED.get();
        assert!(compared < COUNT + COUNT / 10, "{compared} comparisons");
    }

    #[test]
    fn what_is_noted_of_further_keys_counts_too() {
        let kept = Store::new(1 << 20, 1 << 10, 1);
        let command = CommandRef {
            bytes: b"SINTER a b",
            hash: CommandHash(7),
        };
        let other = Counted {
            key: KeyHash(8),
            count: 0,
        };
        let entry = |others| Entry {
            reply: KeptReply::of(b"*0\r\n"),
            stamp: Stamp {
                epoch: 1,
                count: 0,
                others,
            },
            bounds: Bounds::new(0, None, u64::MAX),
        };
        kept.insert(Command::new(command, 7..8).unwrap(), entry(None));
        let (_, alone) = kept.size();
        let others = Some(Arc::new(vec![other; 1000]));
        kept.insert(Command::new(command, 7..8).unwrap(), entry(others));
        assert_eq!(kept.size().1 - alone, 1000 * size_of::<Counted>() as u64);
    }

    #[test]
    fn long_replies_are_kept_however_many_cores_there_are() {
        let reply = vec![b'x'; 900 << 10];
        for cores in [1, 2, 64, 1024] {
            let kept = Store::new(64 << 20, 1 << 20, cores);
            for number in 0..20_u64 {
                let hash = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                store(&kept, &number.to_be_bytes(), 0..8, hash, &reply);
                assert!(has(&kept, &number.to_be_bytes(), hash), "{cores} cores");
            }
        }
        // There is always one part.
        let kept = Store::new(1_000, usize::MAX, 64);
        store(&kept, b"GET a", 4..5, 7, b":1\r\n");
        assert!(has(&kept, b"GET a", 7));
    }

    #[test]
    fn what_there_is_no_room_for_is_evicted_and_counted() {
        let kept = Store::new(100_000, 1_000, 2);
        for number in 0..10_000_u64 {
            let hash = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            store(&kept, &number.to_be_bytes(), 0..8, hash, b":1\r\n");
        }
        let (count, bytes) = kept.size();
        assert!(bytes <= 100_000 && count > 300, "{count} of {bytes} bytes");
        assert_eq!(kept.evictions() + count as u64, 10_000);
        let evicted = kept.evictions();
        store(&kept, b"GET", 0..3, 1, b":1\r\n");
        store(&kept, b"GET", 0..3, 1, b":2\r\n");
        assert!(
            kept.evictions() <= evicted + 1,
            "a reply that is replaced is not evicted"
        );
    }
}
