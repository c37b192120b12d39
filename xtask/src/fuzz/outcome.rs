//! What a run of a target came to, read from the lines that libFuzzer prints.

use std::fmt;
use std::time::Duration;

/// The figures of one run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// How often the target was run.
    pub(super) executions: u64,
    /// How many edges of the code were reached by the inputs that the run began with, and at the end.
    pub(super) edges_at_start: u64,
    pub(super) edges: u64,
    /// How many inputs are kept, each of which reaches something that no other one does.
    pub(super) inputs: u64,
    pub(super) peak_memory_mib: u64,
    pub(super) time: Duration,
    /// The file of an input that breaks a rule, if one was found.
    pub(super) broken_by: Option<String>,
}

impl Outcome {
    /// Reads one line of libFuzzer.
    pub(super) fn read(&mut self, line: &str) {
        if let Some(count) = line.strip_prefix("stat::number_of_executed_units:") {
            self.executions = number(count);
        } else if let Some(size) = line.strip_prefix("stat::peak_rss_mb:") {
            self.peak_memory_mib = number(size);
        } else if let Some((_, path)) = line.split_once("Test unit written to ") {
            self.broken_by = Some(path.trim().to_owned());
        } else if line.starts_with('#') {
            self.read_progress(line);
        }
    }

    /// A line such as `#4096 NEW cov: 812 ft: 2045 corp: 311/12Kb lim: 90 exec/s: 0 rss: 42Mb L: 5/80 MS: 1 EraseBytes-`.
    fn read_progress(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let after = |name: &str| {
            let place = words.iter().position(|word| *word == name)?;
            words.get(place + 1).map(|word| number(word))
        };
        if let Some(edges) = after("cov:") {
            self.edges = edges;
            if words.get(1) == Some(&"INITED") {
                self.edges_at_start = edges;
            }
        }
        if let Some(inputs) = after("corp:") {
            self.inputs = inputs;
        }
        // Of a run that is broken off there are no final figures.
        self.executions = self.executions.max(number(line.trim_start_matches('#')));
    }
}

/// The number at the beginning of a text, or zero.
fn number(text: &str) -> u64 {
    let text = text.trim_start();
    let end = text.find(|letter: char| !letter.is_ascii_digit());
    let digits = end.map_or(Some(text), |end| text.get(..end));
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// The heading of a table of these.
pub(super) const HEADING: &str = "\
| target | minutes | executions | edges at start | edges | inputs | peak memory | broken |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |";

/// A row of the table, without the name.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.1} | {} | {} | {} | {} | {} MiB | {}",
            self.time.as_secs_f64() / 60.0,
            self.executions,
            self.edges_at_start,
            self.edges,
            self.inputs,
            self.peak_memory_mib,
            u8::from(self.broken_by.is_some()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_libfuzzer_are_read() {
        let mut outcome = Outcome::default();
        let lines = "INFO: Seed: 7\n\
            #1502\tINITED cov: 700 ft: 1803 corp: 268/12Kb exec/s: 0 rss: 40Mb\n\
            #4096\tNEW    cov: 812 ft: 2045 corp: 311/12Kb lim: 90 exec/s: 0 rss: 42Mb L: 5/80 MS: 1 EraseBytes-\n\
            #9000\tDONE   cov: 815 ft: 2060 corp: 320/13Kb lim: 90 exec/s: 900 rss: 45Mb\n\
            stat::number_of_executed_units: 9001\n\
            stat::peak_rss_mb:              46\n";
        lines.lines().for_each(|line| outcome.read(line));
        let expected = Outcome {
            executions: 9001,
            edges_at_start: 700,
            edges: 815,
            inputs: 320,
            peak_memory_mib: 46,
            ..Outcome::default()
        };
        assert_eq!(outcome, expected);
    }

    #[test]
    fn an_input_that_breaks_a_rule_is_named() {
        let mut outcome = Outcome::default();
        outcome.read("#77\tNEW    cov: 8 ft: 9 corp: 3/12b lim: 4 exec/s: 0 rss: 42Mb");
        outcome.read("artifact_prefix='a/'; Test unit written to a/crash-0123");
        assert_eq!(outcome.broken_by.as_deref(), Some("a/crash-0123"));
        assert_eq!(outcome.executions, 77);
    }
}
