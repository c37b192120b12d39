//! The cluster as a handle on which streams issue their commands, one after another.

use std::sync::Arc;

use super::handle::Cluster;
use super::scan;
use crate::client::host::{Call, Host, IntoHost, Issue, Walk, accepted, cast};
use crate::command::Args;

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
        let routes = self.shared().routes();
        routes.any_primary().map(|node| Host::from(node.alone()))
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
