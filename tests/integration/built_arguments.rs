//! Arguments that are built step by step: a server accepts each step. The conformance test makes one of each type only.

use std::collections::HashMap;

use typedis::args::{
    AclRule, AggregateSteps, ClientFilter, ClientKind, Coordinates, Distance, Field, Highlight,
    Reducer, ReturnField, Schema, SortBy, SortKey, SpellcheckTerms, Summarize, VectorIndex,
    VectorType,
};
use typedis::prelude::*;
use typedis::{FromRedis, Protocol, Result};
use typedis_testkit::{Server, ServerKind};

use crate::support::Bench;

type Row = HashMap<String, String>;

/// A row whose reducer makes a list.
#[derive(FromRedis)]
struct Group {
    r: Vec<String>,
}

/// A server of its own, because an index holds the keys of all tests.
async fn stack() -> (Server, Connection) {
    let server = Server::start(ServerKind::RedisStack).expect("it starts");
    let conn = typedis::connect(server.url()).await;
    (server, conn.expect("it lets us in"))
}

/// Three documents, two brands.
async fn shop(conn: &Connection) -> Result<()> {
    let schema = Schema::new()
        .field(Field::tag("brand").sortable())
        .field(Field::numeric("price"))
        .field(Field::text("title"));
    conn.ft_create("shop", schema).await?;
    for (key, brand, price) in [("1", "a", 1), ("2", "a", 2), ("3", "b", 3)] {
        let title = format!("hello number {price} of many words that say hello again");
        let fields = [
            ("brand", brand),
            ("price", &price.to_string()),
            ("title", &title),
        ];
        conn.hset(key, fields).await?;
    }
    Ok(())
}

#[tokio::test]
async fn every_setting_of_a_field_is_accepted() -> Result<()> {
    let (_server, conn) = stack().await;
    let flat = VectorIndex::flat(VectorType::Float16, 2, Distance::L2);
    let hnsw = VectorIndex::hnsw(VectorType::BFloat16, 2, Distance::InnerProduct);
    let schema = Schema::new()
        .field(
            Field::text("t1")
                .weight(2.5)
                .no_stem()
                .phonetic("dm:en")
                .with_suffix_trie(),
        )
        .field(
            Field::text("t2")
                .alias("t")
                .index_empty()
                .index_missing()
                .sortable_unnormalized(),
        )
        .field(Field::text("t3").sortable().no_index())
        .field(
            Field::tag("g1")
                .separator(';')
                .case_sensitive()
                .with_suffix_trie(),
        )
        .field(
            Field::tag("g2")
                .index_empty()
                .index_missing()
                .sortable_unnormalized(),
        )
        .field(Field::tag("g3").sortable().no_index())
        .field(Field::numeric("n1").index_missing().sortable())
        .field(Field::numeric("n2").sortable_unnormalized().no_index())
        .field(Field::geo("p1").index_missing().sortable())
        .field(Field::geo("p2").no_index())
        .field(Field::geo_shape("s1", Coordinates::Flat).index_missing())
        .field(Field::geo_shape("s2", Coordinates::Spherical).no_index())
        .field(Field::vector("v1", flat.initial_capacity(10).block_size(10)).index_missing())
        .field(Field::vector(
            "v2",
            hnsw.initial_capacity(10)
                .max_edges(8)
                .ef_construction(20)
                .ef_runtime(5)
                .epsilon(0.5),
        ));
    conn.ft_create("all", schema).await?;
    let info = conn.ft_info("all").await?;
    assert_eq!(info.attributes.len(), 14);
    Ok(())
}

#[tokio::test]
async fn every_step_of_an_aggregation_is_accepted() -> Result<()> {
    let (server, conn) = stack().await;
    shop(&conn).await?;
    let group = |reducer: Reducer| {
        AggregateSteps::new()
            .load(["@price", "@title"])
            .group_by(["@brand"], [reducer.alias("r")])
            .sort_by(SortKey::asc("@brand"))
    };
    for (reducer, result) in [
        (Reducer::count(), "2"),
        (Reducer::count_distinct("@price"), "2"),
        (Reducer::count_distinctish("@price"), "2"),
        (Reducer::sum("@price"), "3"),
        (Reducer::min("@price"), "1"),
        (Reducer::max("@price"), "2"),
        (Reducer::avg("@price"), "1.5"),
        (Reducer::stddev("@price"), "0.707106781187"),
        (
            Reducer::first_value_by("@price", SortKey::desc("@price")),
            "2",
        ),
        (Reducer::quantile("@price", 1.0), "2"),
        (Reducer::new("SUM", ["@price"]), "3"),
    ] {
        let rows = conn
            .ft_aggregate::<Row>("shop", "*", group(reducer.clone()))
            .await?
            .rows;
        assert_eq!(rows[0]["r"], result, "{reducer:?}");
    }
    for (reducer, expected) in [
        (Reducer::to_list("@price"), 2),
        (Reducer::random_sample("@price", 1), 1),
    ] {
        let rows = conn
            .ft_aggregate::<Group>("shop", "*", group(reducer))
            .await?
            .rows;
        assert_eq!(rows[0].r.len(), expected);
    }
    let steps = AggregateSteps::new()
        .load([ReturnField::new("@price").alias("p"), "@brand".into()])
        .apply("@p * 2", "double")
        .filter("@double > 2")
        .sort_by(SortBy::new([SortKey::desc("@double"), SortKey::asc("@brand")]).max(10))
        .limit(0, 1);
    // The server takes WITHCOUNT before the steps only.
    for protocol in [Protocol::Newest, Protocol::Resp2] {
        let config = typedis::Config::from_url(&server.url())?.protocol(protocol);
        let conn = typedis::connect(config).await?;
        let found = conn.ft_aggregate::<Row>("shop", "*", steps.clone()).await?;
        assert_eq!(found.rows.len(), 1);
        assert_eq!(found.rows[0]["double"], "6");
        let counted = conn
            .ft_aggregate::<Row>("shop", "*", steps.clone())
            .with_count();
        assert_eq!(counted.await?.total, 3);
    }
    Ok(())
}

