//! How a cluster is named, and how its nodes are reached.

use typedis_core::cluster::{Cluster, ReadFrom};
use typedis_core::{Address, Config, Connection, ErrorKind, Exclusive, Pool, Run};
use typedis_testkit::fake::{Answer, FakeCluster};
use typedis_testkit::{Cluster as Servers, ServerKind};

use crate::support::*;

#[test]
fn every_scheme_of_a_cluster_is_read_and_written() {
    let plain = Config::cluster([("a", 6379), ("b", 7000)]).database(3);
    for scheme in [
        "redis-cluster",
        "valkey-cluster",
        "redis+cluster",
        "valkey+cluster",
        "REDIS-CLUSTER",
    ] {
        let url = format!("{scheme}://a,b:7000/3");
        assert_eq!(Config::from_url(&url).unwrap(), plain, "{url}");
    }
    assert_eq!(Config::from_url(&plain.to_url()).unwrap(), plain);
    assert!(plain.to_url().starts_with("redis-cluster://"));
    let error = Config::from_url("redis-custer://a")
        .unwrap_err()
        .to_string();
    assert!(error.contains("did you mean `redis-cluster`"), "{error}");
    for other in ["redis+cluster+x://a", "http-cluster://a"] {
        let error = Config::from_url(other).unwrap_err().to_string();
        assert!(error.contains("unknown scheme"), "{error}");
    }
    let both = "redis+sentinel://a/service?cluster=on";
    let error = Config::from_url(both).unwrap_err().to_string();
    assert!(error.contains("exclude each other"), "{error}");
}

#[cfg(feature = "tls")]
#[test]
fn schemes_with_tls_switch_it_on() {
    for scheme in [
        "rediss-cluster",
        "valkeys-cluster",
        "rediss+cluster",
        "valkeys+cluster",
    ] {
        let config = Config::from_url(&format!("{scheme}://a")).unwrap();
        assert!(config.to_url().starts_with("rediss-cluster://"), "{scheme}");
    }
}

#[test]
fn where_reads_go_is_part_of_the_configuration() {
    for (text, nodes) in [
        ("primary", ReadFrom::Primary),
        ("prefer_replica", ReadFrom::PreferReplica),
        ("replica", ReadFrom::Replica),
        ("any", ReadFrom::Any),
        ("nearest", ReadFrom::Nearest),
        ("zone:eu-1a", ReadFrom::Zone("eu-1a".to_owned())),
    ] {
        let config = Config::cluster([("a", 6379)]).read_from(nodes);
        let url = format!("redis-cluster://a?read_from={text}");
        assert_eq!(Config::from_url(&url).unwrap(), config, "{url}");
        assert_eq!(Config::from_url(&config.to_url()).unwrap(), config);
    }
    let wrong = "redis-cluster://a?read_from=zone:";
    let error = Config::from_url(wrong).unwrap_err().to_string();
    assert!(error.contains("known are `primary`"), "{error}");
}

#[cfg(feature = "serde")]
#[test]
fn a_file_says_the_same_as_a_url() {
    let url = Config::from_url("redis-cluster://a,b/2?read_from=any").unwrap();
    for text in [
        r#"{"url": "redis-cluster://a,b/2", "read_from": "any"}"#,
        r#"{"host": "a", "hosts": ["b"], "database": 2, "cluster": true, "read_from": "any"}"#,
    ] {
        assert_eq!(serde_json::from_str::<Config>(text).unwrap(), url, "{text}");
    }
    let written = serde_json::to_string(&url).unwrap();
    assert_eq!(serde_json::from_str::<Config>(&written).unwrap(), url);
}

#[tokio::test]
async fn what_leads_to_one_server_refuses_a_cluster_and_says_what_opens_it() {
    let url = "redis-cluster://127.0.0.1:1";
    let errors = [
        Connection::open(url).await.map(drop).unwrap_err(),
        Connection::lazy(url).map(drop).unwrap_err(),
        Pool::open(url).await.map(drop).unwrap_err(),
        Pool::lazy(url).map(drop).unwrap_err(),
        Exclusive::open(url).await.map(drop).unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error.kind(), ErrorKind::Config(_)), "{error}");
        let text = error.to_string();
        assert!(text.contains("`typedis::cluster(..)`"), "{text}");
    }
    let read_from = "redis://127.0.0.1:1?read_from=replica";
    let error = Connection::open(read_from).await.map(drop).unwrap_err();
    assert!(error.to_string().contains("`read_from` is for clusters"));
}

#[tokio::test]
async fn addresses_are_mapped_in_the_map_and_in_redirects() {
    // Nodes name addresses that nobody can reach.
    let fake = FakeCluster::start(3, |asked| {
        match (asked.command.name().as_str(), asked.node) {
            ("GET", 0) => Answer::error("MOVED 12182 10.9.9.2:6379"),
            ("GET", 1) => Answer::error("ASK 12182 10.9.9.3:6379"),
            ("GET", _) if asked.asking => Answer::Reply(b"+there\r\n".to_vec()),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    let told = b"*1\r\n*3\r\n:0\r\n:16383\r\n*4\r\n$8\r\n10.9.9.1\r\n:6379\r\n$1\r\na\r\n*0\r\n";
    fake.tell(0, told.to_vec());
    fake.tell(1, told.to_vec());
    fake.tell(2, told.to_vec());
    let ports: Vec<u16> = (0..3).map(|node| fake.node(node).addr().port()).collect();
    let config = config(&fake.url()).map_address(move |address| match address {
        Address::Tcp(host, 6379) => {
            let number = host.rsplit('.').next().and_then(|end| end.parse().ok());
            let place: usize = number.unwrap_or_default();
            Address::Tcp("127.0.0.1".to_owned(), ports[place - 1])
        }
        other => other,
    });
    let cluster = Cluster::open(config).await.unwrap();
    let reply = soon("a mapped redirect", cluster.run(get("foo"))).await;
    assert_eq!(reply.unwrap().unwrap(), "there");
    for node in cluster.topology().nodes() {
        assert!(node.address.to_string().starts_with("127.0.0.1:"));
    }
}

#[tokio::test]
async fn a_numbered_database_is_used_on_every_node_where_clusters_have_them() {
    let servers = Servers::builder(ServerKind::Valkey9).line("cluster-databases 16");
    let servers = blocking(move || servers.start().unwrap()).await;
    for protocol in BOTH {
        let url = servers.url();
        let other = config(&format!("{url}/3")).protocol(protocol);
        let other = Cluster::open(other).await.unwrap();
        let first = Cluster::open(config(&url)).await.unwrap();
        for key in ["a", "b", "c", "d"] {
            other.run(set(key, "3")).await.unwrap();
            assert_eq!(first.run(get(key)).await.unwrap(), None);
            assert_eq!(other.run(get(key)).await.unwrap().unwrap(), "3");
        }
    }
    let error = Cluster::open(config(&format!("{}/99", servers.url())));
    let error = error.await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Config(_)), "{error}");
    assert!(error.to_string().contains("no database 99"), "{error}");
}

#[tokio::test]
async fn a_cluster_without_numbered_databases_says_so() {
    for kind in [ServerKind::Valkey9, ServerKind::Redis8, ServerKind::Redis6] {
        let space = keys_of(kind).await;
        let url = format!("{}/1", space.cluster().url());
        let error = Cluster::open(config(&url)).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Config(_)), "{error}");
        assert!(error.to_string().contains("no database 1"), "{error}");
        open(space.cluster()).await;
    }
}
