//! A service that is found by asking Sentinels: what a builder says of it.

use super::address::Address;
use super::builder::Config;
use super::fleet::{SENTINEL_PORT, ServiceRole};
use super::secret::Secret;

/// Services that Sentinels watch.
impl Config {
    /// A service that Sentinels watch: at each connect they are asked where it is, what they name is asked for its role,
    /// and a failover is followed.
    ///
    /// ```
    /// # extern crate typedis_core as typedis;
    /// use typedis::{Config, ServiceRole};
    ///
    /// let config = Config::sentinel("mymaster", [("s1", 26379), ("s2", 26379)]).sentinel_password("secret");
    /// let same = Config::from_url("redis+sentinel://s1,s2/mymaster?sentinel_password=secret")?;
    /// assert_eq!(config, same);
    /// let replicas = config.role(ServiceRole::Replica);
    /// # Ok::<(), typedis::Error>(())
    /// ```
    ///
    /// User, password, database and the rest are those of the service; TLS, a resolver and a transport are used for
    /// the Sentinels as well. One Sentinel is enough to begin with: the others are learned from it.
    #[must_use]
    pub fn sentinel<H: Into<String>>(
        service: impl Into<String>,
        sentinels: impl IntoIterator<Item = (H, u16)>,
    ) -> Self {
        let mut sentinels = sentinels
            .into_iter()
            .map(|(host, port)| Address::Tcp(host.into(), port));
        // Without any, `Config::check` says that no host is named.
        let first = sentinels
            .next()
            .unwrap_or_else(|| Address::Tcp(String::new(), SENTINEL_PORT));
        let mut config = Self::at(first);
        config.more = sentinels.collect();
        config.service.name = Some(service.into());
        config
    }

    /// Which node of a service is wanted; the primary by default. Only for a service that Sentinels watch.
    #[must_use]
    pub fn role(mut self, role: ServiceRole) -> Self {
        self.service.role = role;
        self
    }

    /// Authenticates to the Sentinels with the password of their default user.
    #[must_use]
    pub fn sentinel_password(mut self, password: impl Into<String>) -> Self {
        self.service.password = Some(Secret::new(password));
        self
    }

    /// Authenticates to the Sentinels as an ACL user of theirs.
    #[must_use]
    pub fn sentinel_credentials(
        mut self,
        username: impl Into<String>,
        password: impl Into<String>,
    ) -> Self {
        self.service.username = Some(username.into());
        self.sentinel_password(password)
    }

    /// The name of the service that Sentinels are asked for, if any.
    #[must_use]
    pub fn service(&self) -> Option<&str> {
        self.service.name.as_deref()
    }
}
