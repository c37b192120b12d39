//! What a server prints: [`Log`] keeps the last lines and notices when the server is ready and when it ends.

use std::collections::VecDeque;
use std::io::{self, BufRead as _, BufReader};
use std::process::ChildStdout;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How many lines are kept.
const LINES: usize = 200;

/// A line with any of these means that the server accepts connections; the second is a sentinel's.
const READY: [&str; 2] = ["Ready to accept connections", "Sentinel ID is"];

/// The state of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Starting,
    Ready,
    Ended,
}

/// The log of a server, read by a separate thread until the server ends.
#[derive(Debug)]
pub(super) struct Log(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    content: Mutex<Content>,
    changed: Condvar,
}

#[derive(Debug)]
struct Content {
    lines: VecDeque<String>,
    state: State,
}

impl Log {
    /// Starts reading the output of a server.
    pub(super) fn read(output: ChildStdout) -> io::Result<Self> {
        let content = Content {
            lines: VecDeque::new(),
            state: State::Starting,
        };
        let shared = Arc::new(Shared {
            content: Mutex::new(content),
            changed: Condvar::new(),
        });
        let reader = Arc::clone(&shared);
        thread::Builder::new()
            .name("server log".to_owned())
            .spawn(move || reader.read_all(output))?;
        Ok(Self(shared))
    }

    /// Waits until the server is ready or has ended; [`State::Starting`] if neither happens in time.
    pub(super) fn wait(&self, limit: Duration) -> State {
        let content = self.0.lock();
        let waited = self
            .0
            .changed
            .wait_timeout_while(content, limit, |content| content.state == State::Starting);
        waited.unwrap_or_else(PoisonError::into_inner).0.state
    }

    /// How far it is.
    pub(super) fn state(&self) -> State {
        self.0.lock().state
    }

    /// The last lines.
    pub(super) fn text(&self) -> String {
        let content = self.0.lock();
        content
            .lines
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Whether one of the last lines contains `text`.
    pub(super) fn contains(&self, text: &str) -> bool {
        self.0.lock().lines.iter().any(|line| line.contains(text))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_all(&self, output: ChildStdout) {
        for line in BufReader::new(output).split(b'\n') {
            let Ok(line) = line else { break };
            self.add(String::from_utf8_lossy(&line).trim_end().to_owned());
        }
        self.enter(State::Ended);
    }

    fn add(&self, line: String) {
        let ready = READY.iter().any(|text| line.contains(text));
        let mut content = self.lock();
        if content.lines.len() == LINES {
            content.lines.pop_front();
        }
        content.lines.push_back(line);
        drop(content);
        if ready {
            self.enter(State::Ready);
        }
    }

    fn enter(&self, state: State) {
        self.lock().state = state;
        self.changed.notify_all();
    }
}
