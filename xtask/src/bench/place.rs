//! Where the programs of the peers are built.

use std::path::PathBuf;

use crate::cargo;

pub(super) fn folder() -> PathBuf {
    cargo::workspace().join("benches/peers")
}

/// Their own target folder, whatever the environment says of another one.
pub(super) fn target() -> PathBuf {
    folder().join("target")
}

/// A program that was built.
pub(super) fn path(id: &str) -> PathBuf {
    target().join(format!("release/peer-{id}"))
}
