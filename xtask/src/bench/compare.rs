//! Medians and ratios of the results: [`Ratio`], [`Measure`].

use serde_json::Value;

use super::plan::{CLIENTS, Client, FLOOR, ONE_NODE, TYPEDIS, Workload};
use super::results::{Results, SESSION};

/// Something that a program measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    Cpu,
    PerSecond,
    P50,
    P99,
    PeakMemory,
    Allocations,
    HeapEach,
}

impl Measure {
    fn key(self) -> &'static str {
        match self {
            Self::Cpu => "cpu_ns",
            Self::PerSecond => "per_second",
            Self::P50 => "p50_ns",
            Self::P99 => "p99_ns",
            Self::PeakMemory => "peak_memory",
            Self::Allocations => "allocations",
            Self::HeapEach => "heap_each",
        }
    }
}

impl Measure {
    /// Whether more is better.
    fn is_gain(self) -> bool {
        self == Self::PerSecond
    }
}

/// What one client needs, divided by what another needs. If more is better, it is the other way round: above 1
/// is always worse.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ratio {
    /// The median of the rounds.
    pub(super) median: f64,
    /// The ratio of the best round.
    pub(super) least: f64,
    /// The ratio of the worst round.
    pub(super) most: f64,
}

/// How a ratio compares with its bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Reached,
    /// Missed by less than the rounds differ.
    Unclear,
    Missed,
}

impl Ratio {
    fn of(ratios: Vec<f64>) -> Option<Self> {
        Some(Self {
            least: ratios.iter().copied().min_by(f64::total_cmp)?,
            most: ratios.iter().copied().max_by(f64::total_cmp)?,
            median: median(ratios)?,
        })
    }

    pub(super) fn verdict(self, bar: f64) -> Verdict {
        if self.median <= bar {
            Verdict::Reached
        } else if self.least <= bar {
            Verdict::Unclear
        } else {
            Verdict::Missed
        }
    }
}

impl Results {
    /// The median of a client's runs.
    pub(super) fn median(
        &self,
        workload: Workload,
        threads: u8,
        client: Client,
        measure: Measure,
    ) -> Option<f64> {
        let runs = self.runs(workload, threads, client);
        median(runs.iter().filter_map(|run| value(run, measure)).collect())
    }

    /// The peer whose median is the best.
    pub(super) fn best_peer(
        &self,
        workload: Workload,
        threads: u8,
        measure: Measure,
    ) -> Option<Client> {
        let peers = CLIENTS.into_iter().filter(|client| client.is_peer());
        let costs = peers.filter_map(|peer| {
            let cost = self.median(workload, threads, peer, measure)?;
            Some((peer, if measure.is_gain() { -cost } else { cost }))
        });
        costs
            .min_by(|(_, one), (_, other)| one.total_cmp(other))
            .map(|(peer, _)| peer)
    }

    /// typedis to the best peer.
    pub(super) fn to_peer(
        &self,
        workload: Workload,
        threads: u8,
        measure: Measure,
    ) -> Option<Ratio> {
        let best = self.best_peer(workload, threads, measure)?;
        self.ratio(workload, threads, (TYPEDIS, best), measure)
    }

    /// typedis to the floor.
    pub(super) fn to_floor(&self, workload: Workload, threads: u8) -> Option<Ratio> {
        self.ratio(workload, threads, (TYPEDIS, FLOOR), Measure::Cpu)
    }

    /// typedis on a cluster to typedis on one node, for as much work.
    pub(super) fn to_one_node(&self, workload: Workload, threads: u8) -> Option<Ratio> {
        let Ratio {
            median,
            least,
            most,
        } = self.ratio(workload, threads, (TYPEDIS, ONE_NODE), Measure::Cpu)?;
        let batches = workload.operations(ONE_NODE);
        Some(Ratio {
            median: median / batches,
            least: least / batches,
            most: most / batches,
        })
    }

    /// One client to another: a ratio for each round that ran both. Results from different calls of this tool are
    /// compared only by their medians.
    fn ratio(
        &self,
        workload: Workload,
        threads: u8,
        (client, other): (Client, Client),
        measure: Measure,
    ) -> Option<Ratio> {
        let divide = |one: f64, other: f64| {
            let ratio = if measure.is_gain() {
                other / one
            } else {
                one / other
            };
            ratio.is_finite().then_some(ratio)
        };
        let ones = self.runs(workload, threads, client);
        let others = self.runs(workload, threads, other);
        let pairs = ones.iter().zip(others);
        let ratios: Vec<f64> = pairs
            .filter(|(one, other)| one.get(SESSION) == other.get(SESSION))
            .filter_map(|(one, other)| divide(value(one, measure)?, value(other, measure)?))
            .collect();
        Ratio::of(ratios).or_else(|| {
            let one = self.median(workload, threads, client, measure)?;
            let other = self.median(workload, threads, other, measure)?;
            Ratio::of(vec![divide(one, other)?])
        })
    }

    /// Whether the rounds differ too much, so that more are needed: the middle half of the ratios differs by more
    /// than a tenth.
    pub(super) fn is_disturbed(&self, workload: Workload, threads: u8) -> bool {
        let Some(best) = self.best_peer(workload, threads, Measure::Cpu) else {
            return false;
        };
        let ones = self.runs(workload, threads, TYPEDIS);
        let others = self.runs(workload, threads, best);
        let mut ratios: Vec<f64> = ones
            .iter()
            .zip(others)
            .filter_map(|(one, other)| {
                Some(value(one, Measure::Cpu)? / value(other, Measure::Cpu)?)
            })
            .collect();
        ratios.sort_by(f64::total_cmp);
        let quarter = ratios.len() / 4;
        let low = ratios.get(quarter);
        let high = ratios.iter().rev().nth(quarter);
        low.zip(high).is_some_and(|(low, high)| high / low > 1.1)
    }
}

