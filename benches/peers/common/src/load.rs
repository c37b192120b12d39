//! Many tasks that repeat an operation for a while, or a number of times: [`Load`].

use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::meter::{Latencies, Meter, SAMPLE};
use crate::operation::Operation;
use crate::until::Until;
use crate::{Arguments, Flavour, Outcome, Result};

/// Tasks that share a client and repeat an operation.
#[derive(Debug, Clone)]
pub struct Load<O> {
    /// How many tasks.
    pub tasks: usize,
    /// What they do.
    pub operation: O,
    /// Whether every operation is timed, because each takes long.
    pub is_slow: bool,
}

/// How long before the measurement the tasks run.
const WARM_UP: Duration = Duration::from_millis(60);

/// So many times a task repeats a quick operation while allocations are counted; twice that in the second count.
const COUNTED: u64 = 40;

/// An operation that takes longer is done only a few times for it.
const LONG: Duration = Duration::from_millis(20);

#[derive(Debug, Default)]
struct Tally {
    operations: u64,
    latencies: Latencies,
}

impl<O: Operation> Load<O> {
    /// Warms up, measures, and on a one-thread runtime counts allocations.
    pub fn measure(&self, runtime: &Runtime, arguments: &Arguments) -> Result<Outcome> {
        runtime.block_on(self.run(Until::time(WARM_UP)?))?;
        let until = Until::measured(arguments)?;
        let meter = Meter::start()?;
        let mut tally = runtime.block_on(self.run(until))?;
        let mut outcome = meter.stop(tally.operations)?;
        outcome.p50 = tally.latencies.quantile(0.5);
        outcome.p99 = tally.latencies.quantile(0.99);
        if arguments.flavour == Flavour::OneThread {
            let takes_long = outcome.p50 > Some(LONG);
            outcome.allocations = Some(self.count_allocations(runtime, takes_long)?);
        }
        Ok(outcome)
    }

    /// Allocations per operation: the difference of two counts, so that what starting the tasks costs cancels out.
    fn count_allocations(&self, runtime: &Runtime, takes_long: bool) -> Result<f64> {
        let times = match (takes_long, self.is_slow) {
            (true, _) => 1,
            (false, true) => 3,
            (false, false) => COUNTED,
        };
        let (once, _) = self.count(runtime, times)?;
        let (twice, more) = self.count(runtime, 2 * times)?;
        Ok((twice as f64 - once as f64) / (more / 2).max(1) as f64)
    }

    fn count(&self, runtime: &Runtime, times: u64) -> Result<(u64, u64)> {
        let mut tally = Ok(Tally::default());
        let info = allocation_counter::measure(|| {
            tally = runtime.block_on(self.run(Until::times(times)));
        });
        Ok((info.count_total, tally?.operations))
    }

    async fn run(&self, until: Until) -> Result<Tally> {
        let mut tasks = JoinSet::new();
        for number in 0..self.tasks {
            tasks.spawn(repeat(
                self.operation.clone(),
                number as u64,
                until.clone(),
                if self.is_slow { 1 } else { SAMPLE },
                Latencies::of_one_of(self.tasks),
            ));
        }
        let mut all = Tally::default();
        while let Some(tally) = tasks.join_next().await {
            let tally = tally??;
            all.operations += tally.operations;
            all.latencies.append(tally.latencies);
        }
        Ok(all)
    }
}

async fn repeat<O: Operation>(
    mut operation: O,
    task: u64,
    until: Until,
    sample: u64,
    latencies: Latencies,
) -> Result<Tally> {
    let mut tally = Tally {
        operations: 0,
        latencies,
    };
    // Tasks begin at different keys and are timed at different turns.
    let mut turn = task.wrapping_mul(7919);
    while !until.holds(tally.operations) {
        if turn.is_multiple_of(sample) {
            let start = Instant::now();
            operation.run(turn).await?;
            tally.latencies.record(start.elapsed());
        } else {
            operation.run(turn).await?;
        }
        turn = turn.wrapping_add(1);
        tally.operations += 1;
    }
    Ok(tally)
}
