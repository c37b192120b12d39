//! Calls whose replies have an unusual form on a real server.

use typedis::prelude::*;
use typedis::{Config, ErrorKind, Phase, Protocol, Result};
use typedis_testkit::{SentinelService, ServerKind};

use crate::support::Bench;

const BOTH: [Protocol; 2] = [Protocol::Newest, Protocol::Resp2];

#[tokio::test]
async fn a_sentinel_says_hello_without_a_role() -> Result<()> {
    let service = SentinelService::start().expect("the servers start");
    let sentinel = service.sentinels.first().expect("there are three");
    for protocol in BOTH {
        let config = Config::from_url(&sentinel.url())?.protocol(protocol);
        let hello = typedis::pool(config)
            .await?
            .exclusive()
            .await?
            .hello()
            .await?;
        assert_eq!((hello.mode.as_str(), hello.role), ("sentinel", None));
    }
    Ok(())
}

#[tokio::test]
async fn a_group_may_have_read_more_than_its_stream_has() -> Result<()> {
    for protocol in BOTH {
        let conn = Bench::new(ServerKind::default(), protocol).connect().await;
        conn.xadd("stream", "*", [("n", 1)]).await?;
        conn.xgroup_create("stream", "group", "$")
            .entries_read(10)
            .await?;
        let groups = conn.xinfo_groups("stream").await?;
        let full = conn.xinfo_stream("stream").full().await?;
        let lags = [groups[0].lag, full.groups[0].lag];
        assert_eq!(lags, [Some(-9); 2], "{protocol:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_search_that_returns_a_list_of_no_fields_is_refused() {
    let conn = Bench::new(ServerKind::default(), Protocol::Newest)
        .connect()
        .await;
    let none: Vec<&str> = Vec::new();
    let search = conn.ft_search::<String>("index", "*").return_fields(none);
    let error = search.await.expect_err("there are no fields");
    assert!(matches!(error.kind(), ErrorKind::Argument(_)), "{error}");
    assert_eq!(error.phase(), Phase::NotSent, "{error}");
}