/// With fewer operations, the 99th percentile is the slowest one, which means nothing.
const OPERATIONS_FOR_P99: f64 = 100.0;

fn value(run: &Value, measure: Measure) -> Option<f64> {
    if measure == Measure::P99 && run.get("operations")?.as_f64()? < OPERATIONS_FOR_P99 {
        return None;
    }
    run.get(measure.key())?.as_f64()
}

pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *values.get(middle.checked_sub(1)?)?;
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::bench::plan::workloads;
    use crate::bench::results::Run;

    /// typedis, redis and rustis.
    fn three() -> [Client; 3] {
        ["typedis", "redis2", "rustis"]
            .map(|id| CLIENTS.into_iter().find(|client| client.id == id).unwrap())
    }

    /// The CPU times of the three, round by round; `None` if a client failed.
    fn rounds(rounds: &[[Option<f64>; 3]]) -> Results {
        let mut results = Results::empty();
        for costs in rounds {
            for (client, cost) in three().into_iter().zip(costs) {
                let run = match cost {
                    Some(cost) => Run::new(json!({ "cpu_ns": cost, "per_second": 1e9 / cost }), 1),
                    None => Run::failed("it hangs"),
                };
                results.add(workloads()[0], 1, client, run);
            }
        }
        results
    }

    fn cpu(results: &Results) -> Ratio {
        results.to_peer(workloads()[0], 1, Measure::Cpu).unwrap()
    }

    #[test]
    fn a_median_is_the_middle_or_between_the_two_middle_ones() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        // The machine was twice as slow in the second round.
        let results = rounds(&[
            [Some(1.0), Some(4.0), Some(5.0)],
            [Some(2.0), Some(8.0), Some(10.0)],
            [Some(1.0), Some(4.0), Some(5.0)],
        ]);
        let best = results.best_peer(workloads()[0], 1, Measure::Cpu).unwrap();
        assert_eq!(best.id, "redis2");
        let all = |ratio| Ratio {
            median: ratio,
            least: ratio,
            most: ratio,
        };
        assert_eq!(cpu(&results), all(0.25));
        // If more is better, the ratio is inverted.
        let speed = results.to_peer(workloads()[0], 1, Measure::PerSecond);
        assert_eq!(speed, Some(all(0.25)));
        assert!(!results.is_disturbed(workloads()[0], 1));
    }

    #[test]
    fn a_failed_round_does_not_shift_the_others() {
        let results = rounds(&[
            [None, Some(4.0), Some(5.0)],
            [Some(4.0), Some(8.0), Some(10.0)],
            [Some(1.0), Some(4.0), Some(5.0)],
        ]);
        let ratio = cpu(&results);
        assert_eq!((ratio.least, ratio.most), (0.25, 0.5));
    }

    #[test]
    fn rounds_that_differ_ask_for_more() {
        let one = |ours| [Some(ours), Some(10.0), None];
        let results = rounds(&[one(3.0), one(9.0), one(5.0), one(7.0)]);
        assert!(results.is_disturbed(workloads()[0], 1));
        assert!(!Results::empty().is_disturbed(workloads()[0], 1));
        // A median ignores one bad round among five.
        let results = rounds(&[one(5.0), one(5.1), one(40.0), one(5.0), one(5.2)]);
        assert!(!results.is_disturbed(workloads()[0], 1));
        assert_eq!(cpu(&results).median, 0.51);
    }

    #[test]
    fn what_was_measured_at_different_times_is_compared_by_medians() {
        let mut results = rounds(&[
            [Some(9.0), Some(4.0), Some(5.0)],
            [Some(9.0), Some(8.0), Some(9.0)],
        ]);
        let (workload, typedis) = (workloads()[0], CLIENTS[0]);
        results.forget(workload, 1, typedis);
        results.add(workload, 1, typedis, Run::new(json!({ "cpu_ns": 3.0 }), 2));
        assert_eq!(cpu(&results).median, 0.5);
    }

    #[test]
    fn a_batch_for_three_nodes_is_compared_with_three_for_one() {
        let mut results = Results::empty();
        let is_batch = |one: &Workload| one.id() == "cluster-pipeline-1000";
        let batch = workloads().into_iter().find(is_batch).unwrap();
        for (client, cost) in [(TYPEDIS, 1000.0), (ONE_NODE, 333.0)] {
            let run = Run::new(json!({ "cpu_ns": cost }), 1);
            results.add(batch, 1, client, run);
        }
        let ratio = results.to_one_node(batch, 1).unwrap();
        assert!((ratio.median - 1.0).abs() < 1e-9, "{ratio:?}");
        assert_eq!(results.best_peer(batch, 1, Measure::Cpu), None);
    }

    #[test]
    fn a_percentile_of_a_few_operations_is_none() {
        let run = |operations| json!({ "operations": operations, "p50_ns": 5, "p99_ns": 7 });
        assert_eq!(value(&run(99), Measure::P99), None);
        assert_eq!(value(&run(99), Measure::P50), Some(5.0));
        assert_eq!(value(&run(100), Measure::P99), Some(7.0));
    }

    #[test]
    fn a_bar_within_the_spread_is_neither_reached_nor_missed() {
        let ratio = Ratio {
            median: 0.52,
            least: 0.48,
            most: 0.55,
        };
        assert_eq!(ratio.verdict(0.6), Verdict::Reached);
        assert_eq!(ratio.verdict(0.5), Verdict::Unclear);
        assert_eq!(ratio.verdict(0.4), Verdict::Missed);
    }
}
