#!/usr/bin/env bash
# quick_cache 0.7.0: a cache that is bounded by weight silently keeps no value that is heavier than 97 % of one shard's part of the
# bound, however empty it is. There are four shards for each core of the machine, rounded up to a power of two, unless fewer than 32 of
# the expected values came to one; so what is kept depends on the machine.
#
# A good guess: a value is kept if it fits into the weight capacity, as it is with the cache for one thread, which is made with the
# same numbers. A test on a small machine passes, and the same program keeps nothing on a large one.
#
# Seen, where `insert` returns nothing that could tell:
#
#   room for 1000000, one value of 300000: for one thread kept, for many threads dropped
#
# Needs bash and cargo. Fails if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/src"
cat >"$folder/Cargo.toml" <<'TOML'
[package]
name = "weights"
version = "0.1.0"
edition = "2021"

[dependencies]
quick_cache = { version = "=0.7.0", default-features = false }

[workspace]
TOML
cat >"$folder/src/main.rs" <<'RUST'
use quick_cache::{Weighter, sync, unsync};

const ROOM: u64 = 1_000_000;
const WEIGHT: u64 = 300_000;

#[derive(Clone)]
struct Itself;

impl Weighter<u32, u64> for Itself {
    fn weight(&self, _: &u32, value: &u64) -> u64 {
        *value
    }
}

fn main() {
    let mut one = unsync::Cache::with_weighter(10_000, ROOM, Itself);
    one.insert(7, WEIGHT);
    let many = sync::Cache::with_weighter(10_000, ROOM, Itself);
    many.insert(7, WEIGHT);
    let word = |is_kept: bool| if is_kept { "kept" } else { "dropped" };
    let (one, many) = (one.get(&7).is_some(), many.get(&7).is_some());
    println!(
        "room for {ROOM}, one value of {WEIGHT}: for one thread {}, for many threads {}",
        word(one),
        word(many)
    );
    assert!(one && !many, "the behaviour has changed");
}
RUST
CARGO_TARGET_DIR="$folder/target" cargo run --quiet --manifest-path "$folder/Cargo.toml"
