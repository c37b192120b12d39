//! Views of a cluster that read from other nodes than primaries.

use std::sync::Arc;

use super::handle::Cluster;
use super::replicas;
use crate::config::ReadFrom;

impl Cluster {
    /// The same cluster, but commands that only read are sent to replicas. If no replica of a shard is healthy, they are sent
    /// to its primary; see [`ReadFrom::PreferReplica`].
    ///
    /// ```no_run
    /// # async fn example(cluster: typedis_core::cluster::Cluster) -> typedis_core::Result<()> {
    /// use typedis_core::{Run, raw};
    ///
    /// let replicas = cluster.replicas();
    /// let name = raw("GET").key("name").readonly().reply::<Option<String>>();
    /// let name = replicas.run(name).await?; // what was written a moment ago may be missing
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn replicas(&self) -> Self {
        self.read_from(ReadFrom::PreferReplica)
    }

    /// The same cluster, but commands that only read are sent to these nodes. The handles share all sockets.
    ///
    /// It concerns single commands whose keys have one slot. Commands that write, pipelines, transactions, blocking commands
    /// and commands that are split over several slots go to primaries. What a replica does not have yet is not there: a read
    /// does not see every write before it.
    ///
    /// A replica of Redis answers as if a key did not exist while it is being moved to another shard. So it only answers commands of
    /// the spec that read one key, and MGET; if its reply may mean that there is no such key, the primary is asked as well. The
    /// primary answers everything else: reads that join several keys, scripts, TTL, raw commands. Replicas of Valkey 8 and
    /// later say which keys have gone, and answer all.
    ///
    /// Replicas that do not answer within a second, that are loading, or that have lost their primary are left out. For this
    /// every node is asked about once a second, from the first such view on until all handles of the cluster are gone.
    ///
    /// ```no_run
    /// # async fn example(cluster: typedis_core::cluster::Cluster) -> typedis_core::Result<()> {
    /// use typedis_core::cluster::ReadFrom;
    ///
    /// let nearby = cluster.read_from(ReadFrom::Zone("eu-1a".into()));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn read_from(&self, nodes: ReadFrom) -> Self {
        let view = (nodes != ReadFrom::Primary).then(|| Arc::new(nodes));
        if view.is_some() {
            replicas::start_watch(self.shared());
        }
        self.with_view(view)
    }
}
