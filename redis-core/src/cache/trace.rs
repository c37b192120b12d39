//! What a cache says to `tracing`. Without the feature `tracing` nothing of this exists.

use crate::config::Config;

/// The server does not report changes, so nothing is kept.
#[cfg(feature = "tracing")]
pub(super) fn refused(config: &Config) {
    tracing::warn!(
        target: "typedis",
        { db.system.name = "redis", server.address = %config.address() },
        "the server does not report changed keys, so nothing is kept in memory; reads go to the server"
    );
}

#[cfg(not(feature = "tracing"))]
pub(super) fn refused(_: &Config) {}
