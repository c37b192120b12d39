//! A cluster: the settings for it.

use std::sync::Arc;

use super::Config;
use crate::config::address::Address;
use crate::config::hook::Hook;
use crate::config::read_from::ReadFrom;
use crate::error::{Error, Result};

/// What opens a cluster.
const OPENING: &str = if cfg!(feature = "cluster") {
    "`typedis::cluster(..)`"
} else {
    "`typedis::cluster(..)`, which the feature `cluster` adds"
};

/// Clusters, with the feature `cluster`.
#[cfg(feature = "cluster")]
impl Config {
    /// A cluster, some of whose nodes are named here; the others are learned from them.
    ///
    /// ```
    /// # extern crate typedis_core as typedis;
    /// use typedis::Config;
    ///
    /// let config = Config::cluster([("node-1", 6379), ("node-2", 6379)]);
    /// assert_eq!(config, Config::from_url("redis-cluster://node-1,node-2")?);
    /// # Ok::<(), typedis::Error>(())
    /// ```
    ///
    /// [`Cluster::open`](crate::cluster::Cluster::open) takes it, as it takes the configuration of a single server. What
    /// leads to a single server, such as [`Connection::open`](crate::Connection::open), refuses it.
    #[must_use]
    pub fn cluster<H: Into<String>>(nodes: impl IntoIterator<Item = (H, u16)>) -> Self {
        let mut nodes = nodes
            .into_iter()
            .map(|(host, port)| Address::Tcp(host.into(), port));
        // Without any host, `Config::check` returns an error that says so.
        let first = nodes
            .next()
            .unwrap_or_else(|| Address::Tcp(String::new(), Address::DEFAULT_PORT));
        let mut config = Self::at(first);
        config.more = nodes.collect();
        config.cluster.is_cluster = true;
        config
    }

    /// Which nodes of a cluster commands that only read go to; the primaries by default. A part of a program can choose
    /// something else: [`Cluster::read_from`](crate::cluster::Cluster::read_from).
    ///
    /// ```
    /// # extern crate typedis_core as typedis;
    /// use typedis::Config;
    /// use typedis::cluster::ReadFrom;
    ///
    /// let config = Config::cluster([("node-1", 6379)]).read_from(ReadFrom::PreferReplica);
    /// let same = Config::from_url("redis-cluster://node-1?read_from=prefer_replica")?;
    /// assert_eq!(config, same);
    /// # Ok::<(), typedis::Error>(())
    /// ```
    #[must_use]
    pub fn read_from(mut self, nodes: ReadFrom) -> Self {
        self.cluster.read_from = nodes;
        self
    }

    /// Turns each address that the nodes of a cluster name, of themselves and of each other, into the one to connect to:
    /// for clusters behind NAT or forwarded ports. It holds for the map of the cluster and for redirects alike. Addresses in
    /// this configuration are used as they are.
    ///
    /// If a server names no host, the host of the node that was asked is put in before the call.
    ///
    /// ```
    /// # extern crate typedis_core as typedis;
    /// use typedis::{Address, Config};
    ///
    /// let config = Config::cluster([("gateway.example", 7001)]).map_address(|address| match address {
    ///     Address::Tcp(host, 6379) if host == "10.0.0.1" => Address::Tcp("gateway.example".into(), 7001),
    ///     Address::Tcp(host, 6379) if host == "10.0.0.2" => Address::Tcp("gateway.example".into(), 7002),
    ///     other => other,
    /// });
    /// ```
    #[must_use]
    pub fn map_address(mut self, map: impl Fn(Address) -> Address + Send + Sync + 'static) -> Self {
        self.cluster.map_address = Some(Hook::new(Arc::new(map)));
        self
    }
}

impl Config {
    /// The address to connect to for one that a node of the cluster named.
    pub(crate) fn mapped(&self, address: Address) -> Address {
        match &self.cluster.map_address {
            Some(map) => map(address),
            None => address,
        }
    }

    /// The same configuration for something that leads to one server.
    ///
    /// # Errors
    /// It is a cluster.
    pub(crate) fn for_one_server(self) -> Result<Self> {
        if self.cluster.is_cluster {
            return Err(Error::config(format!(
                "this names a cluster, and a single connection does not follow one: open it with {OPENING}; \
                 to reach one of its nodes alone, write redis:// instead of redis-cluster://",
            )));
        }
        if self.cluster.read_from != ReadFrom::default() {
            return Err(Error::config(format!(
                "`read_from` is for clusters, which are opened with {OPENING}",
            )));
        }
        Ok(self)
    }
}
