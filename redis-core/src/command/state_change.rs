//! What a command changes on its connection: [`StateChange`].

/// What a command changes on its connection. Such a command needs an exclusive connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StateChange {
    /// The selected database.
    Database,
    /// The authenticated user.
    Auth,
    /// An open MULTI, or its end.
    Transaction,
    /// The watched keys.
    Watch,
    /// Client-side caching.
    Tracking,
    /// Whether the server replies at all.
    Reply,
    /// The connection's name and library tags.
    Name,
    /// Anything else that outlives the command: READONLY, CLIENT NO-EVICT, subscriptions, MONITOR.
    Mode,
}
