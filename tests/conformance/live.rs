//! Calls whose arguments are only known at run time: what the generated ones cannot make succeed.

use typedis::Protocol;
use typedis::args::{AggregateSteps, Field, Schema};
use typedis::commands::{IndexType, OnOff};
use typedis::prelude::*;
use typedis::replies::Migrated;

use crate::server::{Edition, REDIS_STACK, since};

static STACK: Edition = REDIS_STACK;

#[tokio::test]
async fn invalidations_are_redirected_to_another_client() {
    for edition in since("6.2.0") {
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
async fn several_settings_and_sections_are_read_at_once() {
    for edition in since("7.0.0") {
        let server = edition.start();
        for protocol in [Protocol::Resp2, Protocol::Newest] {
            let conn = server.connect(protocol).await;
            let settings = conn.config_get(["maxmemory", "port"]).await.unwrap();
            assert_eq!(settings.len(), 2);
            let info = conn.info().section(["server", "memory"]).await.unwrap();
            assert_eq!(info.sections.len(), 2);
        }
    }
}

#[tokio::test]
async fn a_client_is_killed_by_its_address() {
    for edition in since("6.2.0") {
        let server = edition.start();
        for protocol in [Protocol::Resp2, Protocol::Newest] {
            let killer = server.connect(protocol).await;
            let victim = server.connect(protocol).await;
            let info = victim.client_info().await.unwrap();
            #[allow(deprecated)]
            killer.client_kill_addr(&info.addr).await.unwrap();
            victim.ping().await.unwrap_err();
        }
    }
}

#[tokio::test]
async fn a_key_migrates_to_another_server() {
    for edition in since("6.2.0") {
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
    for edition in since("7.0.0") {
        let server = edition.start();
        let conn = server.connect(Protocol::Newest).await;
        server.raw().call(&["SSUBSCRIBE", "news"]).unwrap();
        // It has left again, which the server may see a little later.
        let mut heard = 1;
        for _ in 0..10_000 {
            heard = conn.spublish("news", "hello").await.unwrap();
            if heard == 0 {
                break;
            }
        }
        assert_eq!(heard, 0);
        let mut listener = server.raw();
        listener.call(&["SSUBSCRIBE", "news"]).unwrap();
        assert_eq!(conn.spublish("news", "hello").await.unwrap(), 1);
    }
}

#[tokio::test]
async fn an_index_is_created_with_all_that_the_module_knows() {
    if !STACK.is_here() {
        return;
    }
    let server = STACK.start();
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

#[tokio::test]
async fn a_cursor_is_read_to_its_end_or_deleted() {
    type Row = std::collections::HashMap<String, String>;
    if !STACK.is_here() {
        return;
    }
    let server = STACK.start();
    for protocol in [Protocol::Resp2, Protocol::Newest] {
        let conn = server.connect(protocol).await;
        let schema = Schema::new().field(Field::numeric("price"));
        conn.ft_create("idx", schema).prefix("doc:").await.unwrap();
        for price in 1..=3 {
            conn.hset(format!("doc:{price}"), ("price", price))
                .await
                .unwrap();
        }
        let rows = || conn.ft_aggregate::<Row>("idx", "*", AggregateSteps::new().load_all());
        let (first, cursor) = rows().with_cursor().count(2).await.unwrap();
        assert_eq!(first.rows.len(), 2);
        let (rest, end) = conn
            .ft_cursor_read::<Row>("idx", cursor)
            .count(2)
            .await
            .unwrap();
        assert_eq!((rest.rows.len(), end), (1, 0));
        let (_, cursor) = rows().with_cursor().count(1).await.unwrap();
        let (_, cursor) = conn.ft_cursor_read::<Row>("idx", cursor).await.unwrap();
        conn.ft_cursor_del("idx", cursor).await.unwrap();
        conn.ft_cursor_read::<Row>("idx", cursor).await.unwrap_err();
        conn.ft_dropindex("idx").delete_documents().await.unwrap();
    }
}

#[tokio::test]
async fn filters_are_dumped_and_restored_part_by_part() {
    if !STACK.is_here() {
        return;
    }
    let server = STACK.start();
    for protocol in [Protocol::Resp2, Protocol::Newest] {
        let conn = server.connect(protocol).await;
        conn.flushall().await.unwrap();
        conn.bf_add("bloom", "item").await.unwrap();
        conn.cf_add("cuckoo", "item").await.unwrap();
        let mut next = 0;
        loop {
            let (number, data) = conn.bf_scandump("bloom", next).await.unwrap();
            if number == 0 {
                break;
            }
            conn.bf_loadchunk("bloom2", number, data).await.unwrap();
            next = number;
        }
        assert!(conn.bf_exists("bloom2", "item").await.unwrap());
        let mut next = 0;
        loop {
            let (number, data) = conn.cf_scandump("cuckoo", next).await.unwrap();
            let Some(data) = data.filter(|_| number != 0) else {
                break;
            };
            conn.cf_loadchunk("cuckoo2", number, data).await.unwrap();
            next = number;
        }
        assert!(conn.cf_exists("cuckoo2", "item").await.unwrap());
    }
}

#[tokio::test]
async fn a_full_filter_answers_in_line() {
    use typedis::replies::CuckooInsert;
    if !STACK.is_here() {
        return;
    }
    let server = STACK.start();
    for protocol in [Protocol::Resp2, Protocol::Newest] {
        let conn = server.connect(protocol).await;
        conn.flushall().await.unwrap();
        conn.bf_reserve("bloom", 0.01, 2)
            .non_scaling()
            .await
            .unwrap();
        let added = conn
            .bf_madd("bloom", ["a", "b", "c", "d", "e"])
            .await
            .unwrap();
        assert!(added.len() < 5 && added.last().is_some_and(Result::is_err));
        conn.cf_reserve("cuckoo", 4)
            .max_iterations(1)
            .expansion(0)
            .await
            .unwrap();
        let items: Vec<String> = (0..20).map(|number| number.to_string()).collect();
        let added = conn.cf_insertnx("cuckoo", &items).await.unwrap();
        assert!(added.contains(&CuckooInsert::Full));
        let added = conn.cf_insert("cuckoo", &items).await.unwrap();
        assert!(added.contains(&CuckooInsert::Full));
    }
}
