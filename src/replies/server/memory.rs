//! The reply of MEMORY STATS: [`MemoryStats`].

use std::collections::BTreeMap;

use typedis_core::{DecodeError, Reply};

use crate::FromRedis;
use crate::replies::fields::each_field;

/// What a server uses its memory for, in bytes.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct MemoryStats {
    /// The most memory that it ever used.
    pub peak_allocated: u64,
    /// The memory that it uses now.
    pub total_allocated: u64,
    /// The memory that it used after its start.
    pub startup_allocated: u64,
    /// The backlog of the replication.
    pub replication_backlog: u64,
    /// Connections of replicas.
    pub clients_replicas: u64,
    /// Connections of clients.
    pub clients_normal: u64,
    /// The buffer of the append-only file.
    pub aof_buffer: u64,
    /// Everything that is not data.
    pub overhead_total: u64,
    /// How many keys there are.
    pub keys_count: u64,
    /// The average memory for a key. It means nothing while `dataset_bytes` is negative.
    pub keys_bytes_per_key: i64,
    /// The data: the total without the overhead. For an idle server this can be negative.
    pub dataset_bytes: i64,
    /// The data, in percent of what was allocated since the start.
    pub dataset_percentage: f64,
    /// The memory that it uses now, in percent of the most that it ever used.
    pub peak_percentage: f64,
    /// The memory that the system gave to the server, divided by the memory that is used.
    pub fragmentation: f64,
    /// The memory that the system gave to the server, minus the memory that is used.
    pub fragmentation_bytes: i64,
    /// The databases by their numbers.
    pub databases: BTreeMap<u32, DatabaseMemory>,
    /// Every other number, by its name.
    pub other: BTreeMap<String, f64>,
}

/// The memory of a database besides its data, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRedis)]
#[non_exhaustive]
pub struct DatabaseMemory {
    /// The table of its keys.
    #[redis(rename = "overhead.hashtable.main")]
    pub keys_table: u64,
    /// The table of its expiries.
    #[redis(rename = "overhead.hashtable.expires")]
    pub expiries_table: u64,
}

impl FromRedis for MemoryStats {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let mut stats = Self::default();
        each_field(&reply, |name, value| stats.set(name, value))?;
        Ok(stats)
    }
}

impl MemoryStats {
    fn set(&mut self, name: &str, value: Reply<'_>) -> Result<(), DecodeError> {
        match name {
            "peak.allocated" => self.peak_allocated = FromRedis::from_redis(value)?,
            "total.allocated" => self.total_allocated = FromRedis::from_redis(value)?,
            "startup.allocated" => self.startup_allocated = FromRedis::from_redis(value)?,
            "replication.backlog" => self.replication_backlog = FromRedis::from_redis(value)?,
            "clients.slaves" => self.clients_replicas = FromRedis::from_redis(value)?,
            "clients.normal" => self.clients_normal = FromRedis::from_redis(value)?,
            "aof.buffer" => self.aof_buffer = FromRedis::from_redis(value)?,
            "overhead.total" => self.overhead_total = FromRedis::from_redis(value)?,
            "keys.count" => self.keys_count = FromRedis::from_redis(value)?,
            "keys.bytes-per-key" => self.keys_bytes_per_key = FromRedis::from_redis(value)?,
            "dataset.bytes" => self.dataset_bytes = FromRedis::from_redis(value)?,
            "dataset.percentage" => self.dataset_percentage = FromRedis::from_redis(value)?,
            "peak.percentage" => self.peak_percentage = FromRedis::from_redis(value)?,
            "fragmentation" => self.fragmentation = FromRedis::from_redis(value)?,
            "fragmentation.bytes" => self.fragmentation_bytes = FromRedis::from_redis(value)?,
            _ => self.set_other(name, value)?,
        }
        Ok(())
    }

    fn set_other(&mut self, name: &str, value: Reply<'_>) -> Result<(), DecodeError> {
        if let Some(Ok(db)) = name.strip_prefix("db.").map(str::parse) {
            self.databases
                .insert(db, DatabaseMemory::from_redis(value)?);
        } else if let Ok(number) = f64::from_redis(value) {
            // Values that are not numbers come from newer servers.
            self.other.insert(name.to_owned(), number);
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::replies::wire::decode;

    #[test]
    fn an_idle_server_counts_less_than_nothing_as_data() {
        let stats: MemoryStats = decode(
            "*4\r\n$18\r\nkeys.bytes-per-key\r\n:-13480\r\n$13\r\ndataset.bytes\r\n:-13480\r\n",
        )
        .unwrap();
        assert_eq!(stats.dataset_bytes, -13_480);
        // With one key, Valkey says the same of it.
        assert_eq!(stats.keys_bytes_per_key, -13_480);
    }

    #[test]
    fn databases_are_told_apart_from_other_numbers() {
        let two = "*14\r\n$14\r\npeak.allocated\r\n:7965176\r\n$14\r\nclients.slaves\r\n:0\r\n$4\r\ndb.0\r\n*4\r\n$23\r\noverhead.hashtable.main\r\n:288\r\n\
                   $26\r\noverhead.hashtable.expires\r\n:112\r\n$23\r\ndb.dict.rehashing.count\r\n:0\r\n$18\r\ndataset.percentage\r\n$16\r\n99.4679946899414\r\n\
                   $18\r\nrss-overhead.bytes\r\n:-2400256\r\n$13\r\nfragmentation\r\n$18\r\n8.9126062393188477\r\n";
        let three = "%7\r\n$14\r\npeak.allocated\r\n:7965176\r\n$14\r\nclients.slaves\r\n:0\r\n$4\r\ndb.0\r\n%2\r\n$23\r\noverhead.hashtable.main\r\n:288\r\n\
                     $26\r\noverhead.hashtable.expires\r\n:112\r\n$23\r\ndb.dict.rehashing.count\r\n:0\r\n$18\r\ndataset.percentage\r\n,99.4679946899414\r\n\
                     $18\r\nrss-overhead.bytes\r\n:-2400256\r\n$13\r\nfragmentation\r\n,8.9126062393188477\r\n";
        let stats: MemoryStats = decode(two).unwrap();
        assert_eq!(decode::<MemoryStats>(three).unwrap(), stats);
        assert_eq!(stats.peak_allocated, 7_965_176);
        assert_eq!(stats.dataset_percentage, 99.467_994_689_941_4);
        let database = stats.databases.get(&0).unwrap();
        assert_eq!((database.keys_table, database.expiries_table), (288, 112));
        assert_eq!(stats.other.get("rss-overhead.bytes"), Some(&-2_400_256.0));
        assert_eq!(stats.other.get("db.dict.rehashing.count"), Some(&0.0));
    }
}
