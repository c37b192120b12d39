//! Replies of the commands on time series.
//!
//! # Layout
//!
//! This file has the replies with several series; `series_info.rs`: the reply of TS.INFO.

use std::collections::HashMap;

use typedis_core::from_redis::Fields;
use typedis_core::{DecodeError, FromRedis, Name, Reply};

use super::fields::{each_field, fill, next};

mod series_info;

pub use series_info::{ChunkInfo, CompactionRule, SeriesInfo};

/// The samples of several time series: times in milliseconds with a value, or with several in [`AggregatedSample`]s.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MultiRange<S = (u64, f64)> {
    /// The series, in the order of the server.
    pub series: Vec<SeriesRange<S>>,
}

/// The samples of one time series.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SeriesRange<S = (u64, f64)> {
    /// Its key.
    pub key: Name,
    /// Those of its labels that were asked for and that it has.
    pub labels: HashMap<Name, Name>,
    /// Times in milliseconds, and values.
    pub samples: Vec<S>,
}

/// What samples of a span of time were aggregated to, in several ways.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct AggregatedSample {
    /// The time in milliseconds.
    pub time: u64,
    /// A value for each aggregation, in the order of the request.
    pub values: Vec<f64>,
}

/// The last samples of several time series.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MultiGet {
    /// The series, in the order of the server.
    pub series: Vec<LastSample>,
}

/// The last sample of one time series.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LastSample {
    /// The key of the series.
    pub key: Name,
    /// Those of its labels that were asked for and that it has.
    pub labels: HashMap<Name, Name>,
    /// The time in milliseconds, and the value; `None` if the series has no sample.
    pub sample: Option<(u64, f64)>,
}

/// The samples of several time series, one group for each value of a label.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct GroupedRange {
    /// The groups, in the order of the server.
    pub groups: Vec<SeriesGroup>,
}

/// The samples that a group of time series was reduced to.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SeriesGroup {
    /// The label and the value that its series have in common: `area=north`.
    pub group: Name,
    /// Those of its labels that were asked for and that it has.
    pub labels: HashMap<Name, Name>,
    /// The keys of its series. RESP2 tells them only with `with_labels`, joined by commas, so that a key that has a comma comes in pieces: RESP3
    /// tells them as they are.
    pub sources: Vec<Name>,
    /// Times in milliseconds, and values.
    pub samples: Vec<(u64, f64)>,
}

/// The time, and the values behind it in the same array.
impl FromRedis for AggregatedSample {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let mut elements = reply
            .elements()
            .ok_or_else(|| DecodeError::expected("a sample", &reply))?;
        let time = next(&mut elements, "time")?;
        let values = elements.enumerate().map(|(index, value)| {
            f64::from_redis(value).map_err(|error| error.at_index(index).at_field("values"))
        });
        Ok(Self {
            time,
            values: values.collect::<Result<_, _>>()?,
        })
    }
}

impl<S: FromRedis> FromRedis for MultiRange<S> {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let decode = |Parts {
                          name,
                          labels,
                          samples,
                          ..
                      }| SeriesRange {
            key: name,
            labels,
            samples,
        };
        Ok(Self {
            series: parts(&reply)?.into_iter().map(decode).collect(),
        })
    }
}

impl FromRedis for GroupedRange {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let decode = |Parts {
                          name,
                          mut labels,
                          sources,
                          samples,
                      }| {
            // RESP2 puts these two among the labels.
            labels.remove("__reducer__");
            let listed = labels.remove("__source__");
            let listed = listed
                .iter()
                .flat_map(|keys| keys.as_bytes().split(|byte| *byte == b','))
                .map(Name::from);
            SeriesGroup {
                group: name,
                labels,
                sources: sources.into_iter().chain(listed).collect(),
                samples,
            }
        };
        Ok(Self {
            groups: parts(&reply)?.into_iter().map(decode).collect(),
        })
    }
}

impl FromRedis for MultiGet {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let decode = |Parts {
                          name,
                          labels,
                          samples,
                          ..
                      }| LastSample {
            key: name,
            labels,
            sample: samples,
        };
        Ok(Self {
            series: parts(&reply)?.into_iter().map(decode).collect(),
        })
    }
}

/// The parts of a series or a group in a reply; `S` are its samples.
struct Parts<S> {
    name: Name,
    labels: HashMap<Name, Name>,
    sources: Vec<Name>,
    samples: S,
}

