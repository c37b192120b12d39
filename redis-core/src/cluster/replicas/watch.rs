//! The task that asks nodes how they fare as sources of reads.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::cluster::nodes::Node;
use crate::cluster::shared::Shared;
use crate::cluster::topology::{ClusterNode, NodeRole};
use crate::command::{Args, CommandInfo, Keys, command_info};
use crate::error::{Error, ErrorKind, Result};
use crate::runtime;

/// The pause between two questions to a node, up to a quarter longer.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// A node that takes longer to answer is left out.
const PATIENCE: Duration = Duration::from_secs(1);
/// A replica that has heard nothing of its primary for this long has old data.
const OLD: u64 = 10;

static INFO_REPLICATION: CommandInfo = command_info!("INFO REPLICATION").readonly();
static INFO_SERVER: CommandInfo = command_info!("INFO SERVER").readonly();

/// Asks all nodes how they fare for as long as there is a handle and the cluster is not closed.
pub(super) async fn run(shared: Weak<Shared>) {
    loop {
        let open = shared.upgrade().filter(|shared| !shared.life.is_closing());
        let Some(nodes) = open.map(|shared| nodes_of(&shared)) else {
            return;
        };
        for (node, role) in nodes {
            // A node that does not answer must not keep others waiting, and is asked once at a time.
            if node.health().begins_to_ask() {
                runtime::spawn(async move {
                    probe(&node, role).await;
                    node.health().ends_to_ask();
                });
            }
        }
        sleep(PROBE_EVERY.mul_f64(1.0 + fastrand::f64() / 4.0)).await;
    }
}

fn nodes_of(shared: &Shared) -> Vec<(Arc<Node>, NodeRole)> {
    let routes = shared.routes();
    let known = routes.topology.nodes().iter();
    let with_role = |(node, known): (&Arc<Node>, &ClusterNode)| (node.clone(), known.role);
    routes.nodes().iter().zip(known).map(with_role).collect()
}

async fn probe(node: &Node, role: NodeRole) {
    let before = Instant::now();
    let told = match timeout(PATIENCE, info(node, role, &INFO_REPLICATION)).await {
        Ok(Ok(told)) => told,
        // The cluster, or the node's place in it, has ended: that says nothing of the node.
        Ok(Err(error)) if matches!(error.kind(), ErrorKind::Closed) => return,
        Ok(Err(_)) | Err(_) => return node.health().note_failure(),
    };
    let is_well = role == NodeRole::Primary || has_its_primary(&told);
    node.health().note_answer(before.elapsed(), is_well);
    if !node.health().knows_zone()
        && let Ok(Ok(told)) = timeout(PATIENCE, info(node, role, &INFO_SERVER)).await
    {
        let zone = line(&told, "availability_zone:").filter(|zone| !zone.is_empty());
        node.health().note_zone(zone.map(str::to_owned));
    }
}

async fn info(node: &Node, role: NodeRole, info: &'static CommandInfo) -> Result<String> {
    let mut args = Args::lease(info, Keys::Ignored);
    args.set_deadline(PATIENCE);
    let frame = node.once_own(role, args).frame().await?;
    match frame.reply().error() {
        Some(error) => Err(Error::refused(error)),
        None => frame.decode(),
    }
}

/// Whether a replica is connected to its primary, and has its data.
fn has_its_primary(told: &str) -> bool {
    let silent = line(told, "master_last_io_seconds_ago:").and_then(|text| text.parse().ok());
    line(told, "role:") == Some("slave")
        && line(told, "master_link_status:") == Some("up")
        && line(told, "master_sync_in_progress:") != Some("1")
        && silent.is_none_or(|seconds: u64| seconds <= OLD)
}

/// The value of a line of INFO.
fn line<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = info.lines();
    lines
        .find_map(|line| line.strip_prefix(name))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::has_its_primary;

    fn info(link: &str, sync: &str, silent: &str) -> String {
        format!(
            "# Replication\r\nrole:slave\r\nmaster_link_status:{link}\r\nmaster_last_io_seconds_ago:{silent}\r\n\
             master_sync_in_progress:{sync}\r\n"
        )
    }

    #[test]
    fn a_replica_that_lost_its_primary_or_is_loading_is_not_well() {
        assert!(has_its_primary(&info("up", "0", "1")));
        assert!(!has_its_primary(&info("down", "0", "1")));
        assert!(!has_its_primary(&info("up", "1", "1")));
        assert!(!has_its_primary(&info("up", "0", "60")));
        assert!(!has_its_primary("role:master\r\n"));
    }
}
