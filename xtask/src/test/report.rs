//! What the output of tests says: [`Report`].

use std::collections::BTreeSet;

/// What the test binaries of one run reported, added up.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) ignored: u64,
    /// The names of failed tests, if they could be read: `--nocapture` may break their lines.
    pub(super) failures: Vec<String>,
    /// Whether a test binary has begun and not ended.
    pub(super) is_in_binary: bool,
    /// The tests of this binary that have run for long and not ended.
    slow: BTreeSet<String>,
}

impl Report {
    /// Reads one line of the output of a test binary.
    pub(super) fn read(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            self.passed += count(counts, " passed");
            self.failed += count(counts, " failed");
            self.ignored += count(counts, " ignored");
            self.is_in_binary = false;
            self.slow.clear();
        } else if line.starts_with("running ") {
            self.is_in_binary = true;
        } else if let Some(test) = line.strip_prefix("test ") {
            self.read_test(test);
        }
    }

    fn read_test(&mut self, line: &str) {
        if let Some((name, _)) = line.split_once(" has been running for over ") {
            self.slow.insert(name.to_owned());
        } else if let Some((name, end)) = line.split_once(" ... ") {
            self.slow.remove(name);
            if end == "FAILED" {
                self.failures.push(name.to_owned());
            }
        }
    }

    /// Counts the tests that have not ended as failures: their binary is killed now. Returns their names.
    pub(super) fn give_up(&mut self) -> Vec<String> {
        self.is_in_binary = false;
        let hung: Vec<String> = std::mem::take(&mut self.slow).into_iter().collect();
        self.failed += hung.len().max(1) as u64;
        self.failures.extend(hung.iter().cloned());
        hung
    }
}

/// The number before a word, as in `ok. 5 passed; 0 failed; 1 ignored`.
fn count(line: &str, word: &str) -> u64 {
    let before = line.split_once(word).map_or("", |(before, _)| before);
    before
        .rsplit(' ')
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(output: &str) -> Report {
        let mut report = Report::default();
        output.lines().for_each(|line| report.read(line));
        report
    }

    #[test]
    fn the_output_of_tests_is_added_up() {
        let output = "running 3 tests\ntest a ... ok\ntest deep::b ... FAILED\ntest c ... ignored\n\
                      test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out\n\
                      test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n";
        let expected = Report {
            passed: 13,
            failed: 1,
            ignored: 1,
            failures: vec!["deep::b".to_owned()],
            ..Report::default()
        };
        assert_eq!(report(output), expected);
    }

    #[test]
    fn tests_that_hang_are_failures_with_names() {
        let slow = |name| format!("test {name} has been running for over 60 seconds\n");
        let output = format!(
            "running 3 tests\n{}{}test a ... ok\n",
            slow("a"),
            slow("deep::b")
        );
        let mut report = report(&output);
        assert!(report.is_in_binary);
        assert_eq!(report.give_up(), ["deep::b"]);
        assert!(!report.is_in_binary);
        assert_eq!(
            (report.failed, report.failures),
            (1, vec!["deep::b".to_owned()])
        );
    }

    #[test]
    fn a_binary_that_hangs_is_a_failure_also_if_no_test_is_named() {
        let mut report = report("running 1 test\n");
        assert_eq!(report.give_up(), [""; 0]);
        assert_eq!(report.failed, 1);
    }
}
