//! Against recorded replies.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::replies::wire::decode;

const INFO_2: &str = "$312\r\ncluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_slots_ok:16384\r\n\
    cluster_slots_pfail:0\r\ncluster_slots_fail:0\r\ncluster_known_nodes:1\r\ncluster_size:1\r\n\
    cluster_current_epoch:0\r\ncluster_my_epoch:0\r\ncluster_stats_messages_sent:0\r\n\
    cluster_stats_messages_received:0\r\ntotal_cluster_links_buffer_limit_exceeded:0\r\n\r\n";

const INFO_3: &str = "=628\r\ntxt:cluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_slots_ok:16384\r\n\
    cluster_slots_pfail:0\r\ncluster_slots_fail:0\r\ncluster_nodes_pfail:0\r\ncluster_nodes_fail:0\r\n\
    cluster_voting_nodes_pfail:0\r\ncluster_voting_nodes_fail:0\r\ncluster_known_nodes:1\r\n\
    cluster_size:1\r\ncluster_current_epoch:1\r\ncluster_my_epoch:1\r\ncluster_stats_messages_sent:0\r\n\
    cluster_stats_messages_received:0\r\ncluster_stats_bytes_sent:0\r\ncluster_stats_bytes_received:0\r\n\
    cluster_stats_pubsub_bytes_sent:0\r\ncluster_stats_pubsub_bytes_received:0\r\n\
    cluster_stats_module_bytes_sent:0\r\ncluster_stats_module_bytes_received:0\r\n\
    total_cluster_links_buffer_limit_exceeded:0\r\n\r\n";

const LINKS_2: &str = "*2\r\n*12\r\n$9\r\ndirection\r\n$2\r\nto\r\n$4\r\nnode\r\n$40\r\n\
    5d66fe64d29d76ab6bd9924fa5e0ef0f78589c9b\r\n$11\r\ncreate-time\r\n:1795336027171\r\n$6\r\nevents\r\n\
    $1\r\nr\r\n$21\r\nsend-buffer-allocated\r\n:48\r\n$16\r\nsend-buffer-used\r\n:48\r\n*12\r\n$9\r\n\
    direction\r\n$4\r\nfrom\r\n$4\r\nnode\r\n$40\r\n5d66fe64d29d76ab6bd9924fa5e0ef0f78589c9b\r\n$11\r\n\
    create-time\r\n:1795336027272\r\n$6\r\nevents\r\n$1\r\nr\r\n$21\r\nsend-buffer-allocated\r\n:48\r\n\
    $16\r\nsend-buffer-used\r\n:48\r\n";

const LINKS_3: &str = "*2\r\n%6\r\n$9\r\ndirection\r\n$2\r\nto\r\n$4\r\nnode\r\n$40\r\n\
    48832d9ae0729e599ea6263d4b7c0a3ce92c46ce\r\n$11\r\ncreate-time\r\n:1795336034297\r\n$6\r\nevents\r\n\
    $1\r\nr\r\n$21\r\nsend-buffer-allocated\r\n:48\r\n$16\r\nsend-buffer-used\r\n:48\r\n%6\r\n$9\r\n\
    direction\r\n$4\r\nfrom\r\n$4\r\nnode\r\n$40\r\n48832d9ae0729e599ea6263d4b7c0a3ce92c46ce\r\n$11\r\n\
    create-time\r\n:1795336034362\r\n$6\r\nevents\r\n$1\r\nr\r\n$21\r\nsend-buffer-allocated\r\n:48\r\n\
    $16\r\nsend-buffer-used\r\n:48\r\n";

const SHARDS_2: &str = "*1\r\n*4\r\n$5\r\nslots\r\n*2\r\n:0\r\n:16383\r\n$5\r\nnodes\r\n*2\r\n*14\r\n$2\r\nid\r\n$40\r\n\
    781687f555729c554a13844536a5be67a59cc540\r\n$4\r\nport\r\n:7815\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n$8\r\n\
    endpoint\r\n$9\r\n127.0.0.1\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$18\r\nreplication-offset\r\n:66\r\n$6\r\n\
    health\r\n$6\r\nonline\r\n*14\r\n$2\r\nid\r\n$40\r\n5d66fe64d29d76ab6bd9924fa5e0ef0f78589c9b\r\n$4\r\n\
    port\r\n:7818\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n$8\r\nendpoint\r\n$9\r\n127.0.0.1\r\n$4\r\nrole\r\n$7\r\n\
    replica\r\n$18\r\nreplication-offset\r\n:14\r\n$6\r\nhealth\r\n$6\r\nonline\r\n";

