//! Lanes of a pool that its users get to see.

use std::future::IntoFuture;

use typedis_core::{
    Args, CommandInfo, DecodeError, FromRedis, IntoScanStream, Keys, Name, Pool, Protocol, Reply,
    Request, Rows, Run,
};
use typedis_testkit::fake::{Fake, Words};

use crate::support::*;

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

impl Rows for Numbers {
    type Row = u64;

    fn into_rows(self) -> (Vec<u64>, Vec<Name>) {
        (self.0, Vec::new())
    }

    fn read(_: &Args, cursor: u64) -> Option<Args> {
        let mut args = Args::new(&FT_CURSOR_READ, Keys::Ignored);
        args.arg("index", "products");
        args.arg("cursor", &cursor);
        Some(args)
    }

    fn delete(_: &Args, _: u64) -> Option<Args> {
        None
    }
}

/// Three rows in two pages.
fn pages(words: &Words) -> Vec<u8> {
    match words.name().as_str() {
        "FT.AGGREGATE" => b"*2\r\n*2\r\n:1\r\n:2\r\n:7\r\n".to_vec(),
        "FT.CURSOR" => b"*2\r\n*1\r\n:3\r\n:0\r\n".to_vec(),
        "ECHO" => format!("+{}\r\n", words.text(1)).into_bytes(),
        _ => b"+OK\r\n".to_vec(),
    }
}

/// It is the pool's, and the pool would not open it again.
#[tokio::test]
async fn a_lane_that_a_pool_has_lent_is_not_closed_by_its_user() {
    for lanes in [1, 2] {
        let fake = Fake::answering(pages).await.unwrap();
        let config = at(fake.addr()).protocol(Protocol::Resp2);
        let pool = Pool::open(config.lanes(lanes)).await.unwrap();
        let rows: Request<&Pool, (Numbers, u64)> = Request::new(&pool, &FT_AGGREGATE, |args| {
            args.arg("index", "products");
        });
        let mut rows = rows.stream();
        assert_eq!(soon("a row", rows.try_next()).await.unwrap(), Some(1));
        let server = rows.server().unwrap();
        assert!(soon("its end", server.close()).await.is_clean());
        server.abort();
        assert!(!server.is_closed(), "{lanes}");
        let other = rows.server().unwrap();
        drop((server, rows.server()));
        // More than one lane is to have.
        let echoes = (0..200).map(|_| pool.run(echo("x")));
        let echoes = soon("the replies", all(echoes.map(IntoFuture::into_future))).await;
        assert!(echoes.iter().all(Result::is_ok), "{lanes}");
        assert_eq!(soon("it", other.run(echo("x"))).await.unwrap(), "x");
        let rest: Vec<u64> = soon("the rest", rows.try_collect()).await.unwrap();
        assert_eq!(rest, [2, 3]);
        assert_eq!(fake.connections(), lanes);
        // The end of the pool is theirs too.
        assert!(soon("the end", pool.close()).await.is_clean());
        assert!(other.is_closed());
    }
}
