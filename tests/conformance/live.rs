//! Calls whose arguments are only known at run time: what the generated ones cannot make succeed.

use typedis::Protocol;
use typedis::args::{Field, Schema};
use typedis::commands::{IndexType, OnOff};
use typedis::prelude::*;
use typedis::replies::Migrated;

use crate::server::{REDIS, VALKEY};

const EDITIONS: [&crate::server::Edition; 2] = [&VALKEY, &REDIS];

#[tokio::test]
async fn invalidations_are_redirected_to_another_client() {
    for edition in EDITIONS {
        let server = edition.start();
        for protocol in [Protocol::Resp2, Protocol::Newest] {
            let (listener, reader) = (
                server.connect(protocol).await,
                server.connect(protocol).await,
            );
            let id = listener.client_id().await.unwrap();
            let on = reader.client_tracking(OnOff::On).redirect(id);
            on.opt_out().no_loop().await.unwrap();
            assert_eq!(reader.client_getredir().await.unwrap(), id);
        }
    }
}

#[tokio::test]
async fn a_client_is_killed_by_its_address() {
    for edition in EDITIONS {
        let server = edition.start();
        let (killer, victim) = (
            server.connect(Protocol::Newest).await,
            server.connect(Protocol::Newest).await,
        );
        let info = victim.client_info().await.unwrap();
        #[allow(deprecated)]
        killer.client_kill_addr(&info.addr).await.unwrap();
        victim.ping().await.unwrap_err();
    }
}

#[tokio::test]
async fn a_key_migrates_to_another_server() {
    for edition in EDITIONS {
        let (here, there) = (edition.start(), edition.start());
        let source = here.connect(Protocol::Newest).await;
        let target = there.connect(Protocol::Newest).await;
        source.mset([("key", "1"), ("other", "2")]).await.unwrap();
        let one = source.migrate("127.0.0.1", there.port(), "key", 0, 5_000);
        assert_eq!(one.keep_source().replace().await.unwrap(), Migrated::Done);
        let both = source.migrate_keys("127.0.0.1", there.port(), 0, 5_000, ["key", "other"]);
        assert_eq!(both.replace().await.unwrap(), Migrated::Done);
        assert_eq!(source.dbsize().await.unwrap(), 0);
        assert_eq!(target.dbsize().await.unwrap(), 2);
    }
}

#[tokio::test]
async fn a_message_reaches_the_listeners_of_a_shard_channel() {
    for edition in EDITIONS {
        let server = edition.start();
        let conn = server.connect(Protocol::Newest).await;
        server.raw().call(&["SSUBSCRIBE", "news"]).unwrap();
        assert_eq!(
            conn.spublish("news", "hello").await.unwrap(),
            0,
            "it left again"
        );
        let mut listener = server.raw();
        listener.call(&["SSUBSCRIBE", "news"]).unwrap();
        assert_eq!(conn.spublish("news", "hello").await.unwrap(), 1);
    }
}

#[tokio::test]
async fn an_index_is_created_with_all_that_the_module_knows() {
    let server = REDIS.start();
    for protocol in [Protocol::Resp2, Protocol::Newest] {
        let conn = server.connect(protocol).await;
        let schema = Schema::new().field(Field::text("title"));
        let index = conn.ft_create("idx", schema).on(IndexType::Hash);
        let index = index
            .prefix(["doc:"])
            .filter("@price>1")
            .language("english");
        let index = index.language_field("lang").score(1.0).score_field("score");
        let index = index
            .payload_field("payload")
            .max_text_fields()
            .temporary(60);
        let index = index.no_offsets().no_highlight().no_fields().no_freqs();
        index.stopwords(["the"]).skip_initial_scan().await.unwrap();
        conn.ft_dropindex("idx").await.unwrap();
    }
}
