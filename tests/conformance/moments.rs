//! Calls that only a certain moment lets succeed: while a replica follows, a script runs, a shutdown waits.

use std::thread;
use std::time::{Duration, Instant};

use typedis::args::HotkeyMetrics;
use typedis::prelude::*;
use typedis::replies::{BackupState, Role};
use typedis::{Config, Protocol};
use typedis_testkit::{Server, ServerBuilder};

use crate::server::{Edition, says_within, since, wait_for};

pub(crate) const PROTOCOLS: [Protocol; 2] = [Protocol::Resp2, Protocol::Newest];

pub(crate) async fn connect(server: &Server, protocol: Protocol) -> Exclusive {
    let config = Config::from_url(&server.url()).expect("the kit makes good URLs");
    let config = config.protocol(protocol);
    typedis::exclusive(config)
        .await
        .expect("the server lets us in")
}

pub(crate) fn start(builder: ServerBuilder) -> Server {
    builder.start().expect("the server starts")
}

/// A primary and the replica that follows it.
fn pair(edition: &Edition) -> (Server, Server) {
    pair_of(edition, edition.builder())
}

/// The same, with settings of the primary.
fn pair_of(edition: &Edition, primary: ServerBuilder) -> (Server, Server) {
    let settings = |builder: ServerBuilder| builder.line("repl-diskless-sync-delay 0");
    let primary = start(settings(primary));
    let replica = settings(edition.builder());
    let replica = start(replica.line(format!("replicaof 127.0.0.1 {}", primary.port())));
    follows(&primary, &replica);
    (primary, replica)
}

/// Waits until a primary knows its replica to be up to date.
fn follows(primary: &Server, replica: &Server) {
    wait_for(primary, &["INFO", "replication"], "role:master");
    let online = format!("port={},state=online", replica.port());
    wait_for(primary, &["INFO", "replication"], &online);
}

