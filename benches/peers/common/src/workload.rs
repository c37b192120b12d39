//! The workloads, by name.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::load::Load;
use crate::meter::Meter;
use crate::operation::{
    Get, GetBytes, Hgetall, Lrange, Mget, Mixed, Names, Operation, Pipeline, PoolGet, Set,
    SetBytes, Transaction,
};
use crate::until::Until;
use crate::{Arguments, Client, Commands, Outcome, Result};

/// How many small values there are.
const NAMES: usize = 1000;

/// How many commands a measurement of queued commands has at least.
const BURSTS: usize = 100_000;

/// How often it is repeated for that at most.
const TURNS: usize = 10_000;

/// Runs the workload that the arguments name.
pub fn run<C: Client>(arguments: &Arguments) -> Result<Outcome> {
    let runtime = arguments.flavour.runtime()?;
    if arguments.cluster {
        let client = runtime.block_on(C::Cluster::connect(&arguments.url))?;
        return shared(client, &runtime, arguments);
    }
    match arguments.workload.as_str() {
        "receive" => receive::<C>(&runtime, arguments),
        "scan" => scan::<C>(&runtime, arguments),
        "connect" => connect::<C>(&runtime, arguments),
        "idle" => idle::<C>(&runtime, arguments),
        "burst" => burst::<C>(&runtime, arguments),
        "lanes" => {
            let pool = runtime.block_on(C::connect_pool(&arguments.url, 4))?;
            quick(arguments.size, PoolGet::<C>(pool, names("small", NAMES)))
                .measure(&runtime, arguments)
        }
        _ => repeated::<C>(&runtime, arguments),
    }
}

/// The workloads of one connection that repeat an operation.
fn repeated<C: Client>(runtime: &Runtime, arguments: &Arguments) -> Result<Outcome> {
    let client = runtime.block_on(C::connect(&arguments.url))?;
    let size = arguments.size;
    match arguments.workload.as_str() {
        "transaction" => slow(Transaction(client, names("set", size))).measure(runtime, arguments),
        "get-bytes" => slow(GetBytes(client, size)).measure(runtime, arguments),
        "set-bytes" => {
            slow(SetBytes(client, Bytes::from(vec![b'x'; size]))).measure(runtime, arguments)
        }
        name @ ("lrange-strings" | "lrange-bytes") => slow(Lrange {
            client,
            elements: size,
            strings: name == "lrange-strings",
        })
        .measure(runtime, arguments),
        name @ ("hgetall-map" | "hgetall-struct") => slow(Hgetall {
            client,
            map: name == "hgetall-map",
        })
        .measure(runtime, arguments),
        _ => shared(client, runtime, arguments),
    }
}

/// The workloads that a cluster has as well.
fn shared<C: Commands>(client: C, runtime: &Runtime, arguments: &Arguments) -> Result<Outcome> {
    let size = arguments.size;
    match arguments.workload.as_str() {
        "get" => quick(size, Get(client, names("small", NAMES))).measure(runtime, arguments),
        "set" => quick(size, Set(client, names("set", NAMES))).measure(runtime, arguments),
        "mixed" => quick(size, mixed(client)).measure(runtime, arguments),
        "pipeline" => slow(Pipeline(client, names_cycled(size))).measure(runtime, arguments),
        "mget" => slow(Mget(client, names_cycled(size))).measure(runtime, arguments),
        other => Err(format!("there is no workload {other:?}").into()),
    }
}

fn quick<O: Operation>(tasks: usize, operation: O) -> Load<O> {
    Load {
        tasks,
        operation,
        is_slow: false,
    }
}

fn slow<O: Operation>(operation: O) -> Load<O> {
    Load {
        tasks: 1,
        operation,
        is_slow: true,
    }
}

fn mixed<C: Commands>(client: C) -> Mixed<C> {
    let sizes = [100, 250, 600, 1000, 1600, 2300, 3200, 4096];
    Mixed {
        client,
        names: names("mixed", NAMES),
        values: sizes.map(|size| "x".repeat(size)).into(),
    }
}

fn names(prefix: &str, count: usize) -> Names {
    (0..count)
        .map(|number| format!("{prefix}:{number:04}"))
        .collect()
}

/// As many names of small values as asked for, from the beginning again where there are fewer.
fn names_cycled(count: usize) -> Names {
    let names = names("small", NAMES);
    names.iter().cycle().take(count).cloned().collect()
}

