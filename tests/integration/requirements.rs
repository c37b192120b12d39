//! What a server is too old for is explained wherever a command is sent: the conformance tests do so for all commands
//! alone and in a batch.

use typedis::prelude::*;
use typedis::{AnyClient, Error, Protocol, WithPrefix};
use typedis_testkit::{ServerKind, shared_cluster};

use crate::support::Bench;

/// Without HELLO in RESP2, the version is not known.
const SERVERS: [(Protocol, &str); 2] = [
    (Protocol::Newest, "; this server is Redis 6.2.5"),
    (Protocol::Resp2, ""),
];

fn old(protocol: Protocol) -> Bench {
    Bench::new(ServerKind::Redis6, protocol)
}

/// Checks what an error says of HGETEX, which came with Redis 8.0, and with Valkey 9.0.
#[track_caller]
fn explains(error: &Error, index: Option<usize>, server: &str) {
    let requirement = error.requirement().expect("it is explained");
    assert_eq!(requirement.command(), "HGETEX");
    let text = error.to_string();
    let end = format!("; HGETEX needs Redis 8.0 or Valkey 9.0{server}");
    assert!(text.ends_with(&end), "{text}");
    assert!(text.contains("unknown command"), "{text}");
    assert_eq!(error.index(), index, "{text}");
}

/// Checks what an error says of a command that came with Redis 7.0.
#[track_caller]
fn needs_redis_7(error: &Error, command: &str, server: &str) {
    let text = error.to_string();
    let requirement = error.requirement().expect(&text);
    assert_eq!(requirement.command(), command);
    assert_eq!(error.command(), Some(command), "{text}");
    assert!(
        text.contains(&format!("{command} needs Redis 7.0")),
        "{text}"
    );
    assert!(text.ends_with(server), "{text}");
}

#[tokio::test]
async fn a_pipeline_explains_the_command_that_is_too_new() {
    for (protocol, server) in SERVERS {
        let conn = old(protocol).connect().await;
        let failed = conn
            .pipeline()
            .set("k", "v")
            .hgetex::<String>("h", ["f"])
            .await;
        explains(&failed.expect_err("it is unknown"), Some(1), server);
        let ((), attempt, value) = conn
            .pipeline()
            .set("k", "v")
            .hgetex::<String>("h", ["f"])
            .attempt()
            .get::<String>("k")
            .await
            .expect("a failure is a value");
        explains(&attempt.expect_err("it is unknown"), Some(1), server);
        assert_eq!(value.as_deref(), Some("v"));
    }
}

#[tokio::test]
async fn a_loop_and_a_batch_explain_the_command_that_is_too_new() {
    for (protocol, server) in SERVERS {
        let conn = old(protocol).connect().await;
        let each = conn.pipeline_each(["a", "b"], |conn, key| conn.hgetex::<String>(key, ["f"]));
        explains(&each.await.expect_err("it is unknown"), Some(0), server);
        let mut batch = conn.batch();
        let _ = batch.push(typedis::cmd().set("k", "v"));
        let handle = batch.push(typedis::cmd().hgetex::<String>("h", ["f"]));
        let mut replies = batch.execute().await.expect("there are replies");
        let refused = replies.take(handle).expect_err("it is unknown");
        explains(&refused, Some(1), server);
    }
}

/// EXEC itself only says that an earlier error is the cause.
#[tokio::test]
async fn a_transaction_that_was_not_carried_out_explains_its_cause() {
    for (protocol, server) in SERVERS {
        let bench = old(protocol);
        let conn = bench.connect().await;
        let aborted = conn
            .transaction()
            .set("k", "v")
            .hgetex::<String>("h", ["f"])
            .await;
        explains(&aborted.expect_err("it is unknown"), Some(1), server);
        assert_eq!(conn.get::<String>("k").await.expect("it works"), None);
    }
}

#[tokio::test]
async fn a_watched_transaction_and_one_by_hand_explain_it_too() {
    for (protocol, server) in SERVERS {
        let pool = old(protocol).pool().await;
        let aborted = pool
            .watch(["k"], |watched| async move {
                Ok(watched.transaction().hgetex::<String>("h", ["f"]))
            })
            .await;
        explains(&aborted.expect_err("it is unknown"), Some(0), server);
        let exclusive = pool.exclusive().await.expect("there is a socket");
        let open = exclusive.begin().await.expect("MULTI is known");
        let refused = open.hgetex::<String>("h", ["f"]).await;
        explains(&refused.expect_err("it is unknown"), None, server);
        let aborted = open.exec().await.expect_err("one was refused");
        assert_eq!(
            aborted.server().expect("the server says so").code(),
            "EXECABORT"
        );
    }
}

