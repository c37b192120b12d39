//! Subscriptions that may live on one of several servers: [`Mover`].

use std::fmt;
use std::sync::Arc;

use super::cause::Cause;
use super::ticket::Ticket;

/// Who finds another place for a subscription. It is called while the table of its connection is locked, so it only takes
/// note.
pub(crate) trait Mover: fmt::Debug + Send + Sync {
    /// The subscription has no place here any more, and this table has forgotten it. The ticket is that of a caller who still
    /// waits for the confirmation.
    fn displaced(&self, cause: Cause, ticket: Option<Arc<Ticket>>);

    /// The server refuses it for now. It is asked again, but another server may be the right one by then.
    fn hindered(&self);
}
