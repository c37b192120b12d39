//! The results: [`Results`], kept in `benches/results.json`, so that a part can be measured again.
//!
//! `compare` computes medians and ratios from them.

use std::fs;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::plan::{Client, Workload, workloads};
use crate::{Result, cargo};

/// All runs, by workload, number of threads and client; and the cost of compiling, by client.
#[derive(Debug)]
pub(super) struct Results {
    root: Map<String, Value>,
}

/// In a run: the start time of the call of this tool that made it.
pub(super) const SESSION: &str = "session";

/// In a run: why it failed.
const FAILED: &str = "failed";

/// One run of a program.
#[derive(Debug, Clone)]
pub(super) struct Run(Value);

impl Run {
    /// What a program printed, and in which call of this tool.
    pub(super) fn new(mut outcome: Value, session: u64) -> Self {
        if let Value::Object(outcome) = &mut outcome {
            outcome.insert(SESSION.to_owned(), json!(session));
        }
        Self(outcome)
    }

    /// A run that failed keeps its place among the rounds.
    pub(super) fn failed(reason: &str) -> Self {
        Self(json!({ FAILED: reason }))
    }
}

impl Results {
    #[cfg(test)]
    pub(super) fn empty() -> Self {
        Self { root: Map::new() }
    }

    pub(super) fn load() -> Result<Self> {
        let root = match fs::read_to_string(path()) {
            Ok(text) => serde_json::from_str(&text)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Map::new(),
            Err(error) => return Err(error.into()),
        };
        let mut results = Self { root };
        results.prune();
        Ok(results)
    }

    /// Drops entries that are not workloads any more.
    fn prune(&mut self) {
        let labels: Vec<String> = workloads()
            .into_iter()
            .flat_map(|workload| [1, 2].map(|threads| workload.label(threads)))
            .collect();
        self.root
            .retain(|name, _| !name.contains(" threads:") || labels.contains(name));
    }

    pub(super) fn store(&self) -> Result {
        // One line for each entry, so that measuring a part again is a small change in the file.
        let entries: Result<Vec<String>> = self
            .root
            .iter()
            .map(|(name, value)| Ok(format!("{}: {value}", serde_json::to_string(name)?)))
            .collect();
        fs::write(path(), format!("{{\n{}\n}}\n", entries?.join(",\n")))?;
        Ok(())
    }

    /// Notes how the next runs are made.
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

    /// Notes something about the runs: how TLS was served.
    pub(super) fn note(&mut self, name: &str, text: &str) {
        let notes = self.root.entry("notes").or_insert_with(|| json!({}));
        if let Value::Object(notes) = notes {
            notes.insert(name.to_owned(), json!(text));
        }
    }

    /// A note.
    pub(super) fn noted(&self, name: &str) -> Option<&str> {
        self.root.get("notes")?.get(name)?.as_str()
    }

    /// Drops earlier results for a client and a workload.
    pub(super) fn forget(&mut self, workload: Workload, threads: u8, client: Client) {
        let entry = self.root.get_mut(&workload.label(threads));
        if let Some(Value::Object(clients)) = entry {
            clients.remove(client.id);
        }
    }

    pub(super) fn add(&mut self, workload: Workload, threads: u8, client: Client, run: Run) {
        let entry = self.root.entry(workload.label(threads));
        let runs = entry
            .or_insert_with(|| json!({}))
            .as_object_mut()
            .map(|clients| clients.entry(client.id).or_insert_with(|| json!([])));
        if let Some(Value::Array(runs)) = runs {
            runs.push(run.0);
        }
    }

    /// Notes the cost of compiling a program with a client.
    pub(super) fn set_compile(&mut self, client: &str, cost: Value) {
        let entry = self.root.entry("compile").or_insert_with(|| json!({}));
        if let Value::Object(clients) = entry {
            clients.insert(client.to_owned(), cost);
        }
    }

    /// The cost of compiling a program with a client, by the name of the cost.
    pub(super) fn compile(&self, client: &str, cost: &str) -> Option<f64> {
        self.root.get("compile")?.get(client)?.get(cost)?.as_f64()
    }

    /// The outcomes of a client's runs, in the order of the rounds; null for a round in which it failed.
    pub(super) fn runs(&self, workload: Workload, threads: u8, client: Client) -> &[Value] {
        self.root
            .get(&workload.label(threads))
            .and_then(|clients| clients.get(client.id))
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice)
    }

    /// Why a client has no results: the text of its first failure.
    pub(super) fn failure(&self, workload: Workload, threads: u8, client: Client) -> Option<&str> {
        let runs = self.runs(workload, threads, client);
        runs.iter()
            .find_map(|run| run.get(FAILED).and_then(Value::as_str))
    }
}

fn path() -> PathBuf {
    cargo::workspace().join("benches/results.json")
}

/// The machine, as far as the results depend on it.
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
    use crate::bench::plan::CLIENTS;

    #[test]
    fn one_client_is_measured_anew_and_the_others_stay() {
        let mut results = Results::empty();
        let [typedis, other, ..] = CLIENTS;
        let workload = workloads()[0];
        for client in [typedis, other] {
            results.add(workload, 1, client, Run::new(json!({ "cpu_ns": 1 }), 7));
        }
        results.forget(workload, 1, typedis);
        assert!(results.runs(workload, 1, typedis).is_empty());
        assert_eq!(results.runs(workload, 1, other).len(), 1);
    }

    #[test]
    fn a_failure_keeps_its_reason_and_its_round() {
        let mut results = Results::empty();
        let workload = workloads()[0];
        let client = CLIENTS[3];
        results.add(workload, 2, client, Run::new(json!({ "cpu_ns": 1 }), 7));
        results.add(workload, 2, client, Run::failed("it hangs"));
        assert_eq!(results.runs(workload, 2, client).len(), 2);
        assert_eq!(results.failure(workload, 2, client), Some("it hangs"));
        assert_eq!(results.failure(workload, 1, client), None);
    }
}
