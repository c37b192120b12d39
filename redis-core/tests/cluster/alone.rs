//! Nodes by themselves, and streams that stay with one node.

use typedis_core::cluster::Cluster;
use typedis_core::{
    Args, CommandInfo, DecodeError, ErrorKind, FromRedis, IntoScanStream, Name, Reply, Request,
    RowStream, Rows, Run, raw,
};
use typedis_testkit::fake::{Answer, Asked, FakeCluster};

use crate::support::*;

#[tokio::test]
async fn a_node_that_was_closed_by_its_user_is_there_again() {
    let fake = FakeCluster::start(3, |_| Answer::Usual).await.unwrap();
    let cluster = connect(&fake).await;
    let address = fake.node(1).addr().to_string();
    let ping = || raw("PING").reply::<()>();
    let first = cluster.node(&address).unwrap();
    soon("a reply", first.run(ping())).await.unwrap();
    assert!(soon("its end", first.close()).await.is_clean());
    let second = cluster.node(&address).unwrap();
    soon("a reply", second.run(ping())).await.unwrap();
    let (_, third) = cluster.primaries().remove(1);
    third.abort();
    assert!(second.is_closed());
    let (_, fourth) = cluster.primaries().remove(1);
    soon("a reply", fourth.run(ping())).await.unwrap();
    // Not after the end of the cluster.
    assert!(soon("the end", cluster.close()).await.is_clean());
    for node in [fourth, cluster.node(&address).unwrap()] {
        let error = soon("an error", node.run(ping())).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Closed), "{error:?}");
    }
}

/// Has work done on a runtime of its own, which then ends.
async fn elsewhere<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        runtime.block_on(work)
    })
    .await
}

/// All callers share them, whoever needed them first.
#[tokio::test]
async fn the_connections_of_a_cluster_outlive_the_runtime_of_a_caller() {
    let fake = FakeCluster::start(4, |asked| match asked.command.name().as_str() {
        "GET" if asked.node == 2 => Answer::moved(12_182, asked.addr(3)),
        "GET" => Answer::Reply(b"+there\r\n".to_vec()),
        _ => Answer::Usual,
    })
    .await
    .unwrap();
    fake.assign(0..=10_922, 1);
    fake.assign(10_923..=16_383, 2);
    let cluster = connect(&fake).await;
    // The client's map does not have this node.
    fake.assign(12_182..=12_182, 3);
    let other = cluster.clone();
    let reply = elsewhere(async move { other.run(get("foo")).await }).await;
    assert_eq!(reply.unwrap().as_deref(), Some("there"));
    let reply = soon("a reply", cluster.run(get("foo"))).await.unwrap();
    assert_eq!(reply.as_deref(), Some("there"));
    assert_eq!(fake.node(3).connections(), 1);

    let (other, address) = (cluster.clone(), fake.node(1).addr().to_string());
    let node = elsewhere(async move { other.node(&address).unwrap() }).await;
    let reply = soon("a reply", node.run(get("a"))).await.unwrap();
    assert_eq!(reply.as_deref(), Some("there"));
    // Also where there is no runtime.
    let other = cluster.clone();
    let nodes = std::thread::spawn(move || other.primaries());
    let nodes = blocking(move || nodes.join().unwrap()).await;
    for (_, node) in nodes {
        let ping = raw("PING").reply::<()>();
        soon("a reply", node.run(ping)).await.unwrap();
    }
}

static FT_AGGREGATE: CommandInfo =
    CommandInfo::new("FT.AGGREGATE", b"$12\r\nFT.AGGREGATE\r\n", 1).readonly();
static FT_CURSOR_READ: CommandInfo =
    CommandInfo::new("FT.CURSOR READ", b"$9\r\nFT.CURSOR\r\n$4\r\nREAD\r\n", 2);

struct Numbers(Vec<u64>);

impl FromRedis for Numbers {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        Vec::from_redis(reply).map(Self)
    }
}

fn read(cursor: u64) -> impl Fn(&mut Args) {
    move |args| {
        args.arg("index", "products");
        args.arg("cursor", &cursor);
    }
}

impl Rows for Numbers {
    type Row = u64;

    fn into_rows(self) -> (Vec<u64>, Vec<Name>) {
        (self.0, Vec::new())
    }

    fn read(_: &Args, _: u64) -> Option<Args> {
        None
    }

    fn delete(_: &Args, _: u64) -> Option<Args> {
        None
    }
}

/// Each node knows only the cursor that it has handed out, which is its number and 1.
fn pages(asked: &Asked<'_>) -> Answer {
    let own = asked.node as u64 + 1;
    let reply = match asked.command.name().as_str() {
        "FT.AGGREGATE" => format!("*2\r\n*2\r\n:1\r\n:2\r\n:{own}\r\n"),
        "FT.CURSOR" if asked.command.text(3) == own.to_string() => {
            "*2\r\n*1\r\n:3\r\n:0\r\n".to_owned()
        }
        "FT.CURSOR" => "-Cursor not found\r\n".to_owned(),
        _ => return Answer::Usual,
    };
    Answer::Reply(reply.into_bytes())
}

/// An aggregation, of which the first row is read.
async fn begun(cluster: &Cluster) -> RowStream<'static, u64> {
    let rows: Request<&Cluster, (Numbers, u64)> = Request::new(cluster, &FT_AGGREGATE, |args| {
        args.arg("index", "products");
    });
    let mut rows = rows.stream();
    assert_eq!(soon("a row", rows.try_next()).await.unwrap(), Some(1));
    rows
}

#[tokio::test]
async fn rows_are_read_on_from_the_node_that_has_their_cursor() {
    let fake = FakeCluster::start(3, pages).await.unwrap();
    let eager = connect(&fake).await;
    for number in 0..20 {
        let cluster = match number % 2 {
            0 => eager.clone(),
            _ => Cluster::lazy(config(&fake.url())).unwrap(),
        };
        let mut rows = begun(&cluster).await;
        let (rest, cursor) = rows.detach().await.unwrap();
        assert_eq!(rest, [2]);
        let server = rows.server().unwrap();
        let page: Request<_, (Numbers, u64)> =
            Request::new(&server, &FT_CURSOR_READ, read(cursor.unwrap()));
        let rest: Vec<u64> = soon("the rest", page.stream().try_collect()).await.unwrap();
        assert_eq!(rest, [3]);
        // Also after an error, which leaves the cursor where it is.
        let mut rows = begun(&cluster).await;
        assert_eq!(rows.try_next().await.unwrap(), Some(2));
        assert!(rows.try_next().await.is_err());
        let (server, cursor) = (rows.server().unwrap(), rows.cursor().unwrap());
        let page: Request<_, (Numbers, u64)> = Request::new(&server, &FT_CURSOR_READ, read(cursor));
        assert!(soon("the rest", page).await.is_ok());
    }
}