/// RESP3 sends a map of names to `[labels, facts, ..., samples]`, RESP2 a list of `[name, labels, samples]`.
fn parts<S: FromRedis>(reply: &Reply<'_>) -> Result<Vec<Parts<S>>, DecodeError> {
    match reply {
        Reply::Map(pairs) => pairs.clone().enumerate().map(named).collect(),
        Reply::Array(elements) => elements.clone().enumerate().map(listed).collect(),
        _ => Err(DecodeError::expected("time series", reply)),
    }
}

fn named<S: FromRedis>(
    (index, (name, rest)): (usize, (Reply<'_>, Reply<'_>)),
) -> Result<Parts<S>, DecodeError> {
    let decode = || {
        let elements = rest
            .elements()
            .ok_or_else(|| DecodeError::expected("an array", &rest))?;
        Parts::decode(Name::from_redis(name)?, elements)
    };
    decode().map_err(|error| error.at_index(index))
}

fn listed<S: FromRedis>((index, series): (usize, Reply<'_>)) -> Result<Parts<S>, DecodeError> {
    let decode = || {
        let mut elements = series
            .elements()
            .ok_or_else(|| DecodeError::expected("an array", &series))?;
        Parts::decode(next(&mut elements, "name")?, elements)
    };
    decode().map_err(|error| error.at_index(index))
}

impl<S: FromRedis> Parts<S> {
    /// Takes labels first and samples last; between them are facts with names.
    fn decode<'a>(
        name: Name,
        mut elements: impl ExactSizeIterator<Item = Reply<'a>>,
    ) -> Result<Self, DecodeError> {
        let labels = elements
            .next()
            .ok_or_else(|| DecodeError::missing("labels"))?;
        let labels = present_labels(&labels).map_err(|error| error.at_field("labels"))?;
        let mut sources = None;
        while elements.len() > 1 {
            let Some(facts) = elements.next() else { break };
            each_field(&facts, |name, value| match name {
                "sources" => fill(&mut sources, value),
                _ => Ok(()),
            })?;
        }
        Ok(Self {
            name,
            labels,
            sources: sources.unwrap_or_default(),
            samples: next(&mut elements, "samples")?,
        })
    }
}