/// An option that came later than its command.
#[tokio::test]
async fn an_option_that_is_too_new_is_explained_in_a_transaction() {
    let conn = old(Protocol::Newest).connect().await;
    let aborted = conn.transaction().expire("k", 10).nx().await;
    let error = aborted.expect_err("it is unknown");
    let text = error.to_string();
    assert!(error.requirement().is_some(), "{text}");
    assert!(text.contains("NX of EXPIRE needs Redis 7.0"), "{text}");
}

#[tokio::test]
async fn handles_around_others_explain_it_too() {
    for (protocol, server) in SERVERS {
        let bench = old(protocol);
        let (conn, pool) = (bench.connect().await, bench.pool().await);
        let clients = [
            AnyClient::new(conn.clone()),
            AnyClient::new(pool.clone()),
            AnyClient::new(conn.with_prefix("app:")),
            AnyClient::new(AnyClient::new(pool)),
        ];
        for client in clients {
            let refused = client.hgetex::<String>("h", ["f"]).await;
            explains(&refused.expect_err("it is unknown"), None, server);
        }
    }
}

#[tokio::test]
async fn a_command_that_blocks_and_a_stream_of_it_explain_it_too() {
    for (protocol, server) in SERVERS {
        let pool = old(protocol).pool().await;
        let prefixed = pool.with_prefix("app:");
        let end = || typedis::commands::ListEnd::Right;
        for reports in [false, true] {
            if reports {
                pool.on_unclaimed(|_| {});
            }
            let popped = pool.blmpop::<String>(1, ["jobs"], end()).await;
            needs_redis_7(&popped.expect_err("it is unknown"), "BLMPOP", server);
            // Its reply has a name.
            let popped = prefixed.blmpop::<String>(1, ["jobs"], end()).await;
            needs_redis_7(&popped.expect_err("it is unknown"), "BLMPOP", server);
        }
        let mut jobs = pool.blmpop::<String>(1, ["jobs"], end()).repeat();
        let job = jobs.next().await;
        needs_redis_7(&job.expect_err("it is unknown"), "BLMPOP", server);
        let mut jobs = prefixed.blmpop::<String>(1, ["jobs"], end()).repeat();
        let job = jobs.next().await;
        needs_redis_7(&job.expect_err("it is unknown"), "BLMPOP", server);
    }
}

#[cfg(feature = "cluster")]
#[tokio::test]
async fn a_cluster_explains_it_too() {
    let space = tokio::task::spawn_blocking(|| shared_cluster(ServerKind::Redis6));
    let space = space.await.expect("it starts");
    let key = space.key("h");
    for (protocol, server) in SERVERS {
        let config = typedis::Config::from_url(&space.cluster().url()).expect("it is a URL");
        let config = config.protocol(protocol);
        let cluster = typedis::cluster(config).await.expect("it lets us in");
        let refused = cluster.hgetex::<String>(&key, ["f"]).await;
        explains(&refused.expect_err("it is unknown"), None, server);
        let any = AnyClient::new(cluster.clone());
        let refused = any.hgetex::<String>(&key, ["f"]).await;
        explains(&refused.expect_err("it is unknown"), None, server);
        let end = typedis::commands::ListEnd::Right;
        let popped = cluster.blmpop::<String>(1, [&key], end).await;
        needs_redis_7(&popped.expect_err("it is unknown"), "BLMPOP", server);
        // On all primaries, as one command and by each of them.
        let flushed = cluster.function_flush().await;
        needs_redis_7(
            &flushed.expect_err("it is unknown"),
            "FUNCTION FLUSH",
            server,
        );
        let listed = cluster.each_primary().function_list().await;
        needs_redis_7(&listed.expect_err("it is unknown"), "FUNCTION LIST", server);
    }
    // An option, of a scan that goes from node to node.
    let cluster = typedis::cluster(space.cluster().url())
        .await
        .expect("it lets us in");
    cluster
        .hset(&key, [("f", "v")])
        .await
        .expect("it is a hash");
    let scanned = cluster.hscan::<String, ()>(&key, 0).no_values().stream();
    let fields = scanned.try_collect::<Vec<_>>().await;
    let text = fields.expect_err("it is unknown").to_string();
    assert!(text.contains("NOVALUES of HSCAN needs Redis 7.4"), "{text}");
}