const SHARDS_3: &str = "*1\r\n%3\r\n$5\r\nslots\r\n*2\r\n:0\r\n:16383\r\n$5\r\nnodes\r\n*2\r\n%7\r\n$2\r\nid\r\n$40\r\n\
    fb36086bdc4246236852d6cc14e20a273cb1ef2e\r\n$4\r\nport\r\n:7816\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n$8\r\n\
    endpoint\r\n$9\r\n127.0.0.1\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$18\r\nreplication-offset\r\n:95\r\n$6\r\n\
    health\r\n$6\r\nonline\r\n%7\r\n$2\r\nid\r\n$40\r\n48832d9ae0729e599ea6263d4b7c0a3ce92c46ce\r\n$4\r\n\
    port\r\n:7819\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n$8\r\nendpoint\r\n$9\r\n127.0.0.1\r\n$4\r\nrole\r\n$7\r\n\
    replica\r\n$18\r\nreplication-offset\r\n:14\r\n$6\r\nhealth\r\n$6\r\nonline\r\n$2\r\nid\r\n$40\r\n\
    d000714c176c1af7660db56482403497de1bff1a\r\n";

const SLOTS_LONE: &str = "*1\r\n*3\r\n:0\r\n:16383\r\n*4\r\n$0\r\n\r\n:7816\r\n$40\r\nfb36086bdc4246236852d6cc14e20a273cb1ef2e\r\n\
    %0\r\n";

const SLOTS_2: &str = "*1\r\n*4\r\n:0\r\n:16383\r\n*4\r\n$9\r\n127.0.0.1\r\n:7815\r\n$40\r\n\
    781687f555729c554a13844536a5be67a59cc540\r\n*0\r\n*4\r\n$9\r\n127.0.0.1\r\n:7818\r\n$40\r\n\
    5d66fe64d29d76ab6bd9924fa5e0ef0f78589c9b\r\n*0\r\n";

const SLOTS_3: &str = "*1\r\n*4\r\n:0\r\n:16383\r\n*4\r\n$9\r\n127.0.0.1\r\n:7816\r\n$40\r\n\
    fb36086bdc4246236852d6cc14e20a273cb1ef2e\r\n%0\r\n*4\r\n$9\r\n127.0.0.1\r\n:7819\r\n$40\r\n\
    48832d9ae0729e599ea6263d4b7c0a3ce92c46ce\r\n%0\r\n";

const STATS_2: &str = "*2\r\n*2\r\n:12182\r\n*2\r\n$9\r\nkey-count\r\n:1\r\n*2\r\n:12183\r\n*2\r\n$9\r\nkey-count\r\n:0\r\n";

const STATS_3: &str = "*2\r\n*2\r\n:12182\r\n%1\r\n$9\r\nkey-count\r\n:1\r\n*2\r\n:12183\r\n%1\r\n$9\r\nkey-count\r\n:0\r\n";

const MIGRATIONS_2: &str = "*1\r\n*24\r\n$4\r\nname\r\n$40\r\n2e91b3d331793e5ed3a18b4004e7888e9d647fdf\r\n$9\r\noperation\r\n$6\r\n\
    EXPORT\r\n$11\r\nslot_ranges\r\n$3\r\n0-1\r\n$11\r\ntarget_node\r\n$40\r\n\
    48832d9ae0729e599ea6263d4b7c0a3ce92c46ce\r\n$11\r\nsource_node\r\n$40\r\n\
    fb36086bdc4246236852d6cc14e20a273cb1ef2e\r\n$11\r\ncreate_time\r\n:1795336034\r\n$16\r\n\
    last_update_time\r\n:1795336034\r\n$13\r\nlast_ack_time\r\n:1795336034\r\n$5\r\nstate\r\n$7\r\n\
    success\r\n$7\r\nmessage\r\n$0\r\n\r\n$8\r\ncow_size\r\n:0\r\n$19\r\nremaining_repl_size\r\n:0\r\n";

