//! How much may wait on one connection.

/// How much may be queued and in flight on one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Encoded bytes of commands that have no reply yet.
    pub bytes: usize,
    /// Commands (a pipeline counts once) that have no reply yet.
    pub commands: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            bytes: 64 * 1024 * 1024,
            commands: 1_000_000,
        }
    }
}
