//! Where the programs of the peers are built.

use std::path::PathBuf;

use crate::cargo;

pub(super) fn folder() -> PathBuf {
    cargo::workspace().join("benches/peers")
}

/// Their own target folder, whatever the environment says of another one. Where in it the programs are, cargo says: see
/// `Built`.
pub(super) fn target() -> PathBuf {
    folder().join("target")
}
