#!/usr/bin/env bash
# rustc 1.95.0, stable, with libfuzzer-sys 0.4.13: fuzzing that is led by coverage needs no nightly compiler.
#
# A good guess: it does. cargo-fuzz says that it needs nightly Rust, and the options for sanitizers (`-Zsanitizer`) are refused
# by a stable compiler.
#
# What happens: only the sanitizers need nightly. LLVM's pass that counts edges and reports comparisons is a code generation
# option, `-Cpasses=sancov-module`, and stable rustc takes it together with the pass's own options in `-Cllvm-args`. Without
# them libFuzzer finds nothing in the same program, and says that it may lack instrumentation.
#
# Seen:
#
#   compiler: rustc 1.95.0 (59807616e 2026-04-14)
#   plain: not reached; libFuzzer asks whether the code is instrumented
#   with the pass: reached
#   with -Zsanitizer=address: only accepted on the nightly compiler
#
# Needs bash, rustup's stable cargo, a C++ compiler, Linux. Fails if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/src"
cat >"$folder/Cargo.toml" <<'TOML'
[package]
name = "word"
version = "0.1.0"
edition = "2021"

[dependencies]
libfuzzer-sys = "=0.4.13"

[workspace]
TOML
cat >"$folder/src/main.rs" <<'RUST'
#![no_main]

// To come here by chance alone takes some 2^48 inputs.
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let [b'l', b'e', b'a', b's', b'e', b'!', ..] = data {
        println!("reached");
        std::process::exit(0);
    }
});
RUST
host=$(rustc -vV | sed -n 's/^host: //p')

# Builds with these flags, runs 2,000,000 inputs, and says what became of it.
try() {
    RUSTFLAGS="$*" cargo build --release --quiet --manifest-path "$folder/Cargo.toml" --target "$host"
    (cd "$folder" && "target/$host/release/word" -runs=2000000 -seed=1 -max_len=16) >"$folder/out" 2>&1 || true
    if grep -q '^reached' "$folder/out"; then
        echo "reached"
    elif grep -q 'Is the code instrumented for coverage' "$folder/out"; then
        echo "not reached; libFuzzer asks whether the code is instrumented"
    else
        echo "not reached"
    fi
}

compiler=$(rustc --version)
echo "compiler: $compiler"
case $compiler in *nightly* | *dev*) echo "this shows something with a stable compiler only"; exit 1 ;; esac
plain=$(try)
counted=$(try -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares)
sanitized=$(RUSTFLAGS="-Zsanitizer=address" cargo check --quiet --manifest-path "$folder/Cargo.toml" --target "$host" 2>&1 \
    | grep -o 'only accepted on the nightly compiler' | head -n 1 || true)
echo "plain: $plain"
echo "with the pass: $counted"
echo "with -Zsanitizer=address: $sanitized"
[[ $plain == "not reached; libFuzzer asks"* && $counted == reached && $sanitized == only* ]]