/// Messages to one or several channels: measured from the subscription on to the last message.
fn receive<C: Client>(runtime: &Runtime, arguments: &Arguments) -> Result<Outcome> {
    let count = arguments.count;
    let channels: Vec<String> = channel_names(arguments.size);
    let meter = std::sync::Mutex::new(Meter::start()?);
    runtime.block_on(C::receive(&arguments.url, &channels, count, || {
        announce();
        if let (Ok(mut meter), Ok(start)) = (meter.lock(), Meter::start()) {
            *meter = start;
        }
    }))?;
    let meter = meter.into_inner()?;
    meter.stop(count)
}

/// The names of this many channels.
pub fn channel_names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("news:{number}")).collect()
}

/// Tells who started this program that it may publish.
pub fn announce() {
    println!("ready");
}

fn scan<C: Client>(runtime: &Runtime, arguments: &Arguments) -> Result<Outcome> {
    let mut client = runtime.block_on(C::connect(&arguments.url))?;
    let meter = Meter::start()?;
    let found = runtime.block_on(client.scan())?;
    if found < arguments.size as u64 {
        return Err(format!("{found} keys in place of {} or more", arguments.size).into());
    }
    meter.stop(found)
}

/// Connecting, the first reply, and the end, over and over.
fn connect<C: Client>(runtime: &Runtime, arguments: &Arguments) -> Result<Outcome> {
    let mut latencies = crate::meter::Latencies::default();
    let until = Until::measured(arguments)?;
    let meter = Meter::start()?;
    let mut count = 0;
    while !until.holds(count) {
        let start = Instant::now();
        runtime.block_on(async {
            let mut client = C::connect(&arguments.url).await?;
            client.get("small:0000").await
        })?;
        latencies.record(start.elapsed());
        count += 1;
    }
    let mut outcome = meter.stop(count)?;
    outcome.p50 = latencies.quantile(0.5);
    outcome.p99 = latencies.quantile(0.99);
    Ok(outcome)
}

/// Many connections that are used once and then rest: what each holds of the heap.
fn idle<C: Client>(runtime: &Runtime, arguments: &Arguments) -> Result<Outcome> {
    let mut clients: Result<Vec<C>> = Ok(Vec::new());
    let meter = Meter::start()?;
    let info = allocation_counter::measure(|| {
        clients = runtime.block_on(async {
            let mut clients = Vec::with_capacity(arguments.size);
            for _ in 0..arguments.size {
                let mut client = C::connect(&arguments.url).await?;
                client.get("small:0000").await?;
                clients.push(client);
            }
            Ok(clients)
        });
    });
    let mut outcome = meter.stop(arguments.size as u64)?;
    outcome.heap_each = Some(info.bytes_current as f64 / clients?.len().max(1) as f64);
    Ok(outcome)
}

/// Many commands queued at once, each by a task of its own: time and the most memory that each takes.
fn burst<C: Client>(runtime: &Runtime, arguments: &Arguments) -> Result<Outcome> {
    let client = runtime.block_on(C::connect(&arguments.url))?;
    let names = names("small", NAMES);
    runtime.block_on(fire(&client, &names, 1000))?;
    // A few alone are done again, for a time that can be measured.
    let times = (BURSTS / arguments.size.max(1)).clamp(1, TURNS);
    let meter = Meter::start()?;
    for _ in 0..times {
        runtime.block_on(fire(&client, &names, arguments.size))?;
    }
    let mut outcome = meter.stop((arguments.size * times) as u64)?;
    let mut result = Ok(());
    let info = allocation_counter::measure(|| {
        result = runtime.block_on(fire(&client, &names, arguments.size));
    });
    result?;
    outcome.heap_each = Some(info.bytes_max as f64 / arguments.size.max(1) as f64);
    outcome.allocations = Some(info.count_total as f64 / arguments.size.max(1) as f64);
    Ok(outcome)
}

async fn fire<C: Client>(client: &C, names: &Names, count: usize) -> Result<()> {
    let mut tasks = JoinSet::new();
    for number in 0..count {
        let mut operation = Get(client.clone(), Arc::clone(names));
        tasks.spawn(async move { operation.run(number as u64).await });
    }
    while let Some(result) = tasks.join_next().await {
        result??;
    }
    Ok(())
}
