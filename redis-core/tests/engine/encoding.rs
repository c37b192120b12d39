//! Values that cannot be sent: nothing of their command reaches the wire, and no reply is awaited for it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use typedis_core::{ArgError, ArgWriter, Connection, ErrorKind, Phase, Run, ToArg, raw};
use typedis_testkit::proxy::Proxy;

use crate::support::*;

/// Good, refused halfway, or panicking halfway.
#[derive(Clone, Copy)]
enum Item {
    Good,
    Refused,
    Panics,
}

impl ToArg for Item {
    fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
        out.text("half");
        match self {
            Self::Good => Ok(()),
            Self::Refused => Err(ArgError::new("this one cannot be sent")),
            Self::Panics => panic!("as an encoder of a user's own might"),
        }
    }
}

fn list(last: Item) -> Vec<Item> {
    let mut items = vec![Item::Good; 9];
    items.push(last);
    items
}

/// A bad command behind a good one that was built before.
fn bad(item: Item) -> typedis_core::Raw<i64> {
    raw("RPUSH").key("list").args(list(item)).reply()
}

struct Line {
    proxy: Proxy,
    conn: Connection,
    sent: u64,
    id: i64,
}

impl Line {
    async fn new() -> Self {
        let (proxy, config) = proxied(&db()).await;
        let conn = connect(config).await;
        let id = id(&conn).await;
        let sent = proxy.to_server().passed();
        Self {
            proxy,
            conn,
            sent,
            id,
        }
    }

    /// Nothing was sent so far, and the connection is as good as before.
    async fn is_untouched(&self) {
        assert_eq!(self.conn.in_flight(), 0);
        // An echo makes sure that what was written before it has passed.
        ping_works(&self.conn).await;
        let echo = "*2\r\n$4\r\nECHO\r\n$00\r\n\r\n".len() as u64;
        let more = self.proxy.to_server().passed() - self.sent;
        assert!(more >= echo && more < echo + 40, "{more} bytes were sent");
        let texts: Vec<_> = (0..1_000).map(|index| format!("text {index}")).collect();
        let replies = all(texts.iter().map(|text| self.conn.run(echo_of(text)))).await;
        for (text, reply) in texts.iter().zip(replies) {
            assert_eq!(reply.unwrap(), *text);
        }
        assert_eq!(id(&self.conn).await, self.id);
        assert_eq!(counter(&self.conn, "n").await, 0);
    }
}

fn echo_of(text: &str) -> typedis_core::Raw<String> {
    echo(text)
}

fn check<T: std::fmt::Debug>(result: typedis_core::Result<T>, index: Option<usize>) {
    let error = failed(result);
    assert!(matches!(error.kind(), ErrorKind::Argument(_)), "{error}");
    assert_eq!(error.phase(), Phase::NotSent);
    assert_eq!((error.command(), error.index()), (Some("RPUSH"), index));
    assert!(
        error
            .to_string()
            .contains("this one cannot be sent; nothing was sent"),
        "{error}"
    );
}

#[tokio::test]
async fn a_command_with_an_argument_that_is_refused_is_not_sent() {
    let line = Line::new().await;
    check(line.conn.run(bad(Item::Refused)).await, None);
    check(line.conn.run(bad(Item::Refused)).send().await, None);
    line.is_untouched().await;
}

#[tokio::test]
async fn a_pipeline_with_one_is_not_sent() {
    let line = Line::new().await;
    let calls = line
        .conn
        .pipeline()
        .run(incr("n"))
        .run(bad(Item::Refused))
        .run(incr("n"));
    check(calls.await, Some(1));
    let calls = line
        .conn
        .pipeline()
        .run(incr("n"))
        .run(bad(Item::Refused))
        .attempt();
    check(calls.await, Some(1));
    line.is_untouched().await;
}

#[tokio::test]
async fn a_transaction_with_one_is_not_sent() {
    let line = Line::new().await;
    let calls = line
        .conn
        .transaction()
        .run(incr("n"))
        .run(incr("n"))
        .run(bad(Item::Refused));
    check(calls.await, Some(2));
    line.is_untouched().await;
}

#[tokio::test]
async fn a_batch_with_one_is_not_sent() {
    let line = Line::new().await;
    let mut batch = line.conn.batch();
    let _ = batch.push(incr("n"));
    let _ = batch.push(bad(Item::Refused));
    let _ = batch.push(incr("n"));
    check(batch.execute().await, Some(1));
    let each = line
        .conn
        .pipeline_each([Item::Good, Item::Refused], |c, item| c.run(bad(item)));
    check(each.await, Some(1));
    line.is_untouched().await;
}

#[tokio::test]
async fn a_panic_while_encoding_sends_nothing() {
    let line = Line::new().await;
    let conn = &line.conn;
    let panics = |work: &dyn Fn()| assert!(catch_unwind(AssertUnwindSafe(work)).is_err());
    panics(&|| drop(conn.run(bad(Item::Panics))));
    panics(&|| drop(conn.pipeline().run(incr("n")).run(bad(Item::Panics)).send()));
    panics(&|| {
        drop(
            conn.transaction()
                .run(incr("n"))
                .run(bad(Item::Panics))
                .send(),
        )
    });
    panics(&|| {
        let mut batch = conn.batch();
        let _ = batch.push(incr("n"));
        let _ = batch.push(bad(Item::Panics));
    });
    panics(&|| drop(conn.pipeline_each([Item::Good, Item::Panics], |c, item| c.run(bad(item)))));
    line.is_untouched().await;
}

#[tokio::test]
async fn a_batch_outlives_a_panic_of_one_push() {
    let conn = connect(on(&db())).await;
    let mut batch = conn.batch();
    let first = batch.push(incr("n"));
    let pushed = catch_unwind(AssertUnwindSafe(|| {
        let _ = batch.push(bad(Item::Panics));
    }));
    assert!(pushed.is_err());
    let second = batch.push(incr("n"));
    let mut replies = batch.execute().await.unwrap();
    assert_eq!(replies.take(second).unwrap(), 2);
    assert_eq!(replies.take(first).unwrap(), 1);
}

/// Every byte, empty strings, and what looks like protocol.
#[tokio::test]
async fn any_bytes_come_back_as_they_were_sent() {
    let conn = connect(on(&db())).await;
    let all_bytes: Vec<u8> = (0..=255).collect();
    let tricky: [&[u8]; 6] = [
        b"",
        b"\r\n",
        b"$-1\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"\0",
        &all_bytes,
    ];
    for value in tricky {
        let reply: Vec<u8> = conn.run(raw("ECHO").arg(value).reply()).await.unwrap();
        assert_eq!(reply, value);
    }
}

/// Its bytes are shared with what is written to the socket.
#[tokio::test]
async fn the_error_of_a_long_raw_command_names_it() {
    let conn = connect(on(&db())).await;
    conn.run(set("text", "x")).await.unwrap();
    for items in [1, 10_000] {
        let push = raw("LPUSH").key("text").args(vec!["item"; items]);
        let error = failed(conn.run(push.reply::<i64>()).await);
        assert_eq!(error.server().unwrap().code(), "WRONGTYPE");
        assert_eq!(error.command(), Some("LPUSH"), "{items}");
    }
}