/// Labels that were asked for but that the series lacks are nil, and left out.
fn present_labels(reply: &Reply<'_>) -> Result<HashMap<Name, Name>, DecodeError> {
    let mut labels = HashMap::new();
    for field in Fields::new(reply)? {
        let (name, value) = field?;
        if let Some(value) = Option::from_redis(value)? {
            labels.insert(Name::from_redis(name)?, value);
        }
    }
    Ok(labels)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::replies::wire::decode;

    #[test]
    fn series_are_read_alike_in_both_protocols() {
        let two = "*2\r\n*3\r\n$2\r\nts\r\n*1\r\n*2\r\n$6\r\nsensor\r\n$1\r\n1\r\n*2\r\n*2\r\n:1000\r\n+1.5\r\n*2\r\n:2000\r\n+2.5\r\n\
                   *3\r\n$3\r\nts2\r\n*0\r\n*0\r\n";
        let three = "%2\r\n$2\r\nts\r\n*3\r\n%1\r\n$6\r\nsensor\r\n$1\r\n1\r\n%1\r\n$11\r\naggregators\r\n*0\r\n\
                     *2\r\n*2\r\n:1000\r\n,1.5\r\n*2\r\n:2000\r\n,2.5\r\n\
                     $3\r\nts2\r\n*3\r\n%0\r\n%1\r\n$11\r\naggregators\r\n*0\r\n*0\r\n";
        let range: MultiRange = decode(two).unwrap();
        let first = SeriesRange {
            key: "ts".into(),
            labels: HashMap::from([("sensor".into(), "1".into())]),
            samples: vec![(1000, 1.5), (2000, 2.5)],
        };
        assert_eq!(
            (range.series.len(), range.series.first()),
            (2, Some(&first))
        );
        assert_eq!(decode::<MultiRange>(three).unwrap(), range);
        assert_eq!(
            decode::<MultiRange>("%0\r\n").unwrap(),
            decode::<MultiRange>("*0\r\n").unwrap()
        );
    }

    #[test]
    fn samples_may_have_several_values() {
        let sample = |time, values: &[f64]| AggregatedSample {
            time,
            values: values.to_vec(),
        };
        for (one, two) in [("+1", "+2.5"), (",1", ",2.5")] {
            let samples =
                format!("*2\r\n*3\r\n:1000\r\n{one}\r\n{two}\r\n*2\r\n:2000\r\n{two}\r\n");
            let expected = [sample(1000, &[1.0, 2.5]), sample(2000, &[2.5])];
            let read: Vec<AggregatedSample> = decode(&samples).unwrap();
            assert_eq!(read, expected);
            let reply = format!("*1\r\n*3\r\n$2\r\nts\r\n*0\r\n{samples}");
            let range: MultiRange<AggregatedSample> = decode(&reply).unwrap();
            assert_eq!(range.series.first().unwrap().samples, expected);
        }
        let wrong = decode::<AggregatedSample>("*2\r\n:1000\r\n+x\r\n").unwrap_err();
        assert!(wrong.to_string().contains("values[0]"), "{wrong}");
    }

    #[test]
    fn last_samples_are_read_alike_in_both_protocols() {
        let two = "*2\r\n*3\r\n$2\r\nts\r\n*1\r\n*2\r\n$6\r\nsensor\r\n$1\r\n1\r\n*2\r\n:4000\r\n+4\r\n*3\r\n$3\r\nts2\r\n*0\r\n*0\r\n";
        let three = "%2\r\n$2\r\nts\r\n*2\r\n%1\r\n$6\r\nsensor\r\n$1\r\n1\r\n*2\r\n:4000\r\n,4\r\n$3\r\nts2\r\n*2\r\n%0\r\n*0\r\n";
        let last: MultiGet = decode(two).unwrap();
        let samples: Vec<_> = last.series.iter().map(|series| series.sample).collect();
        assert_eq!(samples, [Some((4000, 4.0)), None]);
        assert_eq!(decode::<MultiGet>(three).unwrap(), last);
    }

    #[test]
    fn empty_spans_are_not_a_number_in_either_protocol() {
        for nan in ["+NaN", ",nan"] {
            let reply = format!("*1\r\n*3\r\n$1\r\nn\r\n*0\r\n*1\r\n*2\r\n:300\r\n{nan}\r\n");
            let range: MultiRange = decode(&reply).unwrap();
            let samples = &range.series.first().unwrap().samples;
            assert!(matches!(samples.as_slice(), [(300, value)] if value.is_nan()));
        }
    }

    #[test]
    fn labels_that_a_series_lacks_are_left_out() {
        let range: MultiRange =
            decode("*1\r\n*3\r\n$2\r\nts\r\n*1\r\n*2\r\n$1\r\nx\r\n$-1\r\n*0\r\n").unwrap();
        assert_eq!(range.series.first().unwrap().labels, HashMap::new());
    }

    #[test]
    fn groups_are_read_alike_in_both_protocols() {
        let two = "*1\r\n*3\r\n$6\r\narea=A\r\n*3\r\n*2\r\n$4\r\narea\r\n$1\r\nA\r\n*2\r\n$11\r\n__reducer__\r\n$3\r\nmax\r\n\
                   *2\r\n$10\r\n__source__\r\n$6\r\nts,ts2\r\n*1\r\n*2\r\n:1000\r\n+10\r\n";
        let three = "%1\r\n$6\r\narea=A\r\n*4\r\n%1\r\n$4\r\narea\r\n$1\r\nA\r\n%1\r\n$8\r\nreducers\r\n*1\r\n$3\r\nmax\r\n\
                     %1\r\n$7\r\nsources\r\n*2\r\n$2\r\nts\r\n$3\r\nts2\r\n*1\r\n*2\r\n:1000\r\n,10\r\n";
        let grouped: GroupedRange = decode(two).unwrap();
        let group = SeriesGroup {
            group: "area=A".into(),
            labels: HashMap::from([("area".into(), "A".into())]),
            sources: vec!["ts".into(), "ts2".into()],
            samples: vec![(1000, 10.0)],
        };
        assert_eq!(grouped.groups, [group]);
        assert_eq!(decode::<GroupedRange>(three).unwrap(), grouped);
    }

    #[test]
    fn a_source_with_a_comma_is_whole_in_resp3_only() {
        let sources = |reply: &str| {
            let grouped: GroupedRange = decode(reply).unwrap();
            grouped
                .groups
                .into_iter()
                .flat_map(|group| group.sources)
                .collect::<Vec<_>>()
        };
        let two = "*1\r\n*3\r\n$1\r\ng\r\n*1\r\n*2\r\n$10\r\n__source__\r\n$5\r\na,b,c\r\n*0\r\n";
        assert_eq!(sources(two), ["a", "b", "c"]);
        let three = "%1\r\n$1\r\ng\r\n*4\r\n%0\r\n%1\r\n$8\r\nreducers\r\n*0\r\n\
                     %1\r\n$7\r\nsources\r\n*2\r\n$3\r\na,b\r\n$1\r\nc\r\n*0\r\n";
        assert_eq!(sources(three), ["a,b", "c"]);
    }
}
