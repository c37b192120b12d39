//! Where the programs of the peers are built.

use std::path::PathBuf;

use crate::cargo;

pub(super) fn folder() -> PathBuf {
    cargo::workspace().join("benches/peers")
}

/// A program that was built.
pub(super) fn path(id: &str) -> PathBuf {
    folder().join(format!("target/release/peer-{id}"))
}
