//! What commands of modules do otherwise than others of their kind, on a real server.

use typedis::args::JsonPath;
use typedis::prelude::*;
use typedis::{Protocol, Result};
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
