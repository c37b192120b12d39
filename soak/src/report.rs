//! The tables at the end, in Markdown.

use std::fmt::Write as _;
use std::time::Duration;

use crate::samples::Usage;
use crate::tally::{Counts, Rule};

/// What a run was.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) seed: u64,
    pub(crate) time: Duration,
    pub(crate) rests: u64,
    pub(crate) counts: Counts,
    /// After the first rest, and at the end, before the handles are closed.
    pub(crate) usage: [Usage; 2],
}

impl Run {
    /// How often rules were broken.
    pub(crate) fn broken(&self) -> u64 {
        self.counts.broken.values().sum()
    }

    /// All tables.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        self.summary(&mut text);
        let counts = &self.counts;
        table(&mut text, "commands by load", counts.operations.iter());
        table(&mut text, "faults", counts.faults.iter());
        let refused = counts.refused.iter();
        let times = refused.map(|(name, refused)| (name, &refused.times));
        table(&mut text, "faults that were refused", times);
        table(&mut text, "errors", counts.errors.iter());
        text.push_str("\nthe first error of each kind:\n\n");
        for (kind, example) in &counts.examples {
            // Writing to a string does not fail, here and below.
            let _ = writeln!(text, "- {kind}: {example}");
        }
        for (name, refused) in &counts.refused {
            let _ = writeln!(text, "- refused, {name}: {}", refused.first);
        }
        if !counts.texts.is_empty() {
            text.push_str("\nbroken rules:\n\n");
            for line in &counts.texts {
                let _ = writeln!(text, "- {line}");
            }
        }
        text
    }

    fn summary(&self, text: &mut String) {
        let Self { counts, usage, .. } = self;
        let seconds = self.time.as_secs_f64();
        let faults: u64 = counts.faults.values().sum();
        let errors: u64 = counts.errors.values().sum();
        let rate = counts.commands() as f64 / seconds.max(1.0);
        let mut row = |name: &str, value: String| {
            let _ = writeln!(text, "| {name} | {value} |");
        };
        row("seed", self.seed.to_string());
        row("---", "---:".to_owned());
        row("minutes", format!("{:.1}", seconds / 60.0));
        row(
            "commands",
            format!("{} ({rate:.0} a second)", counts.commands()),
        );
        row("faults", faults.to_string());
        row(
            "rests in which everything was compared",
            self.rests.to_string(),
        );
        row("errors that callers got", errors.to_string());
        row("calls that callers dropped", counts.dropped.to_string());
        row("commands of unknown outcome", counts.unsure.to_string());
        row(
            "gaps that subscribers were told of",
            counts.gaps.to_string(),
        );
        row(
            "writes that an older, repeated one undid",
            counts.older.to_string(),
        );
        row(
            "longest call",
            format!("{:.1} s", counts.longest.as_secs_f64()),
        );
        for rule in Rule::ALL {
            row(rule.name(), counts.broken(rule).to_string());
        }
        let [first, last] = usage;
        let mebibytes = |usage: &Usage| usage.memory as f64 / f64::from(1 << 20);
        row(
            "memory",
            format!("{:.1} MiB → {:.1} MiB", mebibytes(first), mebibytes(last)),
        );
        row(
            "descriptors",
            format!("{} → {}", first.descriptors, last.descriptors),
        );
        row("tasks", format!("{} → {}", first.tasks, last.tasks));
    }
}

fn table<'c>(
    text: &mut String,
    title: &str,
    rows: impl Iterator<Item = (impl AsRef<str> + 'c, &'c u64)>,
) {
    let _ = writeln!(text, "\n| {title} | |\n| --- | ---: |");
    for (name, count) in rows {
        let _ = writeln!(text, "| {} | {count} |", name.as_ref());
    }
}
