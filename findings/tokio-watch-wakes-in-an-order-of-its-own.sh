#!/usr/bin/env bash
# tokio 1.54.1: `watch` wakes its receivers in an order that is neither that in which they began to wait nor its reverse, and
# another in each run of the program, also on a runtime with one thread and a paused clock. `Notify` and `broadcast` keep the order.
#
# A good guess: with `current_thread`, `start_paused` and no input from outside, a program does the same each time. Simulations
# that are to be repeated from a seed rely on it.
#
# What happens: `watch` spreads its receivers over eight lists, and a random number that nobody outside can set chooses the list
# when a receiver begins to wait. (`rng_seed` of the runtime's builder is there only with `tokio_unstable`.)
#
# Seen, with 32 tasks that wait, in 20 runtimes:
#
#   Notify: in order in 20 of 20, different orders: 1
#   broadcast: in order in 20 of 20, different orders: 1
#   watch: in order in 0 of 20, different orders: 20
#
# Needs bash and cargo. Fails if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/src"
cat >"$folder/Cargo.toml" <<'TOML'
[package]
name = "orders"
version = "0.1.0"
edition = "2021"

[dependencies]
tokio = { version = "=1.54.1", features = ["rt", "sync", "time", "test-util"] }

[workspace]
TOML
cat >"$folder/src/main.rs" <<'RUST'
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use tokio::runtime::Builder;
use tokio::sync::{broadcast, watch, Notify};
use tokio::time::{sleep, Duration};

const TASKS: usize = 32;
const RUNS: usize = 20;

type Order = Arc<Mutex<Vec<usize>>>;

fn in_runtime(run: impl AsyncFnOnce(Order)) -> Vec<usize> {
    let order = Order::default();
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(run(order.clone()));
    let order = order.lock().unwrap().clone();
    assert_eq!(order.len(), TASKS);
    order
}

/// Lets all tasks begin to wait, or go on.
async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

async fn of_watch(order: Order) {
    let (sender, receiver) = watch::channel(0);
    for task in 0..TASKS {
        let (mut receiver, order) = (receiver.clone(), order.clone());
        tokio::spawn(async move {
            receiver.changed().await.unwrap();
            order.lock().unwrap().push(task);
        });
    }
    settle().await;
    sender.send(1).unwrap();
    settle().await;
}

async fn of_broadcast(order: Order) {
    let (sender, _) = broadcast::channel(1);
    for task in 0..TASKS {
        let (mut receiver, order) = (sender.subscribe(), order.clone());
        tokio::spawn(async move {
            receiver.recv().await.unwrap();
            order.lock().unwrap().push(task);
        });
    }
    settle().await;
    sender.send(1).unwrap();
    settle().await;
}

async fn of_notify(order: Order) {
    let notify = Arc::new(Notify::new());
    for task in 0..TASKS {
        let (notify, order) = (notify.clone(), order.clone());
        tokio::spawn(async move {
            notify.notified().await;
            order.lock().unwrap().push(task);
        });
    }
    settle().await;
    notify.notify_waiters();
    settle().await;
}

/// How many runs were in order, and how many orders there were.
fn count(name: &str, run: impl Fn() -> Vec<usize>) -> (usize, usize) {
    let orders: Vec<_> = (0..RUNS).map(|_| run()).collect();
    let in_order = orders.iter().filter(|order| order.is_sorted()).count();
    let different = orders.iter().collect::<BTreeSet<_>>().len();
    println!("{name}: in order in {in_order} of {RUNS}, different orders: {different}");
    (in_order, different)
}

fn main() {
    let notify = count("Notify", || in_runtime(of_notify));
    let broadcast = count("broadcast", || in_runtime(of_broadcast));
    let watch = count("watch", || in_runtime(of_watch));
    assert_eq!((notify, broadcast), ((RUNS, 1), (RUNS, 1)), "Notify or broadcast has changed");
    assert!(watch.0 == 0 && watch.1 > RUNS / 2, "watch has changed");
}
RUST
cargo run --quiet --manifest-path "$folder/Cargo.toml"
