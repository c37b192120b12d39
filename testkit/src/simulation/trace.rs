//! What happened in a world: [`Trace`].

use std::collections::VecDeque;

use tokio::time::Instant;

use super::random::Fingerprint;

/// The events of a world, as a sum, and as lines if they were asked for.
#[derive(Debug)]
pub(crate) struct Trace {
    start: Instant,
    sum: Fingerprint,
    lines: Option<VecDeque<String>>,
}

impl Trace {
    /// The most lines that are kept.
    const KEPT: usize = 20_000;

    pub(crate) fn new(with_lines: bool) -> Self {
        Self {
            start: Instant::now(),
            sum: Fingerprint::default(),
            lines: with_lines.then(VecDeque::new),
        }
    }

    /// Notes an event, which the two numbers and the moment tell from others.
    pub(crate) fn note(&mut self, a: u64, b: u64, text: impl FnOnce() -> String) {
        let passed = self.start.elapsed();
        self.sum
            .add(u64::try_from(passed.as_micros()).unwrap_or(u64::MAX));
        self.sum.add(a);
        self.sum.add(b);
        if let Some(lines) = &mut self.lines {
            if lines.len() == Self::KEPT {
                lines.pop_front();
            }
            lines.push_back(format!("{:>9.3} s  {}", passed.as_secs_f64(), text()));
        }
    }

    pub(crate) fn sum(&self) -> u64 {
        self.sum.value()
    }

    pub(crate) fn take_lines(&mut self) -> Vec<String> {
        self.lines.take().unwrap_or_default().into()
    }
}
