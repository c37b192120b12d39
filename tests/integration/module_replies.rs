//! What commands of modules do otherwise than others of their kind, on a real server.

use typedis::args::JsonPath;
use typedis::prelude::*;
use typedis::{Phase, Protocol, Result};
use typedis_testkit::ServerKind;

use crate::support::Bench;

const BOTH: [Protocol; 2] = [Protocol::Newest, Protocol::Resp2];

async fn stack(protocol: Protocol) -> Connection {
    Bench::new(ServerKind::RedisStack, protocol).connect().await
}

/// For this reason JSON.MERGE is not sent again after a lost connection.
#[tokio::test]
async fn json_merge_keeps_nulls_the_first_time_only() -> Result<()> {
    for protocol in BOTH {
        let conn = stack(protocol).await;
        let merge = async |path: &str| {
            assert!(conn.json_merge("doc", path, r#"{"a":null,"b":1}"#).await?);
            conn.json_get::<String>("doc")
                .path(JsonPath::from("."))
                .await
        };
        assert_eq!(merge("$").await?.as_deref(), Some(r#"{"a":null,"b":1}"#));
        assert_eq!(merge("$").await?.as_deref(), Some(r#"{"b":1}"#));
        assert_eq!(
            merge("$.c").await?.as_deref(),
            Some(r#"{"b":1,"c":{"a":null,"b":1}}"#)
        );
        assert_eq!(
            merge("$.c").await?.as_deref(),
            Some(r#"{"b":1,"c":{"b":1}}"#)
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_full_counter_hides_no_other() -> Result<()> {
    for protocol in BOTH {
        let conn = stack(protocol).await;
        conn.cms_initbydim("sketch", 1_000, 5).await?;
        let pairs = [("full", 2_147_483_647), ("other", 1)];
        for time in 1..=2 {
            let counts = conn.cms_incrby("sketch", pairs).await?;
            assert_eq!(counts, [Ok(time * 2_147_483_647), Ok(time)]);
        }
        let counts = conn.cms_incrby("sketch", pairs).await?;
        let [Err(full), Ok(3)] = counts.as_slice() else {
            panic!("{counts:?}");
        };
        assert_eq!(full.to_string(), "CMS: INCRBY overflow");
        let counts = conn.cms_query("sketch", ["full", "other"]).await?;
        assert_eq!(counts, [4_294_967_295, 3]);
    }
    Ok(())
}

/// The server would announce three elements and send two.
#[tokio::test]
async fn a_count_that_breaks_the_reply_is_not_sent() -> Result<()> {
    for protocol in BOTH {
        let conn = stack(protocol).await;
        conn.topk_reserve("top", 3).await?;
        for wrong in [100_001, -1, i64::MAX] {
            let error = conn
                .topk_incrby::<String>("top", [("a", 1), ("b", wrong), ("c", 1)])
                .await
                .expect_err("it is out of range");
            assert_eq!(error.phase(), Phase::NotSent);
            assert_eq!(
                error.to_string(),
                format!(
                    "TOPK.INCRBY: argument `pairs`: {wrong} is not from 0 to 100000; nothing was sent"
                )
            );
        }
        let none: Option<String> = None;
        let counted = conn
            .topk_incrby("top", [("a", 100_000), ("b", 0), ("c", 1)])
            .await?;
        assert_eq!(counted, [none.clone(), none.clone(), none]);
        assert_eq!(
            conn.topk_list::<String>("top")
                .await?
                .first()
                .map(String::as_str),
            Some("a")
        );
    }
    Ok(())
}