/// The second time it says so: `OK Already connected to specified master`.
#[tokio::test]
#[allow(deprecated)]
async fn a_replica_may_be_told_twice_whom_it_follows() {
    for edition in since("6.2.0") {
        let (primary, replica) = pair(edition);
        for protocol in PROTOCOLS {
            let conn = connect(&replica, protocol).await;
            let port = primary.port();
            let again = conn.replicaof("127.0.0.1", port).await;
            again.unwrap_or_else(|error| panic!("{}, {protocol:?}: {error}", edition.name()));
            conn.slaveof("127.0.0.1", port).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_failover_begins_and_is_stopped() {
    for edition in since("6.2.0") {
        let (primary, replica) = pair(edition);
        for protocol in PROTOCOLS {
            let conn = connect(&primary, protocol).await;
            assert!(matches!(conn.role().await.unwrap(), Role::Primary { .. }));
            let follower = connect(&replica, protocol).await;
            assert!(matches!(
                follower.role().await.unwrap(),
                Role::Replica { .. }
            ));
            // As long as it has not caught up, the failover goes on.
            replica.pause().unwrap();
            conn.set("key", "behind").await.unwrap();
            let (host, port) = ("127.0.0.1", replica.port());
            conn.failover().await.unwrap();
            conn.failover_abort().await.unwrap();
            conn.failover().server_timeout(60_000).await.unwrap();
            conn.failover_abort().await.unwrap();
            conn.failover().to(host, port).await.unwrap();
            conn.failover_abort().await.unwrap();
            let forced = conn.failover().to(host, port).server_timeout(60_000);
            forced.force().await.unwrap();
            conn.failover_abort().await.unwrap();
            replica.resume().unwrap();
        }
    }
}

#[tokio::test]
async fn a_failover_ends_with_the_roles_exchanged() {
    for edition in since("6.2.0") {
        for protocol in PROTOCOLS {
            let (primary, replica) = pair(edition);
            let conn = connect(&primary, protocol).await;
            let follower = connect(&replica, protocol).await;
            conn.set("key", "kept").await.unwrap();
            conn.failover()
                .to("127.0.0.1", replica.port())
                .await
                .unwrap();
            wait_for(&primary, &["ROLE"], "slave");
            follows(&replica, &primary);
            assert!(matches!(
                follower.role().await.unwrap(),
                Role::Primary { .. }
            ));
            let kept: Option<String> = follower.get("key").await.unwrap();
            assert_eq!(kept.as_deref(), Some("kept"));
        }
    }
}

#[tokio::test]
async fn a_shutdown_that_waits_for_a_replica_is_stopped() {
    for edition in since("7.0.0") {
        // It waits for 10 s otherwise, which may be over before it is stopped on a busy machine.
        let patient = edition.builder().line("shutdown-timeout 600");
        let (primary, replica) = pair_of(edition, patient);
        for protocol in PROTOCOLS {
            let conn = connect(&primary, protocol).await;
            replica.pause().unwrap();
            conn.set("key", "behind").await.unwrap();
            let mut raw = primary.connect().unwrap();
            let waiting = thread::spawn(move || raw.call(&["SHUTDOWN"]));
            let mut stopped = conn.shutdown_abort().await;
            while stopped.is_err() && !waiting.is_finished() {
                tokio::time::sleep(Duration::from_millis(10)).await;
                stopped = conn.shutdown_abort().await;
            }
            stopped.unwrap();
            waiting.join().unwrap().unwrap_err();
            replica.resume().unwrap();
            conn.ping().await.unwrap();
        }
    }
}

const FOREVER: &str = "#!lua name=mylib
    redis.register_function{function_name='f', callback=function() while true do end end}";

#[tokio::test]
async fn a_script_and_a_function_are_killed() {
    for edition in since("6.2.0") {
        let server = start(edition.builder().line("lua-time-limit 10"));
        for protocol in PROTOCOLS {
            let conn = connect(&server, protocol).await;
            let script = busy(&server, &["EVAL", "while true do end", "0"]);
            conn.script_kill().await.unwrap();
            script.join().unwrap().unwrap_err();
            if !edition.has("7.0.0") {
                continue;
            }
            conn.function_load(FOREVER).replace().await.unwrap();
            let function = busy(&server, &["FCALL", "f", "0"]);
            let running = conn.function_stats().await.unwrap().running_script;
            assert_eq!(running.unwrap().name, "f");
            conn.function_kill().await.unwrap();
            function.join().unwrap().unwrap_err();
        }
    }
}

/// Starts a call that does not end, and waits until the server says that it is busy.
fn busy(
    server: &Server,
    words: &'static [&'static str],
) -> thread::JoinHandle<std::io::Result<String>> {
    let mut raw = server.connect().unwrap();
    let call = thread::spawn(move || raw.call(words));
    wait_for(server, &["GET", "key"], "BUSY");
    call
}

#[tokio::test]
async fn functions_are_dumped_and_restored() {
    for edition in since("7.0.0") {
        let server = start(edition.builder());
        for protocol in PROTOCOLS {
            let conn = connect(&server, protocol).await;
            conn.function_load(FOREVER).replace().await.unwrap();
            let dump = conn.function_dump().await.unwrap();
            conn.function_restore(dump.clone()).await.unwrap_err();
            conn.function_restore(dump.clone()).replace().await.unwrap();
            conn.function_restore(dump.clone())
                .flush_first()
                .await
                .unwrap();
            conn.function_flush().await.unwrap();
            conn.function_restore(dump.clone())
                .append_new()
                .await
                .unwrap();
            conn.function_flush().await.unwrap();
            conn.function_restore(dump).await.unwrap();
            assert_eq!(conn.function_list().await.unwrap().len(), 1);
        }
    }
}

#[tokio::test]
async fn the_channels_of_listeners_are_listed() {
    for edition in since("7.0.0") {
        let server = start(edition.builder());
        for protocol in PROTOCOLS {
            let conn = connect(&server, protocol).await;
            let mut listener = server.connect().unwrap();
            listener.call(&["SUBSCRIBE", "news"]).unwrap();
            listener.call(&["SSUBSCRIBE", "shard"]).unwrap();
            listener.call(&["PSUBSCRIBE", "n*"]).unwrap();
            assert_eq!(conn.pubsub_channels().await.unwrap(), ["news"]);
            assert_eq!(conn.pubsub_shardchannels().await.unwrap(), ["shard"]);
            assert_eq!(conn.pubsub_numpat().await.unwrap(), 1);
            let counts = conn.pubsub_numsub(["news"]).await.unwrap();
            assert_eq!(counts, [("news".into(), 1)]);
            let counts = conn.pubsub_shardnumsub(["shard"]).await.unwrap();
            assert_eq!(counts, [("shard".into(), 1)]);
            drop(listener);
            wait_for(&server, &["PUBSUB", "NUMPAT"], ":0");
        }
    }
}

#[tokio::test]
async fn nodes_meet_and_their_roles_change() {
    for edition in since("6.2.0") {
        for protocol in PROTOCOLS {
            let node = || {
                let builder = edition.builder().cluster();
                start(builder.line("cluster-node-timeout 2000"))
            };
            let (one, other) = (node(), node());
            let (a, b) = (
                connect(&one, protocol).await,
                connect(&other, protocol).await,
            );
            let all: Vec<u16> = (0..=16_383).collect();
            a.cluster_addslots(&all).await.unwrap();
            let meet = a.cluster_meet("127.0.0.1", other.port());
            meet.cluster_bus_port(bus(&other)).await.unwrap();
            let id = a.cluster_myid().await.unwrap();
            wait_for(&other, &["CLUSTER", "NODES"], "0-16383");
            b.cluster_replicate(&*id).await.unwrap();
            wait_for(&other, &["INFO", "replication"], "master_link_status:up");
            wait_for(&one, &["CLUSTER", "NODES"], "slave");
            assert_eq!(a.cluster_replicas(&*id).await.unwrap().len(), 1);
            if edition.has("7.0.0") {
                assert_eq!(a.cluster_shards().await.unwrap().len(), 1);
                assert!(!a.cluster_links().await.unwrap().is_empty());
            }
            take_over(&b, &other).await;
        }
    }
}

/// Makes a replica take over. Servers give that up after 5 s, as on a busy machine; then it is asked for again.
async fn take_over(conn: &Exclusive, replica: &Server) {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let asked = conn.cluster_failover().await;
        let ends = Duration::from_secs(6);
        match says_within(replica, &["INFO", "replication"], "role:master", ends) {
            Ok(()) => return,
            Err(reply) => assert!(Instant::now() < end, "{asked:?}: {reply}"),
        }
    }
}

#[tokio::test]
async fn a_backup_is_sealed_and_another_stopped() {
    for edition in since("8.10.0") {
        for protocol in PROTOCOLS {
            let server = start(edition.builder());
            let conn = connect(&server, protocol).await;
            conn.set("key", "value").await.unwrap();
            conn.backup_start().await.unwrap();
            wait_for(&server, &["BACKUP", "STATUS"], "incrementing");
            assert_eq!(conn.backup_list().await.unwrap().len(), 1);
            conn.backup_seal().await.unwrap();
            let status = conn.backup_status().await.unwrap();
            assert_eq!(status.state, BackupState::Sealed);
            assert!(status.end_time >= status.start_time);
            assert_eq!(conn.backup_list().await.unwrap().len(), 3);
            conn.backup_cleanup().await.unwrap();
            let idle = conn.backup_status().await.unwrap();
            assert_eq!((idle.state, idle.start_time), (BackupState::Idle, None));

            conn.backup_start().await.unwrap();
            wait_for(&server, &["BACKUP", "STATUS"], "incrementing");
            conn.backup_abort().await.unwrap();
            let failed = conn.backup_status().await.unwrap();
            assert_eq!(failed.state, BackupState::Failed);
            assert_eq!(failed.error.as_deref(), Some("aborted by user"));
        }
    }
}

#[tokio::test]
async fn hot_keys_are_tracked_in_some_slots_of_a_node() {
    for edition in since("8.6.0") {
        let node = start(edition.builder().cluster());
        for protocol in PROTOCOLS {
            let conn = connect(&node, protocol).await;
            assert_eq!(conn.hotkeys_get().await.unwrap(), None);
            let all: Vec<u16> = (0..=16_383).collect();
            conn.cluster_flushslots().await.unwrap();
            conn.cluster_addslots(&all).await.unwrap();
            wait_for(&node, &["CLUSTER", "INFO"], "cluster_state:ok");
            let slot = conn.cluster_keyslot("key").await.unwrap();
            let tracking = conn.hotkeys_start(HotkeyMetrics::CpuAndNet);
            let tracking = tracking.count(2).duration(60).sample(1);
            tracking.slots([5, 6, slot]).await.unwrap();
            conn.set("key", "value").await.unwrap();
            let found = conn.hotkeys_get().await.unwrap().unwrap();
            assert!(found.is_active);
            assert_eq!(found.selected_slots, [(5, 6), (slot, slot)]);
            assert_eq!(found.by_net_bytes.len(), 1);
            assert!(found.selected_commands_bytes > Some(0));
            assert!(conn.hotkeys_stop().await.unwrap());
            assert!(!conn.hotkeys_stop().await.unwrap(), "it was off");
            assert!(!conn.hotkeys_get().await.unwrap().unwrap().is_active);
            conn.hotkeys_reset().await.unwrap();
            conn.flushall().await.unwrap();
        }
    }
}

#[tokio::test]
async fn slots_migrate_with_their_keys() {
    for edition in since("8.4.0") {
        for protocol in PROTOCOLS {
            let node = || start(edition.builder().cluster());
            let (one, other) = (node(), node());
            let (a, b) = (
                connect(&one, protocol).await,
                connect(&other, protocol).await,
            );
            let all: Vec<u16> = (0..=16_383).collect();
            a.cluster_addslots(&all).await.unwrap();
            let meet = a.cluster_meet("127.0.0.1", other.port());
            meet.cluster_bus_port(bus(&other)).await.unwrap();
            wait_for(&other, &["CLUSTER", "NODES"], "0-16383");
            wait_for(&other, &["CLUSTER", "INFO"], "cluster_state:ok");
            // Of slot 100.
            a.set("user:6980", "moved").await.unwrap();
            let task = b.cluster_migration_import([(0, 99), (100, 199)]).await;
            let task = task.unwrap();
            wait_for(
                &other,
                &["CLUSTER", "MIGRATION", "STATUS", "ALL"],
                "completed",
            );
            for conn in [&a, &b] {
                let tasks = conn.cluster_migration_status().task(&*task).await.unwrap();
                assert_eq!(tasks.len(), 1);
                assert_eq!((&*tasks[0].id, &*tasks[0].slots), (&*task, "0-199"));
            }
            let moved: Option<String> = b.get("user:6980").await.unwrap();
            assert_eq!(moved.as_deref(), Some("moved"));
            assert_eq!(b.cluster_migration_cancel().all().await.unwrap(), 0);
        }
    }
}

/// The port of a node for the others: the kit leaves it where servers put it by themselves.
fn bus(node: &Server) -> u16 {
    node.port() + 10_000
}
