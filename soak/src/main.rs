//! Hours of checked load on real servers that fail: `cargo xtask soak` builds and starts this.
//!
//! # Layout
//!
//! - `world`, `front`: the servers, and the proxies before them
//! - `faults`: what is done to them
//! - `handles`: the handles of the library under load, and which load each has
//! - `load`: the parts of the load, which check what comes back
//! - `rhythm`: work, and rests in which everything is compared
//! - `calls`, `stalls`: one call, its deadline and what is known after it
//! - `samples`, `tally`, `report`: what is measured and counted

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{panic, thread};

use tokio::runtime::{Builder, Runtime};

mod calls;
mod faults;
#[cfg(feature = "tls")]
mod front;
mod handles;
mod load;
mod report;
mod rhythm;
mod samples;
mod stalls;
mod tally;
mod world;

use faults::Fault;
use handles::Opened;
use load::Works;
use report::Run;
use samples::{Samples, Usage};
use tally::{Rule, Tally};
use world::World;

/// The result of a function here. An error is a sentence that `main` prints.
type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// The time between two rests.
const ROUND: Duration = Duration::from_secs(60);

/// After the last fault, requests that were held back somewhere arrive within this time.
const SETTLING: Duration = Duration::from_secs(3);

/// How long tasks and sockets may take to go away after their handles were closed.
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// What the command line asks for.
#[derive(Debug)]
struct Order {
    time: Duration,
    seed: u64,
    /// The folder for `samples.csv` and `report.md`.
    out: PathBuf,
}

fn main() -> ExitCode {
    match order().and_then(|order| soak(&order)) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(broken) => {
            eprintln!("rules were broken {broken} times");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn order() -> Result<Order> {
    use lexopt::prelude::*;
    let mut order = Order {
        time: Duration::from_secs(3_600),
        seed: fastrand::u64(..1_000_000),
        out: PathBuf::from("target/soak"),
    };
    let mut words = lexopt::Parser::from_env();
    while let Some(word) = words.next()? {
        match word {
            Long("minutes") => order.time = minutes(words.value()?.parse()?)?,
            Long("seed") => order.seed = words.value()?.parse()?,
            Long("out") => order.out = words.value()?.into(),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(order)
}

/// A time of more than nothing, and of a year at most.
fn minutes(number: f64) -> Result<Duration> {
    const YEAR: Duration = Duration::from_secs(366 * 24 * 3600);
    let time = Duration::try_from_secs_f64(number * 60.0)
        .map_err(|error| format!("--minutes {number}: {error}"))?;
    if time.is_zero() {
        return Err("--minutes needs more than 0".into());
    }
    Ok(time.min(YEAR))
}

/// Has each panic break a rule, wherever it is: also in tasks of the library, which nobody waits for.
fn watch_for_panics(tally: &Arc<Tally>) {
    let (tally, usual) = (Arc::clone(tally), panic::take_hook());
    panic::set_hook(Box::new(move |info| {
        usual(info);
        tally.broke(Rule::Panicked, info);
    }));
}

/// Runs as long as ordered; returns how often rules were broken.
fn soak(order: &Order) -> Result<u64> {
    std::fs::create_dir_all(&order.out)?;
    println!("seed {}, {:?}", order.seed, order.time);
    // The proxies have a runtime of their own, so that only tasks of the clients are counted.
    let proxies = runtime(1)?;
    let clients = runtime(2)?;
    let world = World::start(proxies.handle())?;
    let tally = Arc::new(Tally::default());
    watch_for_panics(&tally);
    let mut works = {
        let _inside = clients.enter();
        Works::new(&tally)
    };
    let opened = clients.block_on(handles::open(&world, &mut works))?;
    let (here, there) = (proxies.handle(), clients.handle());
    let samples = Samples::start(&order.out.join("samples.csv"), here, there, &tally)?;
    let begin = Instant::now();
    rest(&world, &clients, &mut works)?;
    let first = Usage::now(clients.handle())?;
    let rests = 1 + rounds(order, &world, &clients, &mut works)?;
    let last = Usage::now(clients.handle())?;
    samples.stop();
    end(&clients, works, opened, &tally)?;
    let run = Run {
        seed: order.seed,
        time: begin.elapsed(),
        rests,
        counts: tally.now(),
        usage: [first, last],
    };
    let text = run.text();
    println!("\n{text}");
    std::fs::write(order.out.join("report.md"), text)?;
    Ok(run.broken())
}

fn runtime(threads: usize) -> std::io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
}

/// Work with faults, then a rest, until the time is over; returns how many rests there were.
fn rounds(order: &Order, world: &World, clients: &Runtime, works: &mut Works) -> Result<u64> {
    let end = Instant::now() + order.time;
    let mut random = fastrand::Rng::with_seed(order.seed);
    let mut rests = 0;
    while Instant::now() < end {
        let round = (Instant::now() + ROUND).min(end);
        while Instant::now() < round {
            Fault::any(&mut random).happen(world, &works.tally, &mut random);
            thread::sleep(Duration::from_millis(random.u64(200..3_000)));
        }
        rest(world, clients, works)?;
        rests += 1;
        let counts = works.tally.now();
        let broken: u64 = counts.broken.values().sum();
        let memory = Usage::now(clients.handle())?.memory >> 20;
        println!(
            "{} commands, {} faults, {broken} broken rules, {memory} MiB",
            counts.commands(),
            counts.faults.values().sum::<u64>()
        );
    }
    Ok(rests)
}

/// Ends all faults, stops the load, compares everything, and goes on.
fn rest(world: &World, clients: &Runtime, works: &mut Works) -> Result {
    world.settle()?;
    thread::sleep(SETTLING);
    clients.block_on(async {
        let rhythm = Arc::clone(&works.rhythm);
        let _still = rhythm.rest().await;
        works.check_all().await;
    });
    for end in works.ended() {
        works.tally.broke(Rule::Panicked, end);
    }
    Ok(())
}

/// Closes everything, and checks that nothing is left.
fn end(clients: &Runtime, works: Works, opened: Opened, tally: &Tally) -> Result {
    clients.block_on(async {
        works.stop().await;
        opened.close().await;
    });
    let end = Instant::now() + GONE_WITHIN;
    loop {
        let left = clients.metrics().num_alive_tasks();
        if left == 0 {
            return Ok(());
        }
        if Instant::now() > end {
            tally.broke(
                Rule::NotRecovered,
                format!("{left} tasks are left at the end"),
            );
            return Ok(());
        }
        thread::sleep(Duration::from_millis(100));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_panic_in_any_task_breaks_a_rule() {
        let tally = Arc::new(Tally::default());
        watch_for_panics(&tally);
        let clients = runtime(1).unwrap();
        // As one of the library: it belongs to no load, and is not waited for.
        let task = clients.spawn(async { panic!("of a task that nobody knows") });
        while !task.is_finished() {
            thread::yield_now();
        }
        let counts = tally.now();
        let is_told = |text: &&String| text.contains("of a task that nobody knows");
        assert_eq!(counts.texts.iter().filter(is_told).count(), 1);
        assert!(counts.broken(Rule::Panicked) >= 1);
    }

    #[test]
    fn minutes_are_a_time() {
        assert_eq!(minutes(0.5).unwrap(), Duration::from_secs(30));
        assert!(minutes(1e15).unwrap() < Duration::from_secs(1 << 32));
        for number in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(minutes(number).is_err(), "{number}");
        }
    }
}
