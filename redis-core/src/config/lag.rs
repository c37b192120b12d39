//! How much a subscription holds for its reader, and what happens when there is no room: [`Lag`].

/// What happens when messages come faster than they are read.
///
/// The socket that carries the messages depends on it, and on the protocol:
///
/// | | RESP3 | RESP2 |
/// | --- | --- | --- |
/// | `DropOldest`, `Close` | the connection's own socket | one more socket, for all these subscriptions of the connection |
/// | `Wait` | a socket for each [`Channel`](crate::Channel), [`PatternChannel`](crate::PatternChannel) or [`Subscriber`](crate::Subscriber) | the same |
///
/// This has three effects:
///
/// - On the connection's own socket, messages and replies arrive in the order in which the server sent them: when a
///   reply is there, messages that were sent before it are there too. Between two sockets there is no such order.
/// - Several subscriptions to one channel on the same socket count as one on the server. With `Wait` each counts:
///   PUBSUB NUMSUB and the reply to PUBLISH count them all, and the server sends each message to each of them.
/// - A RESP2 socket with subscriptions takes no AUTH, so new credentials are used from the next socket on. If a
///   change of an ACL makes the server close subscribers' connections, only that socket is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Lag {
    /// The oldest messages are dropped, and [`Event::Lagged`](crate::Event::Lagged) in their place says how many.
    #[default]
    DropOldest,
    /// No message is dropped: nothing more is read from the socket until there is room, so the server has to keep
    /// the messages. If it has to keep too many (`client-output-buffer-limit pubsub`), it closes the connection.
    /// The reader then gets [`Event::Resubscribed`](crate::Event::Resubscribed).
    /// Such a subscription has its own socket in both protocols, so it does not delay anything else. For many
    /// channels take one [`Subscriber`](crate::Subscriber), which has one socket for all. While a call adds a
    /// subscription to it, messages are held also if there is no room: those that the server sent before its answer.
    Wait,
    /// The subscription ends: the reader gets what was received, and then an
    /// [`ErrorKind::TooSlow`](crate::ErrorKind::TooSlow).
    Close,
}

/// How much an inbox holds, and what happens when there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Capacity {
    pub(crate) bytes: usize,
    pub(crate) messages: usize,
    pub(crate) lag: Lag,
}

impl Default for Capacity {
    fn default() -> Self {
        Self {
            bytes: 16 * 1024 * 1024,
            messages: usize::MAX,
            lag: Lag::default(),
        }
    }
}
