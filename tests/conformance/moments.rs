//! Calls that only a certain moment lets succeed: while a replica follows, a script runs, a shutdown waits.

use std::thread;
use std::time::Duration;

use typedis::prelude::*;
use typedis::replies::Role;
use typedis::{Config, Protocol};
use typedis_testkit::{Server, ServerBuilder};

use crate::server::{Edition, since, wait_for};

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
    let settings = |builder: ServerBuilder| builder.line("repl-diskless-sync-delay 0");
    let primary = start(settings(edition.builder()));
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
        let (primary, replica) = pair(edition);
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
            meet.cluster_bus_port(bus(edition, &other)).await.unwrap();
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
            b.cluster_failover().await.unwrap();
            wait_for(&other, &["INFO", "replication"], "role:master");
        }
    }
}

/// The port of a node for the others, which cannot be set before 7.0.
fn bus(edition: &Edition, node: &Server) -> u16 {
    if !edition.has("7.0.0") {
        return node.port() + 10_000;
    }
    let mut conn = node.connect().expect("the node lets us in");
    let port = conn.call(&["CONFIG", "GET", "cluster-port"]);
    let port = port.expect("it is a setting");
    let line = port.trim().lines().last();
    line.and_then(|line| line.parse().ok())
        .expect("it is a port")
}
