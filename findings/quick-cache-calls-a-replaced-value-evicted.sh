#!/usr/bin/env bash
# quick_cache 0.7.0: `Lifecycle::on_evict` is also called for a value that an insertion under the same key replaces, in a
# cache that is nearly empty; `remove` does not call it.
#
# A good guess: the hook hears of what had to go for want of room. Its documentation says "called when an item is evicted",
# so a counter of evictions in this hook, or a metric made of it, counts every overwritten key.
#
# Seen:
#
#   room for 1000, one key inserted three times, then removed: on_evict was called 2 times, with values [1, 2]
#
# Needs bash and cargo. Fails if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/src"
cat >"$folder/Cargo.toml" <<'TOML'
[package]
name = "evictions"
version = "0.1.0"
edition = "2021"

[dependencies]
quick_cache = { version = "=0.7.0", default-features = false }

[workspace]
TOML
cat >"$folder/src/main.rs" <<'RUST'
use std::sync::{Arc, Mutex};

use quick_cache::{DefaultHashBuilder, Lifecycle, UnitWeighter, sync::Cache};

#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<u32>>>);

impl Lifecycle<u32, u32> for Heard {
    type RequestState = ();
    fn on_evict(&self, _: &mut (), _: u32, value: u32) {
        self.0.lock().unwrap().push(value);
    }
}

fn main() {
    let heard = Heard::default();
    let cache = Cache::with(1000, 1000, UnitWeighter, DefaultHashBuilder::default(), heard.clone());
    for value in 1..=3 {
        cache.insert(7, value);
    }
    cache.remove(&7);
    let values = heard.0.lock().unwrap();
    println!(
        "room for 1000, one key inserted three times, then removed: on_evict was called {} times, with values {:?}",
        values.len(),
        values
    );
    assert_eq!(*values, [1, 2], "the behaviour has changed");
}
RUST
CARGO_TARGET_DIR="$folder/target" cargo run --quiet --manifest-path "$folder/Cargo.toml"
