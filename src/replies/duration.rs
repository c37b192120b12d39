//! Times that servers send as whole numbers of a unit.

/// Milliseconds.
pub(super) mod millis {
    use std::time::Duration;

    use typedis_core::{DecodeError, FromRedis, Reply};

    pub(in crate::replies) fn from_redis(reply: Reply<'_>) -> Result<Duration, DecodeError> {
        u64::from_redis(reply).map(Duration::from_millis)
    }
}

/// Microseconds.
pub(super) mod micros {
    use std::time::Duration;

    use typedis_core::{DecodeError, FromRedis, Reply};

    pub(in crate::replies) fn from_redis(reply: Reply<'_>) -> Result<Duration, DecodeError> {
        u64::from_redis(reply).map(Duration::from_micros)
    }
}