#[tokio::test]
async fn every_way_to_show_what_was_found_is_accepted() -> Result<()> {
    let (_server, conn) = stack().await;
    shop(&conn).await?;
    let summary = Summarize::new()
        .fields(["title"])
        .frags(1)
        .len(3)
        .separator("|");
    let mark = Highlight::new().fields(["title"]).tags("<i>", "</i>");
    let found = conn
        .ft_search::<Row>("shop", "hello")
        .return_fields([ReturnField::new("title").alias("t"), "title".into()])
        .summarize(summary)
        .highlight(mark)
        .await?;
    assert!(found.documents[0].fields["title"].starts_with("<i>hello</i>"));
    conn.ft_search::<Row>("shop", "hello")
        .summarize(Summarize::new())
        .highlight(Highlight::new())
        .await?;
    conn.ft_dictadd("dictionary", ["helo"]).await?;
    for terms in [
        SpellcheckTerms::include("dictionary"),
        SpellcheckTerms::exclude("dictionary"),
    ] {
        conn.ft_spellcheck("shop", "helllo").terms(terms).await?;
    }
    Ok(())
}

#[tokio::test]
async fn every_filter_of_clients_is_accepted() -> Result<()> {
    let conn = Bench::new(ServerKind::Valkey9, Protocol::Newest)
        .connect()
        .await;
    let id = conn.client_id().await?;
    let texts = [
        ClientFilter::addr,
        ClientFilter::not_addr,
        ClientFilter::laddr,
        ClientFilter::not_laddr,
        ClientFilter::name,
        ClientFilter::not_name,
        ClientFilter::lib_name,
        ClientFilter::not_lib_name,
        ClientFilter::lib_ver,
        ClientFilter::not_lib_ver,
        ClientFilter::ip,
        ClientFilter::not_ip,
    ];
    let mut filters: Vec<ClientFilter> = texts
        .into_iter()
        .map(|filter| filter("1.2.3.4:5"))
        .collect();
    filters.extend([
        ClientFilter::user("default"),
        ClientFilter::not_user("default"),
        ClientFilter::id(id),
        ClientFilter::ids([id, id + 1]),
        ClientFilter::not_ids([id]),
        ClientFilter::kind(ClientKind::Normal),
        ClientFilter::kind(ClientKind::Primary),
        ClientFilter::kind(ClientKind::Replica),
        ClientFilter::kind(ClientKind::PubSub),
        ClientFilter::not_kind(ClientKind::Normal),
        ClientFilter::skip_me(true),
        ClientFilter::skip_me(false),
        ClientFilter::max_age(60),
        ClientFilter::idle(60),
        ClientFilter::db(0),
        ClientFilter::not_db(0),
        ClientFilter::flags("N"),
        ClientFilter::not_flags("N"),
        ClientFilter::capa("r"),
        ClientFilter::not_capa("r"),
    ]);
    for filter in filters {
        let shown = format!("{filter:?}");
        let listed = conn.client_list().filters(filter).await;
        listed.unwrap_or_else(|error| panic!("{shown}: {error}"));
    }
    Ok(())
}

#[tokio::test]
async fn every_rule_for_a_user_is_accepted() -> Result<()> {
    let conn = Bench::new(ServerKind::Valkey9, Protocol::Newest)
        .connect()
        .await;
    let hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let rules = [
        AclRule::reset(),
        AclRule::on(),
        AclRule::off(),
        AclRule::password("a"),
        AclRule::remove_password("a"),
        AclRule::password_hash(hash),
        AclRule::remove_password_hash(hash),
        AclRule::no_password(),
        AclRule::reset_passwords(),
        AclRule::allow("get"),
        AclRule::deny("config|set"),
        AclRule::allow_category("read"),
        AclRule::deny_category("write"),
        AclRule::all_keys(),
        AclRule::reset_keys(),
        AclRule::key("a"),
        AclRule::read_key("b"),
        AclRule::write_key("c"),
        AclRule::all_channels(),
        AclRule::reset_channels(),
        AclRule::channel("d"),
        AclRule::all_databases(),
        AclRule::reset_databases(),
        AclRule::databases([1]),
        AclRule::databases([2, 3]),
        AclRule::clear_selectors(),
        AclRule::selector([
            AclRule::allow("set"),
            AclRule::key("e"),
            AclRule::databases([4]),
        ]),
    ];
    conn.acl_setuser("built_arguments", rules.to_vec()).await?;
    let user = conn.acl_getuser("built_arguments").await?;
    conn.acl_deluser("built_arguments").await?;
    let user = user.expect("it was made");
    assert_eq!(user.keys, ["~a", "%R~b", "%W~c"]);
    // The last rule on databases counts, unlike those on keys.
    assert_eq!(user.databases.as_deref(), Some("db=2,3"));
    assert_eq!(user.selectors[0].databases.as_deref(), Some("db=4"));
    Ok(())
}
