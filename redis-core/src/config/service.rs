//! A service that is found by asking Sentinels: [`Service`].

use super::secret::Secret;
use super::sentinels::Sentinels;
use super::service_role::ServiceRole;

/// The port that Sentinels listen on.
pub(super) const SENTINEL_PORT: u16 = 26379;

/// If it has a name, the configured servers are Sentinels, not the server itself.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Service {
    /// `None` means that the configured servers are the server itself.
    pub(crate) name: Option<String>,
    pub(crate) role: ServiceRole,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
    /// What all connections of this configuration share.
    pub(crate) sentinels: Sentinels,
}
