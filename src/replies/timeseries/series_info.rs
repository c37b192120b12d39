//! The reply of TS.INFO: [`SeriesInfo`].

use std::collections::HashMap;
use typedis_core::Name;

use crate::FromRedis;

/// The settings of a time series, and numbers about it.
#[derive(Debug, Clone, PartialEq, FromRedis)]
#[redis(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SeriesInfo {
    /// How many samples there are.
    pub total_samples: u64,
    /// How many bytes the series takes.
    pub memory_usage: u64,
    /// The time of the first sample in milliseconds; 0 if there is none.
    pub first_timestamp: u64,
    /// The time of the last sample in milliseconds; 0 if there is none.
    pub last_timestamp: u64,
    /// How many milliseconds samples are kept; 0 means for ever.
    pub retention_time: u64,
    /// How many chunks of memory there are.
    pub chunk_count: u64,
    /// How many bytes a chunk has.
    pub chunk_size: u64,
    /// `compressed` or `uncompressed`.
    pub chunk_type: String,
    /// What is done with a second sample of the same time; `None` for the server's default.
    pub duplicate_policy: Option<String>,
    /// The labels.
    pub labels: HashMap<Name, Name>,
    /// The series that this one is compacted from.
    pub source_key: Option<Name>,
    /// The series that this one is compacted into.
    #[redis(with = "rules")]
    pub rules: Vec<CompactionRule>,
    /// A new sample is left out if it is this near in milliseconds to the last one, and ...
    pub ignore_max_time_diff: Option<u64>,
    /// ... this near in value.
    pub ignore_max_val_diff: Option<f64>,
    /// The key as the series knows it, with `with_chunks`.
    pub key_self_name: Option<Name>,
    /// The chunks, with `with_chunks`.
    #[redis(rename = "Chunks", default)]
    pub chunks: Vec<ChunkInfo>,
}

/// How a time series is compacted into another one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompactionRule {
    /// The other series.
    pub key: Name,
    /// How many milliseconds become one sample.
    pub bucket_duration: u64,
    /// How they become one: `AVG`, `STD.P`.
    pub aggregator: String,
    /// The time in milliseconds at which a bucket begins; 0 before RedisTimeSeries 1.8, which has no other.
    pub alignment: u64,
}

/// A chunk of the memory of a time series.
#[derive(Debug, Clone, PartialEq, FromRedis)]
#[redis(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ChunkInfo {
    /// The time of its first sample in milliseconds; -1 if it has none.
    pub start_timestamp: i64,
    /// The time of its last sample in milliseconds; -1 if it has none.
    pub end_timestamp: i64,
    /// How many samples it holds.
    pub samples: u64,
    /// How many bytes it has.
    pub size: u64,
    /// How many bytes a sample takes.
    pub bytes_per_sample: f64,
}

/// Rules are arrays in RESP2; in RESP3 each is named by its key.
mod rules {
    use typedis_core::{DecodeError, FromRedis, Name, Reply};

    use super::CompactionRule;
    use crate::replies::fields::next;

    pub(super) fn from_redis(reply: Reply<'_>) -> Result<Vec<CompactionRule>, DecodeError> {
        let at = |(index, rule): (usize, Result<_, DecodeError>)| {
            rule.map_err(|error| error.at_index(index))
        };
        if let Reply::Map(rules) = &reply {
            let named = rules.clone().map(|(key, facts)| rule(Some(key), &facts));
            return named.enumerate().map(at).collect();
        }
        let listed = reply
            .elements()
            .ok_or_else(|| DecodeError::expected("rules", &reply))?;
        let listed = listed.map(|facts| rule(None, &facts));
        listed.enumerate().map(at).collect()
    }

