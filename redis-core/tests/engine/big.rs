//! Large values and long pipelines, both ways at once.

use tokio::task::JoinSet;
use typedis_core::{Run, raw};

use crate::support::*;

/// Reading goes on while writing is blocked, or both sides would wait for each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_values_both_ways_at_once_do_not_deadlock() {
    let size = size("TYPEDIS_BIG", 16 << 20);
    let (proxy, config) = proxied(&db()).await;
    let conn = connect(config).await;
    let mut tasks = JoinSet::new();
    for task in 0..4 {
        let conn = conn.clone();
        tasks.spawn(async move {
            let key = format!("big:{task}");
            let value = vec![b'a' + task; size];
            let set = raw("SET").key(&key).arg(&value[..]).reply::<()>();
            let get = || raw("GET").key(&key).reply::<bytes::Bytes>();
            let (set, first, second) =
                tokio::join!(conn.run(set), conn.run(get()), conn.run(get()));
            set.unwrap();
            assert!(first.unwrap() == value && second.unwrap() == value);
        });
    }
    soon("large values", tasks.join_all()).await;
    assert_eq!(proxy.accepted(), 1);
    ping_works(&conn).await;
}

#[tokio::test]
async fn a_long_pipeline_of_large_replies_completes() {
    let conn = connect(on(&db())).await;
    conn.run(set("k", &"x".repeat(10_000))).await.unwrap();
    let each = conn.pipeline_each(0..2_000, |c, _| {
        c.run(raw("GET").key("k").reply::<bytes::Bytes>())
    });
    let replies = soon("a long pipeline", each).await.unwrap();
    assert!(replies.iter().all(|reply| reply.len() == 10_000));
}

#[tokio::test]
async fn a_pipeline_of_a_hundred_thousand_commands_completes() {
    let conn = connect(on(&db())).await;
    let each = conn.pipeline_each(0..100_000, |c, _| c.run(incr("n")));
    let replies = soon("a long pipeline", each).await.unwrap();
    assert!(replies.into_iter().eq(1..=100_000));
}

#[tokio::test]
async fn a_reply_of_a_million_elements_completes() {
    let conn = connect(on(&db())).await;
    let script = "local t = {} for i = 1, 1000000 do t[i] = i end return t";
    let call = conn.run(raw("EVAL").arg(script).arg(0).reply::<Vec<i64>>());
    let reply = soon("a long reply", call).await.unwrap();
    assert!(reply.into_iter().eq(1..=1_000_000));
    ping_works(&conn).await;
}

/// Small traffic goes on while a large value is under way, in order.
#[tokio::test]
async fn small_commands_between_large_ones_keep_their_order() {
    let (proxy, config) = proxied(&db()).await;
    let conn = connect(config).await;
    for lane in proxy.lanes() {
        lane.rate(50 << 20);
    }
    let value = "x".repeat(1 << 20);
    for round in 0..5 {
        let set = conn.run(set("big", &value)).send();
        let texts: Vec<_> = (0..100).map(|index| format!("{round}:{index}")).collect();
        let get = conn.run(raw("GET").key("big").reply::<String>()).send();
        let echoes = all(texts.iter().map(|text| conn.run(echo(text)))).await;
        set.await.unwrap();
        assert!(get.await.unwrap() == value);
        for (text, reply) in texts.iter().zip(echoes) {
            assert_eq!(reply.unwrap(), *text);
        }
    }
}