#[test]
fn the_state_is_described_in_both_protocols() {
    for reply in [INFO_2, INFO_3] {
        let info: ClusterInfo = decode(reply).unwrap();
        assert!(info.is_ok());
        assert_eq!(
            (info.slots_assigned, info.known_nodes, info.size),
            (16384, 1, 1)
        );
        assert!(info.other.contains_key("cluster_stats_messages_sent"));
    }
    assert!(decode::<ClusterInfo>("$0\r\n\r\n").is_err());
}

#[test]
fn links_have_a_direction() {
    for reply in [LINKS_2, LINKS_3] {
        let links: Vec<ClusterLink> = decode(reply).unwrap();
        let directions: Vec<_> = links.iter().map(|link| link.direction.as_str()).collect();
        assert_eq!(directions, ["to", "from"]);
        assert_eq!(links.first().unwrap().send_buffer_used, 48);
    }
}

#[test]
fn shards_have_slots_and_nodes() {
    let [shard] = decode::<[ClusterShard; 1]>(SHARDS_2).unwrap();
    assert_eq!(shard.slots, [(0, 16383)]);
    let roles: Vec<_> = shard.nodes.iter().map(ShardNode::is_primary).collect();
    assert_eq!((roles, shard.id), (vec![true, false], None));
    let [shard] = decode::<[ClusterShard; 1]>(SHARDS_3).unwrap();
    let node = shard.nodes.first().unwrap();
    assert_eq!(
        (node.ip.as_str(), node.port, node.tls_port),
        ("127.0.0.1", Some(7816), None)
    );
    assert_eq!(shard.id.unwrap().len(), 40);
}

#[test]
fn ranges_of_slots_have_a_primary_and_replicas() {
    for reply in [SLOTS_2, SLOTS_3] {
        let [range] = decode::<[SlotRange; 1]>(reply).unwrap();
        assert_eq!(
            (range.start, range.end, range.replicas.len()),
            (0, 16383, 1)
        );
        assert_eq!(range.primary.host.as_deref(), Some("127.0.0.1"));
    }
    let [lone] = decode::<[SlotRange; 1]>(SLOTS_LONE).unwrap();
    assert_eq!((lone.primary.host, lone.primary.port), (None, 7816));
    let old = "*1\r\n*3\r\n:0\r\n:5\r\n*2\r\n$-1\r\n:7000\r\n";
    let [old] = decode::<[SlotRange; 1]>(old).unwrap();
    assert_eq!((old.primary.host, old.primary.id), (None, None));
}

#[test]
fn slots_have_numbers() {
    for reply in [STATS_2, STATS_3] {
        let stats: Vec<SlotStats> = decode(reply).unwrap();
        let counts: Vec<_> = stats
            .iter()
            .map(|stats| (stats.slot, stats.key_count))
            .collect();
        assert_eq!(counts, [(12182, 1), (12183, 0)]);
    }
}

#[test]
fn migrations_have_a_state() {
    let [migration] = decode::<[SlotMigration; 1]>(MIGRATIONS_2).unwrap();
    assert_eq!(
        (migration.operation.as_str(), migration.state.as_str()),
        ("EXPORT", "success")
    );
    assert_eq!(migration.slot_ranges, "0-1");
}

/// As Valkey 9.1.2 sends it from a replica of the node that gets the slots.
#[test]
fn a_replica_does_not_tell_the_nodes_of_a_migration() {
    let facts = "$4\r\nname\r\n$4\r\n8299\r\n$9\r\noperation\r\n$6\r\nIMPORT\r\n$11\r\nslot_ranges\r\n$6\r\n0-4000\r\n\
        $11\r\ncreate_time\r\n:1796061882\r\n$16\r\nlast_update_time\r\n:1796061882\r\n$13\r\nlast_ack_time\r\n:1796061882\r\n\
        $5\r\nstate\r\n$20\r\noccurring-on-primary\r\n$7\r\nmessage\r\n$0\r\n\r\n$8\r\ncow_size\r\n:0\r\n\
        $19\r\nremaining_repl_size\r\n:0\r\n";
    for header in ["*1\r\n*20\r\n", "*1\r\n%10\r\n"] {
        let migrations: Vec<SlotMigration> = decode(&format!("{header}{facts}")).unwrap();
        let migration = migrations.first().unwrap();
        assert_eq!(migration.state, "occurring-on-primary");
        assert_eq!(
            (&migration.source_node, &migration.target_node),
            (&None, &None)
        );
    }
}
