//! The nodes of a service: [`ServiceRole`].

/// Which node of a service to connect to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ServiceRole {
    /// The node that accepts writes.
    #[default]
    Primary,
    /// One of its replicas, chosen at random.
    Replica,
}
