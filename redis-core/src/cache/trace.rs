//! What a cache says to `tracing`. Without the feature `tracing` nothing of this exists.

use crate::config::Config;
#[cfg(feature = "cluster")]
use crate::error::Error;

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

/// This node cannot be listened to, so nothing of it is kept.
#[cfg(all(feature = "tracing", feature = "cluster"))]
pub(super) fn unheard(config: &Config, error: &Error) {
    tracing::warn!(
        target: "typedis",
        { db.system.name = "redis", server.address = %config.address(), error = %error },
        "the cache cannot listen to this node, so nothing of it is kept in memory; reads go to the server"
    );
}

#[cfg(all(not(feature = "tracing"), feature = "cluster"))]
pub(super) fn unheard(_: &Config, _: &Error) {}
