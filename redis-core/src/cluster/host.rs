//! The cluster as a handle on which streams issue their commands, one after another.

use std::sync::{Arc, OnceLock};

use super::detour::no_node;
use super::handle::Cluster;
use super::map_wait::map_for;
use super::scan;
use crate::client::host::{Call, Host, IntoHost, Issue, Walk, accepted, cast};
use crate::command::Args;
use crate::error::Result;
use crate::handle::Connection;

impl Issue for Cluster {
    fn issue(&self, args: Box<Args>) -> Call<'_> {
        Box::pin(accepted(self.begin(args)))
    }

    fn cast(&self, args: Box<Args>) {
        cast(self, args);
    }

    fn walk(&self, first: &Args) -> Option<Box<dyn Walk>> {
        scan::walk(self, first)
    }

    fn one_server(&self) -> Option<Host<'static>> {
        if !self.shared().first_map.is_found() {
            return Some(Host::new(Arc::new(OneNode::of(self))));
        }
        let routes = self.shared().routes();
        routes.any_primary().map(|node| Host::from(&node.alone()))
    }
}

/// One node of a cluster, which is chosen once there is a map.
#[derive(Debug, Clone)]
struct OneNode {
    cluster: Cluster,
    chosen: Arc<OnceLock<Host<'static>>>,
}

impl OneNode {
    fn of(cluster: &Cluster) -> Self {
        Self {
            cluster: cluster.clone(),
            chosen: Arc::default(),
        }
    }

    /// The wait for the map takes of the command's time.
    async fn choose(&self, args: &mut Args) -> Result<&Host<'static>> {
        map_for(self.cluster.shared(), args).await?;
        if self.chosen.get().is_none() {
            // Another call may have been faster.
            let node = self.cluster.one_server().ok_or_else(no_node)?;
            let _ = self.chosen.set(node);
        }
        self.chosen.get().ok_or_else(no_node)
    }
}

impl Issue for OneNode {
    fn issue(&self, mut args: Box<Args>) -> Call<'_> {
        Box::pin(async move { self.choose(&mut args).await?.issue(args).await })
    }

    fn connection(&self) -> Option<Connection> {
        self.chosen.get()?.connection()
    }

    fn cast(&self, args: Box<Args>) {
        if let Some(chosen) = self.chosen.get() {
            chosen.cast(*args);
        }
    }
}

impl IntoHost<'static> for &Cluster {
    fn into_host(self) -> Host<'static> {
        self.into()
    }
}

impl From<&Cluster> for Host<'static> {
    fn from(cluster: &Cluster) -> Self {
        Self::new(Arc::new(cluster.clone()))
    }
}
