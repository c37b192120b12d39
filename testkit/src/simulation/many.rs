//! Many seeds, on all cores: [`Many`].

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use typedis_core::planted::{Planted, plant};

use super::plan::Plan;
use super::planted::rules_of;
use super::run::run;
use super::violation::Violation;

/// Runs a range of seeds.
#[derive(Debug)]
pub struct Many {
    seeds: Range<u64>,
    threads: usize,
    /// The fault that is planted in the engine.
    fault: Option<Planted>,
    /// Whether it goes on after a failure.
    goes_on: bool,
}

/// A seed that broke a rule.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// The rule, and what happened.
    pub violation: Violation,
}

/// What came of many seeds.
#[derive(Debug, Clone)]
pub struct Report {
    /// How many seeds were run.
    pub seeds: u64,
    /// How long that took.
    pub time: Duration,
    /// The lowest seed that failed; with a fault, the lowest that shows it.
    pub failure: Option<Failure>,
    /// By rule, how many seeds broke it, and the lowest of them.
    pub rules: BTreeMap<&'static str, (u64, Failure)>,
}

/// A seed that needs longer than this, in real time, never ends.
const HANGS: Duration = Duration::from_secs(60);

/// What the threads share.
struct Shared {
    next: AtomicU64,
    done: AtomicU64,
    over: AtomicBool,
    rules: Mutex<BTreeMap<&'static str, (u64, Failure)>>,
    /// The seed of each thread, and when it began.
    running: Vec<Mutex<Option<(u64, Instant)>>>,
}

impl Many {
    /// These seeds, on as many threads as there are cores.
    #[must_use]
    pub fn new(seeds: Range<u64>) -> Self {
        Self {
            seeds,
            threads: thread::available_parallelism().map_or(1, usize::from),
            fault: None,
            goes_on: false,
        }
    }

    /// Goes on after a failure.
    #[must_use]
    pub fn going_on(mut self) -> Self {
        self.goes_on = true;
        self
    }

    /// On this many threads.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// With a fault in the engine, which the worlds have to find. Only the rules that it breaks by itself count as a failure.
    #[must_use]
    pub fn with_fault(mut self, fault: Planted) -> Self {
        self.fault = Some(fault);
        self
    }

    /// Runs them until one fails. `progress` is called now and then with the number of seeds that are done.
    #[must_use]
    pub fn run(&self, mut progress: impl FnMut(u64)) -> Report {
        let start = Instant::now();
        let shared = Shared {
            next: AtomicU64::new(self.seeds.start),
            done: AtomicU64::new(0),
            over: AtomicBool::new(false),
            rules: Mutex::default(),
            running: (0..self.threads).map(|_| Mutex::new(None)).collect(),
        };
        thread::scope(|scope| {
            let shared = &shared;
            let workers: Vec<_> = shared
                .running
                .iter()
                .map(|slot| scope.spawn(move || self.work(shared, slot)))
                .collect();
            while !workers.iter().all(thread::ScopedJoinHandle::is_finished) {
                thread::sleep(Duration::from_millis(20));
                progress(shared.done.load(Ordering::Relaxed));
                shared.check_for_hangs();
            }
        });
        let rules = std::mem::take(&mut *lock(&shared.rules));
        let failures = rules.values().map(|(_, failure)| failure);
        let failures = failures.filter(|failure| self.counts(failure));
        let failure = failures.min_by_key(|failure| failure.seed).cloned();
        Report {
            seeds: shared.done.load(Ordering::Relaxed),
            time: start.elapsed(),
            failure,
            rules,
        }
    }

    fn work(&self, shared: &Shared, slot: &Mutex<Option<(u64, Instant)>>) {
        plant(self.fault);
        while !shared.over.load(Ordering::Relaxed) {
            let seed = shared.next.fetch_add(1, Ordering::Relaxed);
            if seed >= self.seeds.end {
                return;
            }
            *lock(slot) = Some((seed, Instant::now()));
            let violation = self.broken_by(&Plan::of(seed));
            *lock(slot) = None;
            shared.done.fetch_add(1, Ordering::Relaxed);
            if let Some(violation) = violation {
                let failure = Failure { seed, violation };
                if self.counts(&failure) {
                    shared.over.store(!self.goes_on, Ordering::Relaxed);
                }
                shared.note(failure);
            }
        }
    }

    /// What a seed breaks. What it breaks without the fault as well is not the fault's.
    fn broken_by(&self, plan: &Plan) -> Option<Violation> {
        let violation = run(plan, false).violation?;
        if self.fault.is_none() {
            return Some(violation);
        }
        plant(None);
        let own = run(plan, false).violation;
        plant(self.fault);
        Some(own.map_or(violation, |own| Violation {
            rule: "without a fault, all rules hold",
            text: format!("{}: {}", own.rule, own.text),
        }))
    }

    /// Whether a failure is what was looked for.
    fn counts(&self, failure: &Failure) -> bool {
        let rule = failure.violation.rule;
        self.fault
            .is_none_or(|fault| rules_of(fault).contains(&rule))
    }
}

impl Shared {
    /// The lowest seed counts, so that the result does not depend on the threads.
    fn note(&self, failure: Failure) {
        let mut rules = lock(&self.rules);
        match rules.get_mut(failure.violation.rule) {
            Some((count, known)) => {
                *count += 1;
                if failure.seed < known.seed {
                    *known = failure;
                }
            }
            None => drop(rules.insert(failure.violation.rule, (1, failure))),
        }
    }

    /// A seed that does not end cannot be stopped: the process says which it is, and ends.
    fn check_for_hangs(&self) {
        for slot in &self.running {
            if let Some((seed, since)) = *lock(slot)
                && since.elapsed() > HANGS
            {
                eprintln!("seed {seed} did not end within {HANGS:?}: something runs for ever");
                std::process::exit(2);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
