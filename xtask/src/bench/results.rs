//! What was measured: [`Results`], kept in `benches/results.json` so that a part can be measured anew.

use std::fs;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::plan::{CLIENTS, Client, Workload};
use crate::{Result, cargo};

/// All runs, by workload, number of threads and client; and the cost of compiling, by client.
#[derive(Debug)]
pub(super) struct Results {
    root: Map<String, Value>,
}

/// One run of a program.
#[derive(Debug, Clone)]
pub(super) struct Run(Value);

/// A column of the tables.
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

impl Run {
    pub(super) fn new(outcome: Value) -> Self {
        Self(outcome)
    }
}

impl Results {
    pub(super) fn load() -> Result<Self> {
        let root = match fs::read_to_string(path()) {
            Ok(text) => serde_json::from_str(&text)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Map::new(),
            Err(error) => return Err(error.into()),
        };
        Ok(Self { root })
    }

    pub(super) fn store(&self) -> Result {
        // A line for each entry, so that a part that was measured anew is a small change.
        let entries: Result<Vec<String>> = self
            .root
            .iter()
            .map(|(name, value)| Ok(format!("{}: {value}", serde_json::to_string(name)?)))
            .collect();
        fs::write(path(), format!("{{\n{}\n}}\n", entries?.join(",\n")))?;
        Ok(())
    }

    /// Notes how the runs that follow are made.
    pub(super) fn describe(&mut self, command: &str, quick: bool) {
        let machine = machine();
        self.root.insert(
            "run".to_owned(),
            json!({ "command": command, "quick": quick, "machine": machine }),
        );
    }

    pub(super) fn is_described(&self) -> bool {
        self.root.contains_key("run")
    }

    pub(super) fn is_quick(&self) -> bool {
        self.root.get("run").and_then(|run| run.get("quick")) == Some(&Value::Bool(true))
    }

    /// A fact of the runs: `command` or `machine`.
    pub(super) fn fact(&self, name: &str) -> &str {
        let fact = self.root.get("run").and_then(|run| run.get(name));
        fact.and_then(Value::as_str).unwrap_or("unknown")
    }

    /// Drops what was measured of a workload before.
    pub(super) fn forget(&mut self, workload: Workload, threads: u8) {
        self.root.remove(&label(workload, threads));
    }

    pub(super) fn add(&mut self, workload: Workload, threads: u8, client: Client, run: Run) {
        let entry = self.root.entry(label(workload, threads));
        let runs = entry
            .or_insert_with(|| json!({}))
            .as_object_mut()
            .map(|clients| clients.entry(client.id).or_insert_with(|| json!([])));
        if let Some(Value::Array(runs)) = runs {
            runs.push(run.0);
        }
    }

    /// Notes what compiling a program with a client costs.
    pub(super) fn set_compile(&mut self, client: &str, cost: Value) {
        let entry = self.root.entry("compile").or_insert_with(|| json!({}));
        if let Value::Object(clients) = entry {
            clients.insert(client.to_owned(), cost);
        }
    }

    /// What compiling a program with a client costs, by the name of the cost.
    pub(super) fn compile(&self, client: &str, cost: &str) -> Option<f64> {
        self.root.get("compile")?.get(client)?.get(cost)?.as_f64()
    }

    /// The median of a client's runs.
    pub(super) fn median(
        &self,
        workload: Workload,
        threads: u8,
        client: Client,
        measure: Measure,
    ) -> Option<f64> {
        median(self.values(workload, threads, client, measure))
    }

    /// The peer whose median of CPU time is the lowest.
    pub(super) fn best_peer(&self, workload: Workload, threads: u8) -> Option<Client> {
        let peers = CLIENTS.into_iter().filter(|client| client.is_peer());
        let costs = peers.filter_map(|peer| {
            let cost = self.median(workload, threads, peer, Measure::Cpu)?;
            Some((peer, cost))
        });
        costs
            .min_by(|(_, one), (_, other)| one.total_cmp(other))
            .map(|(peer, _)| peer)
    }

    /// What a client takes of what another takes: the median over the rounds, each of which ran both.
    pub(super) fn ratio(
        &self,
        workload: Workload,
        threads: u8,
        (client, other): (Client, Client),
        measure: Measure,
    ) -> Option<f64> {
        let one = self.values(workload, threads, client, measure);
        let another = self.values(workload, threads, other, measure);
        median(
            one.into_iter()
                .zip(another)
                .map(|(one, other)| one / other)
                .collect(),
        )
    }

    fn values(
        &self,
        workload: Workload,
        threads: u8,
        client: Client,
        measure: Measure,
    ) -> Vec<f64> {
        let runs = self
            .root
            .get(&label(workload, threads))
            .and_then(|clients| clients.get(client.id))
            .and_then(Value::as_array);
        let values = runs.into_iter().flatten();
        values
            .filter_map(|run| run.get(measure.key())?.as_f64())
            .collect()
    }
}

fn path() -> PathBuf {
    cargo::workspace().join("benches/results.json")
}

fn label(workload: Workload, threads: u8) -> String {
    format!("{} {} threads:{threads}", workload.name, workload.size)
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

/// The machine, as far as the figures depend on it.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let model = fs::read_to_string("/proc/cpuinfo").ok();
    let model = model
        .as_deref()
        .and_then(|text| {
            text.lines()
                .find_map(|line| line.strip_prefix("model name"))
        })
        .map_or(std::env::consts::ARCH, |name| {
            name.trim_start_matches([' ', '\t', ':'])
        });
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{cores} cores, {model}, {} {}",
        std::env::consts::OS,
        kernel.trim()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::plan::workloads;

    #[test]
    fn a_median_is_the_middle_or_between_the_two_middle_ones() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let mut results = Results { root: Map::new() };
        let [typedis, redis, rustis, ..] = CLIENTS;
        let workload = workloads()[0];
        // The machine was twice as slow in the second round.
        for (ours, theirs, others) in [(1.0, 4.0, 5.0), (2.0, 8.0, 10.0), (1.0, 4.0, 5.0)] {
            for (client, cost) in [(typedis, ours), (redis, theirs), (rustis, others)] {
                results.add(workload, 1, client, Run(json!({ "cpu_ns": cost })));
            }
        }
        let best = results.best_peer(workload, 1).unwrap();
        assert_eq!(best.id, redis.id);
        let ratio = results.ratio(workload, 1, (typedis, best), Measure::Cpu);
        assert_eq!(ratio, Some(0.25));
        results.forget(workload, 1);
        assert!(results.best_peer(workload, 1).is_none());
    }
}
