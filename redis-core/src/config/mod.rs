//! How a connection is made: [`Config`], as a builder, from a URL and from a file.
//!
//! # Layout
//!
//! - `builder/`: [`Config`]
//! - `knobs/`: the one table of all settings that a URL or file can make
//! - `url`, `serde`: reading and writing a URL or a file
//! - `address`, `backoff`, `budget`, `cluster_settings`, `credentials`, `lag`, `read_from`, `secret`, `service`, `service_role`, `tls`: types of
//!   single settings
//! - `hook`: the user's own code in a configuration
//! - `maintenance`: maintenance that servers announce
//! - `failing`: addresses of names at which the last handshake failed
//! - `sentinels`: what all connections of one configuration know about the Sentinels of a service; `claim`: what one of
//!   them says of the primary
//! - `human`: times and sizes as people write them; `nearest`: the known word nearest to a wrong one

mod address;
mod backoff;
mod budget;
mod builder;
mod claim;
mod cluster_settings;
mod credentials;
mod failing;
mod hook;
mod human;
mod knobs;
mod lag;
mod maintenance;
mod nearest;
mod read_from;
mod secret;
mod sentinels;
#[cfg(feature = "serde")]
mod serde;
mod service;
mod service_role;
#[cfg(feature = "tls")]
mod tls;
mod url;

pub use address::Address;
pub use backoff::Backoff;
pub use budget::Budget;
pub(crate) use builder::Introduction;
pub use builder::{Config, Protocol};
pub(crate) use claim::{Claim, Verdict};
pub use credentials::Credentials;
#[cfg(feature = "tls")]
pub(crate) use hook::Hook;
pub(crate) use hook::{Transport, Unavailable};
pub(crate) use lag::Capacity;
pub use lag::Lag;
pub(crate) use maintenance::SlotsMoved;
pub use maintenance::{MaintNotifications, MovingEndpoint};
pub use read_from::ReadFrom;
pub use secret::Secret;
pub(crate) use sentinels::{Follow, Guard, Moves, Sentinels};
pub use service_role::ServiceRole;
#[cfg(feature = "tls")]
pub(crate) use tls::{Contents, IdentityContents};
#[cfg(feature = "tls")]
pub use tls::{Tls, TlsVersion};
pub use url::IntoConfig;