    /// Without a key, it is the first of the facts. Modules before 1.8 know of no alignment.
    fn rule(key: Option<Reply<'_>>, facts: &Reply<'_>) -> Result<CompactionRule, DecodeError> {
        let mut facts = facts
            .elements()
            .ok_or_else(|| DecodeError::expected("a rule", facts))?;
        Ok(CompactionRule {
            key: match key {
                Some(key) => Name::from_redis(key)?,
                None => next(&mut facts, "key")?,
            },
            bucket_duration: next(&mut facts, "bucket_duration")?,
            aggregator: next(&mut facts, "aggregator")?,
            alignment: match facts.len() {
                0 => 0,
                _ => next(&mut facts, "alignment")?,
            },
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::replies::wire::decode;

    /// `TS.INFO ts DEBUG`, up to the labels.
    const FIGURES: &str = "+totalSamples\r\n:4\r\n+memoryUsage\r\n:4296\r\n+firstTimestamp\r\n:1000\r\n+lastTimestamp\r\n:4000\r\n\
                           +retentionTime\r\n:0\r\n+chunkCount\r\n:1\r\n+chunkSize\r\n:4096\r\n+chunkType\r\n+compressed\r\n";

    #[test]
    fn series_are_described_alike_in_both_protocols() {
        let two = format!(
            "*32\r\n{FIGURES}+duplicatePolicy\r\n$-1\r\n+labels\r\n*2\r\n*2\r\n$6\r\nsensor\r\n$1\r\n1\r\n*2\r\n$4\r\narea\r\n$1\r\nA\r\n\
             +sourceKey\r\n$-1\r\n+rules\r\n*1\r\n*4\r\n$3\r\ndst\r\n:1000\r\n+AVG\r\n:0\r\n+ignoreMaxTimeDiff\r\n:0\r\n\
             +ignoreMaxValDiff\r\n$1\r\n0\r\n+keySelfName\r\n$2\r\nts\r\n+Chunks\r\n*1\r\n*10\r\n+startTimestamp\r\n:1000\r\n\
             +endTimestamp\r\n:4000\r\n+samples\r\n:4\r\n+size\r\n:4096\r\n+bytesPerSample\r\n$4\r\n1024\r\n"
        );
        let three = format!(
            "%16\r\n{FIGURES}+duplicatePolicy\r\n_\r\n+labels\r\n%2\r\n$6\r\nsensor\r\n$1\r\n1\r\n$4\r\narea\r\n$1\r\nA\r\n\
             +sourceKey\r\n_\r\n+rules\r\n%1\r\n$3\r\ndst\r\n*3\r\n:1000\r\n+AVG\r\n:0\r\n+ignoreMaxTimeDiff\r\n:0\r\n\
             +ignoreMaxValDiff\r\n,0\r\n+keySelfName\r\n$2\r\nts\r\n+Chunks\r\n*1\r\n%5\r\n+startTimestamp\r\n:1000\r\n\
             +endTimestamp\r\n:4000\r\n+samples\r\n:4\r\n+size\r\n:4096\r\n+bytesPerSample\r\n,1024\r\n"
        );
        let info: SeriesInfo = decode(&two).unwrap();
        assert_eq!(
            (info.total_samples, info.duplicate_policy.as_deref()),
            (4, None)
        );
        assert_eq!(info.labels.get("area").map(Name::as_str), Some("A"));
        let rule = CompactionRule {
            key: "dst".into(),
            bucket_duration: 1000,
            aggregator: "AVG".to_owned(),
            alignment: 0,
        };
        assert_eq!(info.rules, [rule]);
        let chunk = info.chunks.first().unwrap();
        assert_eq!(
            (chunk.start_timestamp, chunk.bytes_per_sample),
            (1000, 1024.0)
        );
        assert_eq!(decode::<SeriesInfo>(&three).unwrap(), info);
    }

    #[test]
    fn chunks_are_told_with_debug_only() {
        let plain = format!(
            "%12\r\n{FIGURES}+duplicatePolicy\r\n+last\r\n+labels\r\n%0\r\n+sourceKey\r\n$3\r\nsrc\r\n+rules\r\n%0\r\n"
        );
        let info: SeriesInfo = decode(&plain).unwrap();
        assert_eq!((info.rules.len(), info.chunks.len()), (0, 0));
        assert_eq!(info.source_key.as_deref(), Some("src"));
    }

    #[test]
    fn rules_of_older_modules_have_no_alignment() {
        let old = format!(
            "*20\r\n{FIGURES}+labels\r\n*0\r\n+rules\r\n*2\r\n*3\r\n$3\r\ndst\r\n:1000\r\n+AVG\r\n*3\r\n$1\r\nd\r\n:5\r\n+SUM\r\n"
        );
        let info: SeriesInfo = decode(&old).unwrap();
        let rules: Vec<_> = info
            .rules
            .iter()
            .map(|rule| (rule.key.as_str(), rule.bucket_duration, rule.alignment))
            .collect();
        assert_eq!(rules, [("dst", 1000, 0), ("d", 5, 0)]);
        let wrong = old.replacen(":5", "+x", 1);
        let error = decode::<SeriesInfo>(&wrong).unwrap_err().to_string();
        assert!(error.contains("rules[1].bucket_duration"), "{error}");
    }
}
