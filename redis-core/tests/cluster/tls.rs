//! Clusters whose nodes speak TLS, by themselves or behind a proxy: everything that reaches a node does so by TLS.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use typedis_core::cluster::{Cluster, slot};
use typedis_core::{Address, Config, Protocol, Run, Tls, raw};
use typedis_testkit::tls::{Authority, TlsProxy, TlsServer};
use typedis_testkit::{Cluster as Servers, ClusterBuilder, OwnTls, ServerKind, servers};

use crate::load::{Load, Tally};
use crate::support::*;

fn trust(authority: &Authority) -> Tls {
    Tls::new().ca_pem(authority.pem()).system_roots(false)
}

/// A cluster whose nodes speak TLS by themselves; `None` if no server here does.
async fn own_tls(
    authority: &Authority,
    turn_on: fn(ClusterBuilder, OwnTls) -> ClusterBuilder,
) -> Option<Arc<Servers>> {
    match blocking(|| servers::find(ServerKind::Redis8_10)).await {
        Ok(program) if program.was_built_with_tls() => {}
        Err(error) if !error.is_unavailable() => panic!("{error}"),
        _ => {
            eprintln!("skipped: there is no Redis 8.10 with TLS");
            return None;
        }
    }
    let tls = authority.node(&["127.0.0.1"]).unwrap();
    let builder = Servers::builder(ServerKind::Redis8_10)
        .replicas(1)
        .node_timeout(NODE_TIMEOUT)
        .line(STEADY);
    let builder = turn_on(builder, tls);
    Some(Arc::new(blocking(move || builder.start().unwrap()).await))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_speak_tls_are_followed_through_moves_and_failovers() {
    let authority = Authority::new("cluster").unwrap();
    let Some(servers) = own_tls(&authority, ClusterBuilder::own_tls).await else {
        return;
    };
    for protocol in BOTH {
        let config = config(&servers.tls_url()).tls(trust(&authority));
        let cluster = Cluster::open(config.protocol(protocol)).await.unwrap();
        let ports: Vec<_> = servers
            .nodes()
            .iter()
            .map(|node| node.server().tls_addr())
            .collect();
        for node in cluster.topology().nodes() {
            let known = ports
                .iter()
                .flatten()
                .any(|addr| addr.to_string() == node.address.to_string());
            assert!(known, "{} is no TLS port", node.address);
        }
        examine(&cluster, &servers, protocol).await;
    }
}

/// Commands over all slots, chains, blocking commands and subscriptions, while slots move and replicas take over.
async fn examine(cluster: &Cluster, servers: &Arc<Servers>, protocol: Protocol) {
    let prefix = format!("{protocol:?}");
    let keys: Vec<String> = (0..100).map(|number| format!("{prefix}{number}")).collect();
    let written = cluster.pipeline_each(&keys, |_, key| set(key, key));
    soon("a pipeline", written).await.unwrap();
    for key in &keys {
        assert_eq!(cluster.run(get(key)).await.unwrap().as_ref(), Some(key));
    }
    let channel = format!("{{t}}{prefix}");
    let mut news = cluster.subscribe(&channel).await.unwrap();
    let mut shard = cluster.ssubscribe(&channel).await.unwrap();
    let counter = format!("{{t}}{prefix}.counter");
    let load = Load::start(8, |_, progress| {
        let (cluster, counter) = (cluster.clone(), counter.clone());
        async move {
            let mut tally = Tally::default();
            while progress.goes_on() {
                let both = cluster.transaction().run(incr(&counter)).run(get(&counter));
                tally.note(both.await).unwrap();
                progress.add(1);
            }
            tally
        }
    });
    load.pass(20).await;
    for fails_over in [false, true] {
        let (here, list) = (cluster.clone(), format!("{{t}}{prefix}.jobs"));
        let wait = raw("BLPOP").key(&list).arg(0).blocks_for(0);
        let wait = wait.reply::<Option<(String, String)>>();
        let wait = tokio::spawn(async move { here.run(wait).await });
        change(servers, move |servers| {
            if fails_over {
                servers.fail_over(slot("t")).unwrap();
            } else {
                servers.move_slot_elsewhere(slot("t")).unwrap();
                servers.wait_until_agreed().unwrap();
            }
        })
        .await;
        load.pass(20).await;
        let push = raw("LPUSH").key(&list).arg("job").reply::<i64>();
        cluster.run(push).await.unwrap();
        let job = soon("BLPOP", wait).await.unwrap().unwrap();
        assert_eq!(job.unwrap().1, "job");
    }
    let tally: Tally = load.finish().await.into_iter().sum();
    let value = cluster.run(get(&counter)).await.unwrap();
    tally.check("the counter", value, true);
    let hears = async |channel: &mut typedis_core::Channel, command: &'static str| {
        let name = channel.name().into_owned();
        loop {
            // A subscription that has just moved may miss the first ones.
            let message = raw(command).key(&name).arg("hello").reply::<i64>();
            cluster.run(message).await.unwrap();
            let wait = Duration::from_millis(50);
            if let Ok(heard) = tokio::time::timeout(wait, channel.get::<String>()).await {
                return assert_eq!(heard.unwrap().unwrap(), "hello");
            }
        }
    };
    soon("a message", hears(&mut news, "PUBLISH")).await;
    soon(
        "a message of a shard channel",
        hears(&mut shard, "SPUBLISH"),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_behind_tls_proxies_are_reached_by_a_map_of_addresses() {
    let authority = Authority::new("cluster").unwrap();
    let identity = authority.server(&["127.0.0.1"]).unwrap();
    for kind in [ServerKind::Valkey9, ServerKind::Redis8] {
        let servers = start_steady(kind, 1).await;
        let mut proxies = HashMap::new();
        for address in servers.addrs() {
            let settings = TlsServer::new(identity.clone());
            let proxy = TlsProxy::start(address, &settings).await.unwrap();
            proxies.insert(address.port(), proxy);
        }
        let ports: HashMap<u16, u16> = proxies
            .iter()
            .map(|(port, proxy)| (*port, proxy.addr().port()))
            .collect();
        for protocol in BOTH {
            let first = proxies.values().next().unwrap().addr();
            let cluster =
                Cluster::open(mapped(first.port(), &ports, &authority).protocol(protocol));
            examine(&cluster.await.unwrap(), &servers, protocol).await;
        }
    }
}

/// A configuration that goes to the TLS port where nodes name the plain one.
fn mapped(seed: u16, ports: &HashMap<u16, u16>, authority: &Authority) -> Config {
    let ports = ports.clone();
    config(&format!("rediss-cluster://127.0.0.1:{seed}"))
        .tls(trust(authority))
        .map_address(move |address| match address {
            Address::Tcp(host, port) => {
                let port = ports.get(&port).copied().unwrap_or(port);
                Address::Tcp(host, port)
            }
            other => other,
        })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nodes_name_plain_ports_to_tls_clients_a_map_of_addresses_helps() {
    let authority = Authority::new("cluster").unwrap();
    let Some(servers) = own_tls(&authority, ClusterBuilder::own_tls_for_clients).await else {
        return;
    };
    let ports: HashMap<u16, u16> = servers
        .nodes()
        .iter()
        .map(|node| (node.addr().port(), node.server().tls_addr().unwrap().port()))
        .collect();
    let seed = *ports.values().next().unwrap();
    let cluster = Cluster::open(mapped(seed, &ports, &authority))
        .await
        .unwrap();
    for number in 0..50 {
        let key = format!("k{number}");
        soon("SET", cluster.run(set(&key, "1"))).await.unwrap();
    }
    change(&servers, |servers| servers.move_slot_elsewhere(slot("k1")))
        .await
        .unwrap();
    assert_eq!(soon("INCR", cluster.run(incr("k1"))).await.unwrap(), 2);
}
