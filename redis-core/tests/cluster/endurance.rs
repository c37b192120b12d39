//! Much load of every kind, which checks itself, while failovers and moves of slots repeat.
//!
//! `TYPEDIS_OPERATIONS=1000000` does a million operations; as many as a normal run of the tests allows are done otherwise. The
//! figures are printed (`--nocapture`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use typedis_core::cluster::{Cluster, slot};
use typedis_core::{CommandInfo, Request, RequestPolicy, ResponsePolicy, Result, Run, raw};
use typedis_testkit::{Cluster as Servers, ServerKind};

use crate::load::{Load, Progress, Tally};
use crate::support::*;

const TASKS: usize = 64;
/// How many operations are done if the environment does not say so.
const FEW: u64 = 6_000;

static INCR: CommandInfo = CommandInfo::new("INCR", b"$4\r\nINCR\r\n", 1);
static SET: CommandInfo = CommandInfo::new("SET", b"$3\r\nSET\r\n", 1).idempotent();
static MGET: CommandInfo = CommandInfo::new("MGET", b"$4\r\nMGET\r\n", 1)
    .readonly()
    .policies(RequestPolicy::MultiShard, ResponsePolicy::Default);
static DBSIZE: CommandInfo = CommandInfo::new("DBSIZE", b"$6\r\nDBSIZE\r\n", 1)
    .readonly()
    .policies(RequestPolicy::AllShards, ResponsePolicy::AggSum);

fn operations() -> u64 {
    let told = std::env::var("TYPEDIS_OPERATIONS");
    told.map_or(FEW, |text| text.parse().unwrap())
}

