//! A service that is found by asking Sentinels: the settings for it.

use super::Config;
use crate::config::address::Address;
use crate::config::secret::Secret;
use crate::config::service::SENTINEL_PORT;
use crate::config::service_role::ServiceRole;
use crate::error::Obstacle;

/// Services that Sentinels watch.
impl Config {
    /// Connects to a service that Sentinels watch. At each connect the Sentinels are asked where it is, and the node
    /// that they name is asked for its role. After a failover, connections move to the new node.
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
    /// User, password, database and most other settings are those of the service. TLS, a resolver and a transport
    /// are also used for the Sentinels. One Sentinel is enough to begin with, because it names the others.
    ///
    /// A node has to say its role. Without the permission for ROLE (`+role`; it is in `@dangerous`) HELLO has to say it,
    /// which every user may send, but which servers before Redis 6 and some proxies do not know.
    #[must_use]
    pub fn sentinel<H: Into<String>>(
        service: impl Into<String>,
        sentinels: impl IntoIterator<Item = (H, u16)>,
    ) -> Self {
        let mut sentinels = sentinels
            .into_iter()
            .map(|(host, port)| Address::Tcp(host.into(), port));
        // Without any host, `Config::check` returns an error that says so.
        let first = sentinels
            .next()
            .unwrap_or_else(|| Address::Tcp(String::new(), SENTINEL_PORT));
        let mut config = Self::at(first);
        config.more = sentinels.collect();
        config.service.name = Some(service.into());
        config
    }

    /// Which node of a service to connect to; the primary by default. Only for a service that Sentinels watch.
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

    /// Authenticates to the Sentinels as an ACL user.
    #[must_use]
    pub fn sentinel_credentials(
        mut self,
        username: impl Into<String>,
        password: impl Into<String>,
    ) -> Self {
        self.service.username = Some(username.into());
        self.sentinel_password(password)
    }

    /// What calls wait for during the first attempt to connect.
    pub(crate) fn connecting(&self) -> Obstacle {
        let addresses: Vec<String> = self.addresses().map(Address::to_string).collect();
        Obstacle::Connecting(addresses.join(", "))
    }

    /// The name of the service that Sentinels are asked for, if any.
    #[must_use]
    pub fn service(&self) -> Option<&str> {
        self.service.name.as_deref()
    }

    /// Whether two connections may lead to different servers at one time: any replica of a service, or one of several
    /// addresses.
    pub(crate) fn leads_to_several(&self) -> bool {
        match self.service() {
            Some(_) => self.service.role == ServiceRole::Replica,
            None => !self.more.is_empty(),
        }
    }
}
