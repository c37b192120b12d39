//! A proxy in front of each node, which nodes announce instead of themselves.

use super::{Cluster, view};
use crate::error::{Doing, Result};
use crate::proxy::Proxy;
use crate::raw::Reply;
use crate::servers::ServerKind;

impl Cluster {
    /// Puts a proxy in front of each node, in the order of [`Cluster::nodes`], and makes nodes announce its port:
    /// clients that learn about a node reach it through its proxy. Replicas that connect from then on come through
    /// it, too.
    ///
    /// Redis 6.2 goes on naming its own port when it describes itself; its proxies see clients that other nodes sent
    /// to it.
    ///
    /// # Errors
    ///
    /// If no port is free, or a node refuses.
    pub async fn behind_proxies(&self) -> Result<Vec<Proxy>> {
        let mut proxies = Vec::new();
        for node in self.nodes() {
            let proxy = Proxy::start(node.addr()).await;
            let proxy = proxy.doing(|| format!("put a proxy before {}", node.addr()))?;
            let port = proxy.addr().port().to_string();
            node.call(&["CONFIG", "SET", "cluster-announce-port", &port])?;
            proxies.push(proxy);
        }
        self.wait_until_announced(&proxies)?;
        Ok(proxies)
    }

    /// Waits until each node names only the proxies to clients.
    fn wait_until_announced(&self, proxies: &[Proxy]) -> Result<()> {
        let ports: Vec<i64> = proxies
            .iter()
            .map(|proxy| proxy.addr().port().into())
            .collect();
        view::wait_for(|| {
            for node in self.nodes() {
                let slots = node.reply(&["CLUSTER", "SLOTS"])?;
                let told = slots
                    .items()
                    .iter()
                    .flat_map(|entry| entry.items().iter().skip(2));
                let of_itself =
                    |told: &Reply| told.items().get(2).and_then(Reply::text) == Some(node.id());
                let excused = |told: &Reply| self.kind() == ServerKind::Redis6 && of_itself(told);
                let announced = |told: &Reply| matches!(told.items().get(1), Some(Reply::Integer(port)) if ports.contains(port));
                if !told.clone().all(|told| announced(told) || excused(told)) {
                    return Ok(Some(format!("{} tells of ports of nodes", node.addr())));
                }
            }
            Ok(None)
        })
    }
}
