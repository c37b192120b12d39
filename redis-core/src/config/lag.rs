//! How much a subscription holds for its reader, and what happens beyond: [`Lag`].

/// What happens when messages come faster than they are read.
///
/// Which socket the messages come over depends on it, and on the protocol:
///
/// | | RESP3 | RESP2 |
/// | --- | --- | --- |
/// | `DropOldest`, `Close` | the connection's own socket | one more socket, for all these subscriptions of the connection |
/// | `Wait` | a socket for each [`Channel`](crate::Channel), [`PatternChannel`](crate::PatternChannel) or [`Subscriber`](crate::Subscriber) | the same |
///
/// It can be seen in three ways:
///
/// - Only on the connection's own socket is there an order between messages and replies: what the server sent before a reply
///   has been received when that reply is there. Between two sockets there is none.
/// - Subscriptions to one channel over one socket are one for the server. With `Wait` each is one of its own: PUBSUB NUMSUB
///   and the reply of PUBLISH count them all, and the server sends each message to each.
/// - A socket of RESP2 that is subscribed takes no AUTH, so new credentials come with the next socket; an ACL that cuts
///   off who is subscribed cuts off that socket alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Lag {
    /// The oldest are dropped, and [`Event::Lagged`](crate::Event::Lagged) says how many, in the place where they were.
    #[default]
    DropOldest,
    /// None is dropped: nothing more is read from the socket until there is room, so the server has to keep them. It
    /// closes the connection of a subscriber for whom it has to keep too much (`client-output-buffer-limit pubsub`),
    /// which is then seen as [`Event::Resubscribed`](crate::Event::Resubscribed).
    ///
    /// Such a subscription has a socket of its own in either protocol, so that it holds up nothing else: for many channels
    /// take one [`Subscriber`](crate::Subscriber), which has one socket for all.
    Wait,
    /// The subscription ends: what was received is still read, then comes an [`ErrorKind::TooSlow`](crate::ErrorKind::TooSlow).
    Close,
}

/// How much an inbox holds, and what happens beyond.
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