/// What can be done to a cluster meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    FailoverAskedFor,
    PrimaryKilled,
    SlotMoved,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_is_done_on_valkey_9_while_failovers_and_moves_repeat_is_right() {
    endure(ServerKind::Valkey9).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_is_done_on_redis_8_while_failovers_and_moves_repeat_is_right() {
    endure(ServerKind::Redis8).await;
}

async fn endure(kind: ServerKind) {
    let servers = start_steady(kind, 1).await;
    let cluster = open(&servers).await;
    let (begun, goal) = (Instant::now(), operations());
    // After a primary was killed, what it had confirmed but not passed on is gone. From then on a value may be too small, never
    // too large.
    let lossy = Arc::new(AtomicBool::new(false));
    let load = Load::start(TASKS, |task, progress| {
        Worker::new(cluster.clone(), task, lossy.clone()).run(progress)
    });
    let mut changes: BTreeMap<Change, u32> = BTreeMap::new();
    for round in 0_u16.. {
        // In the first half nothing may be lost.
        let is_second_half = round >= 4 && load.done() >= goal / 2;
        let next = match round % 4 {
            3 if is_second_half => Change::PrimaryKilled,
            1 | 3 => Change::FailoverAskedFor,
            _ => Change::SlotMoved,
        };
        if next == Change::PrimaryKilled {
            lossy.store(true, Ordering::SeqCst);
        }
        change_agreed(&servers, move |servers| carry_out(next, round, servers)).await;
        *changes.entry(next).or_default() += 1;
        // At least one of each kind, also in a short run.
        if load.done() >= goal && changes.len() == 3 {
            break;
        }
        load.pass(500).await;
    }
    let done = load.done();
    let mut all = Told::default();
    for told in load.finish().await {
        for (key, tally) in &told.counters {
            let value = soon("a last read", cluster.run(get(key))).await.unwrap();
            tally.check(key, value, false);
        }
        all.add(&told);
    }
    println!(
        "{kind}: {done} operations of {TASKS} tasks in {:.0} s, {changes:?}: {} counts told, {} of an unknown outcome, \
         0 wrong, 0 twice, 0 errors of what may be repeated; the longest took {:.1} s; {} values were lost by servers",
        begun.elapsed().as_secs_f64(),
        all.tally().told,
        all.tally().maybe,
        all.longest.as_secs_f64(),
        all.lost,
    );
}

/// Changes the cluster around slots that the load uses.
fn carry_out(change: Change, round: u16, servers: &Servers) {
    // The slot that many keys share, and others.
    let slot = if round.is_multiple_of(3) {
        slot("t")
    } else {
        slot(format!("k{round}"))
    };
    match change {
        Change::FailoverAskedFor => servers.fail_over(slot).unwrap(),
        Change::SlotMoved => servers.move_slot_elsewhere(slot).unwrap(),
        Change::PrimaryKilled => {
            let heir = servers.replica_of_owner(slot).unwrap();
            let_replicas_take_over(servers);
            servers.owner_of(slot).unwrap().server().kill().unwrap();
            heir.wait_until_primary().unwrap();
            servers.restart_the_dead().unwrap();
        }
    }
}

/// What a task found out.
#[derive(Debug, Default)]
struct Told {
    counters: BTreeMap<String, Tally>,
    /// Values that were older than what was written, which a server may have lost.
    lost: u64,
    longest: Duration,
}

impl Told {
    fn tally(&self) -> Tally {
        self.counters.values().copied().sum()
    }

    fn add(&mut self, other: &Self) {
        let sum = [self.tally(), other.tally()].into_iter().sum();
        self.counters = [("all".to_owned(), sum)].into();
        self.lost += other.lost;
        self.longest = self.longest.max(other.longest);
    }
}

/// One task, with keys of its own.
struct Worker {
    cluster: Cluster,
    task: usize,
    lossy: Arc<AtomicBool>,
    told: Told,
    /// What was written last to each key with a value.
    values: BTreeMap<String, u64>,
    /// What was last put into the list, and taken from it.
    pushed: u64,
    popped: u64,
}

impl Worker {
    fn new(cluster: Cluster, task: usize, lossy: Arc<AtomicBool>) -> Self {
        Self {
            cluster,
            task,
            lossy,
            told: Told::default(),
            values: BTreeMap::new(),
            pushed: 0,
            popped: 0,
        }
    }

    async fn run(mut self, progress: Progress) -> Told {
        for round in 0.. {
            if !progress.goes_on() {
                break;
            }
            let before = Instant::now();
            let done = soon("an operation", self.step(round)).await;
            progress.add(done.unwrap());
            self.told.longest = self.told.longest.max(before.elapsed());
        }
        self.told
    }

    /// One step; returns of how many commands it consisted. An error is one that must not be.
    async fn step(&mut self, round: u64) -> Result<u64> {
        match round % 8 {
            0 | 1 => self.count(round).await,
            2 => self.write_and_read(round).await,
            3 => self.read_many().await,
            4 => self.pipeline(round).await,
            5 => self.transaction().await,
            6 => self.list().await,
            _ => self.whole_cluster().await,
        }
    }

    /// A key of this task; every other has the slot that moves most.
    fn key(&self, name: &str, number: u64) -> String {
        if number.is_multiple_of(2) {
            format!("{{t}}{name}{}.{number}", self.task)
        } else {
            format!("{name}{}.{number}", self.task)
        }
    }

    fn tally(&mut self, key: &str) -> &mut Tally {
        self.told.counters.entry(key.to_owned()).or_default()
    }

    /// Checks a number that was read of a counter.
    fn check_number(&mut self, key: &str, number: i64) {
        let lossy = self.lossy.load(Ordering::SeqCst);
        let tally = *self.tally(key);
        tally.check(key, Some(number.to_string()), !lossy);
    }

    async fn count(&mut self, round: u64) -> Result<u64> {
        let key = self.key("counter", round % 4);
        let outcome = self.cluster.run(incr(&key)).await;
        if let Some(number) = self.tally(&key).note(outcome)? {
            self.check_number(&key, number);
        }
        Ok(1)
    }

    async fn write_and_read(&mut self, round: u64) -> Result<u64> {
        let key = self.key("value", round % 16);
        let write: Request<&Cluster, ()> = Request::new(&self.cluster, &SET, |args| {
            args.key("key", &key);
            args.arg("value", &round);
        });
        write.await?;
        self.values.insert(key.clone(), round);
        let value = self.cluster.run(get(&key)).await?;
        self.check_value(&key, value);
        Ok(2)
    }

    /// Checks what was read of a value of this task.
    fn check_value(&mut self, key: &str, value: Option<String>) {
        let Some(expected) = self.values.get(key) else {
            return assert_eq!(value, None, "{key}");
        };
        let value = value.map(|value| value.parse::<u64>().unwrap());
        if value == Some(*expected) {
            return;
        }
        let is_older = value.is_none_or(|value| value < *expected);
        let lossy = self.lossy.load(Ordering::SeqCst);
        assert!(lossy && is_older, "{key} is {value:?}, not {expected}");
        self.told.lost += 1;
    }

    async fn read_many(&mut self) -> Result<u64> {
        let keys: Vec<String> = (0..16).map(|number| self.key("value", number)).collect();
        let read: Request<&Cluster, Vec<Option<String>>> =
            Request::new(&self.cluster, &MGET, |args| args.keys("key", &keys));
        let values = read.await?;
        assert_eq!(values.len(), keys.len());
        for (key, value) in keys.iter().zip(values) {
            self.check_value(key, value);
        }
        Ok(1)
    }

    async fn pipeline(&mut self, round: u64) -> Result<u64> {
        let keys: Vec<String> = (0..8).map(|number| self.key("piped", number)).collect();
        let counts = self.cluster.pipeline_each(&keys, |once, key| {
            let count: Request<_, i64> = Request::new(once, &INCR, |args| args.key("key", key));
            count.attempt()
        });
        for (key, outcome) in keys.iter().zip(counts.await?) {
            if let Some(number) = self.tally(key).note(outcome)? {
                self.check_number(key, number);
            }
        }
        let key = self.key("value", round % 16);
        let reads = self.cluster.pipeline().run(get(&key)).run(get(&keys[0]));
        let (value, _) = reads.await?;
        self.check_value(&key, value);
        Ok(10)
    }

    async fn transaction(&mut self) -> Result<u64> {
        let (one, other) = (self.key("{t}one", 1), self.key("{t}other", 1));
        let pair = self.cluster.transaction().run(incr(&one)).run(incr(&other));
        let outcome = pair.await;
        if let Some((a, b)) = self.tally(&one).note(outcome)? {
            assert_eq!(a, b, "a transaction was half done");
            self.check_number(&one, a);
        }
        Ok(2)
    }

    /// Puts a number into a list and takes one out again: none comes twice, and in the order in which they were put in.
    async fn list(&mut self) -> Result<u64> {
        let key = self.key("list", 0);
        self.pushed += 1;
        let push = raw("RPUSH").key(&key).arg(self.pushed).reply::<i64>();
        Tally::default().note(self.cluster.run(push).await)?;
        let pop = raw("LPOP").key(&key).reply::<Option<u64>>();
        let popped = Tally::default().note(self.cluster.run(pop).await)?;
        if let Some(popped) = popped.flatten() {
            let lossy = self.lossy.load(Ordering::SeqCst);
            let is_next = popped > self.popped || lossy;
            assert!(
                is_next && popped <= self.pushed,
                "{popped} after {}",
                self.popped
            );
            self.popped = popped;
        }
        Ok(2)
    }

    async fn whole_cluster(&mut self) -> Result<u64> {
        let size: Request<&Cluster, i64> = Request::new(&self.cluster, &DBSIZE, |_| {});
        assert!(size.await? > 0);
        Ok(1)
    }
}
