//! Servers that say what they should not: the connection is closed, nobody gets another's reply.

use std::sync::Arc;

use tokio::sync::Notify;

use typedis_core::{Connection, ErrorKind, Limits, Protocol, Run, Value, raw};
use typedis_testkit::fake::Fake;

use crate::support::*;

/// A server that answers commands with their second word; on the first connection the one that is `answer`ed comes
/// back as these bytes.
async fn fake_with(answer: impl Into<Vec<u8>>) -> Fake {
    let answer = answer.into();
    Fake::start(move |mut peer| {
        let answer = answer.clone();
        async move {
            after_handshake(&mut peer).await?;
            while let Some(command) = peer.command().await? {
                if peer.number() == 0 && command.text(1) == "bad" {
                    peer.send(&answer).await?;
                } else {
                    let text = command.text(1);
                    peer.send(format!("${}\r\n{text}\r\n", text.len())).await?;
                }
            }
            Ok(())
        }
    })
    .await
    .unwrap()
}

async fn connect_to(fake: &Fake) -> Connection {
    connect(at(fake.addr()).protocol(Protocol::Resp2)).await
}

async fn is_fatal(answer: impl Into<Vec<u8>>) {
    let answer = answer.into();
    let name = String::from_utf8_lossy(&answer[..answer.len().min(40)]).into_owned();
    let fake = fake_with(answer).await;
    let conn = connect_to(&fake).await;
    assert_eq!(conn.run(echo("before")).await.unwrap(), "before");
    let calls = ["bad", "b", "c"].map(|text| conn.run(echo(text)));
    for result in soon(&name, all(calls)).await {
        let error = failed(result);
        assert!(
            matches!(error.kind(), ErrorKind::Protocol(_)),
            "{name:?}: {error}"
        );
    }
    assert_eq!(conn.run(echo("after")).await.unwrap(), "after", "{name:?}");
    assert_eq!(fake.connections(), 2, "{name:?}");
}

#[tokio::test]
async fn bytes_that_are_not_resp_close_the_connection() {
    for bytes in [
        "HTTP/1.1 400 Bad Request\r\n\r\n",
        "hello",
        "\0\0\0\0",
        "\r\n",
        "$3\r\nabcd\r\n",
        "$3\nabc\r\n",
        "$-2\r\n",
        "*-2\r\n",
        "$x\r\n",
        ":12a\r\n",
        ":\r\n",
        "_x\r\n",
        "#x\r\n",
        ",abc\r\n",
        "(12x\r\n",
        "=2\r\nab\r\n",
        "%1\r\n+a\r\n?\r\n",
    ] {
        is_fatal(bytes).await;
    }
    is_fatal([0xff, 0xfe, 0xfd]).await;
}

/// None of these is a reason to allocate, to recurse, or to wait for more.
#[tokio::test]
async fn hostile_lengths_numbers_and_nesting_close_the_connection() {
    for bytes in [
        "*4294967295\r\n",
        "*9223372036854775807\r\n",
        "%9223372036854775808\r\n",
        "%4611686018427387905\r\n",
        "~18446744073709551615\r\n",
        "$9223372036854775807\r\n",
        "$536870913\r\n",
        "=18446744073709551616\r\n",
        "!9223372036854775807\r\n",
        ":99999999999999999999\r\n",
        "*1\r\n$-9223372036854775808\r\n",
        "$?\r\n",
        "*?\r\n",
    ] {
        is_fatal(bytes).await;
    }
    is_fatal("*1\r\n".repeat(100_000)).await;
    is_fatal("%1\r\n+k\r\n".repeat(100_000)).await;
    is_fatal(format!("({}", "9".repeat(1 << 20))).await;
}

#[tokio::test]
async fn limits_can_be_set() {
    let mut limits = Limits::default();
    (limits.max_bulk, limits.max_line) = (10, 12);
    let fake = fake_with("").await;
    let conn = connect(at(fake.addr()).protocol(Protocol::Resp2).limits(limits)).await;
    assert_eq!(conn.run(echo("0123456789")).await.unwrap(), "0123456789");
    let error = failed(conn.run(echo("0123456789a")).await);
    assert!(
        error
            .to_string()
            .contains("11 bytes is longer than the limit"),
        "{error}"
    );
    for kind in ["+", "-"] {
        let fake = fake_with(format!("{kind}{}", "x".repeat(13))).await;
        let conn = connect(at(fake.addr()).protocol(Protocol::Resp2).limits(limits)).await;
        let error = failed(conn.run(echo("bad")).await).to_string();
        assert!(error.contains("a line is longer than the limit"), "{error}");
    }
}

/// A reply too many is nobody's, not even when it comes with a right one.
#[tokio::test]
async fn a_reply_that_nothing_asked_for_closes_the_connection() {
    let fake = fake_with("$3\r\nbad\r\n+extra\r\n").await;
    let conn = connect_to(&fake).await;
    assert_eq!(conn.run(echo("bad")).await.unwrap(), "bad");
    for index in 0..100 {
        let text = format!("text {index}");
        match conn.run(echo(&text)).await {
            Ok(reply) => assert_eq!(reply, text),
            Err(error) => assert!(matches!(error.kind(), ErrorKind::Protocol(_)), "{error}"),
        }
    }
    assert_eq!(fake.connections(), 2);
}

/// A command that the engine was told nothing of, and that is answered by a push: the reply that it waits for would be
/// another's, and so on without an end.
#[tokio::test]
async fn a_subscription_that_was_not_asked_for_gives_nobody_the_reply_of_another() {
    let db = db();
    let commands = [
        "SUBSCRIBE x",
        "PSUBSCRIBE x",
        "SSUBSCRIBE x",
        "UNSUBSCRIBE x",
        "UNSUBSCRIBE",
        "PUNSUBSCRIBE",
        "SUNSUBSCRIBE",
    ];
    for word in commands {
        let conn = connect(on(&db)).await;
        let subscribing = conn.run(raw(word).reply::<Value>()).send();
        let texts: Vec<String> = (0..200).map(|number| format!("{word}-{number}")).collect();
        let replies = soon(word, all(texts.iter().map(|text| conn.run(echo(text))))).await;
        for (reply, text) in replies.into_iter().zip(&texts) {
            match reply {
                Ok(reply) => assert_eq!(reply, *text),
                Err(error) => assert!(matches!(error.kind(), ErrorKind::Protocol(_)), "{error}"),
            }
        }
        let error = failed(subscribing.await);
        assert!(
            error.to_string().contains("not asked for"),
            "{word}: {error}"
        );
        assert_eq!(conn.run(echo("after")).await.unwrap(), "after");
    }
}

/// Servers end subscriptions to shard channels on their own account.
#[tokio::test]
async fn the_end_of_a_shard_subscription_needs_no_asking() {
    let fake = Fake::start(|mut peer| async move {
        after_handshake(&mut peer).await?;
        while let Some(command) = peer.command().await? {
            let text = command.text(1);
            peer.send(">3\r\n$12\r\nsunsubscribe\r\n$1\r\nx\r\n:0\r\n")
                .await?;
            peer.send(format!("${}\r\n{text}\r\n", text.len())).await?;
        }
        Ok(())
    })
    .await
    .unwrap();
    let conn = connect_to(&fake).await;
    for text in ["a", "b", "c"] {
        assert_eq!(conn.run(echo(text)).await.unwrap(), text);
    }
    assert_eq!(fake.connections(), 1);
}

#[tokio::test]
async fn an_unsolicited_reply_on_an_idle_connection_closes_it() {
    let connected = Arc::new(Notify::new());
    let start = connected.clone();
    let fake = Fake::start(move |mut peer| {
        let start = start.clone();
        async move {
            after_handshake(&mut peer).await?;
            if peer.number() == 0 {
                start.notified().await;
                peer.send("+surprise\r\n").await?;
                return peer.until_closed().await;
            }
            peer.expect(&["ECHO", "x"]).await?;
            peer.send("$1\r\nx\r\n").await?;
            peer.until_closed().await
        }
    })
    .await
    .unwrap();
    let conn = connect_to(&fake).await;
    connected.notify_one();
    until("it is replaced", || fake.connections() == 2).await;
    assert_eq!(conn.run(echo("x")).await.unwrap(), "x");
    fake.finish().await.unwrap();
}

#[tokio::test]
async fn a_reply_too_many_in_the_handshake_is_not_the_first_commands() {
    let fake = Fake::start(|mut peer| async move {
        if peer.number() == 0 {
            peer.command().await?;
            peer.command().await?;
            peer.send("+OK\r\n+OK\r\n+extra\r\n").await?;
            return peer.until_closed().await;
        }
        after_handshake(&mut peer).await?;
        peer.expect(&["ECHO", "x"]).await?;
        peer.send("$1\r\nx\r\n").await?;
        peer.until_closed().await
    })
    .await
    .unwrap();
    let config = at(fake.addr()).protocol(Protocol::Resp2);
    let error = failed(Connection::open(&config).await);
    assert!(
        error
            .to_string()
            .contains("more replies than it was asked for"),
        "{error}"
    );
    assert_eq!(connect(config).await.run(echo("x")).await.unwrap(), "x");
    fake.finish().await.unwrap();
}

/// What came whole before the garbage is its caller's.
#[tokio::test]
async fn replies_before_the_garbage_are_delivered() {
    let fake = fake_with("$3\r\nbad\r\n?garbage\r\n").await;
    let conn = connect_to(&fake).await;
    let [first, second] = [conn.run(echo("bad")).send(), conn.run(echo("x")).send()];
    assert_eq!(first.await.unwrap(), "bad");
    assert!(matches!(
        failed(second.await).kind(),
        ErrorKind::Protocol(_)
    ));
}

/// Pushes of all sorts, before, between and after replies, and within them.
const PUSHES: [&str; 7] = [
    ">2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n",
    ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n",
    ">1\r\n+unheard-of\r\n",
    ">4\r\n:1\r\n%1\r\n+a\r\n+b\r\n_\r\n#t\r\n",
    ">0\r\n",
    ">1\r\n-ERR an error in a push\r\n",
    ">2\r\n$6\r\nMOVING\r\n:9223372036854775807\r\n",
];

#[tokio::test]
async fn pushes_between_replies_shift_nothing_in_any_pieces() {
    for piece in [1, 3, usize::MAX] {
        let fake = Fake::start(move |mut peer| async move {
            after_handshake(&mut peer).await?;
            let mut turn = 0;
            while let Some(command) = peer.command().await? {
                let text = command.text(1);
                let mut bytes = String::new();
                bytes.push_str(PUSHES[turn % PUSHES.len()]);
                if turn % 3 == 0 {
                    bytes.push_str("|1\r\n+ttl\r\n:3600\r\n");
                }
                bytes.push_str(&format!("${}\r\n{text}\r\n", text.len()));
                bytes.push_str(PUSHES[(turn + 3) % PUSHES.len()]);
                turn += 1;
                peer.send_in_pieces(bytes, piece).await?;
            }
            Ok(())
        })
        .await
        .unwrap();
        let conn = connect_to(&fake).await;
        let texts: Vec<_> = (0..50).map(|index| format!("text {index}")).collect();
        let replies = all(texts.iter().map(|text| conn.run(echo(text)))).await;
        for (text, reply) in texts.iter().zip(replies) {
            assert_eq!(reply.unwrap(), *text);
        }
        let each = conn
            .pipeline_each(&texts, |c, text| c.run(echo(text)))
            .await;
        assert_eq!(each.unwrap(), texts);
        assert_eq!(fake.connections(), 1);
    }
}

/// As servers before 7.2 put them.
#[tokio::test]
async fn pushes_within_a_reply_are_no_elements_of_it() {
    let array = format!("*3\r\n:1\r\n{}:2\r\n{}:3\r\n", PUSHES[0], PUSHES[4]);
    let fake = fake_with(array).await;
    let conn = connect_to(&fake).await;
    let reply: Vec<i64> = conn.run(echo("bad").reply()).await.unwrap();
    assert_eq!(reply, [1, 2, 3]);
    assert_eq!(conn.run(echo("x")).await.unwrap(), "x");
    assert_eq!(fake.connections(), 1);
}

#[tokio::test]
async fn an_attribute_without_an_end_or_with_a_broken_one_is_a_protocol_error() {
    for bytes in [
        "|1\r\n+a\r\n?\r\n",
        "|x\r\n",
        "|1\r\n+a\r\n$9223372036854775807\r\n",
    ] {
        is_fatal(bytes).await;
    }
}

/// Real replies of every shape, through a line that lets one byte through at a time.
#[tokio::test]
async fn replies_in_single_bytes_are_the_same() {
    for protocol in BOTH {
        let db = db();
        let (proxy, config) = proxied(&db).await;
        let conn = connect(config.protocol(protocol)).await;
        let whole = replies(&conn).await;
        proxy.to_client().chunks(1);
        assert_eq!(replies(&conn).await, whole);
        proxy.to_client().chunks(7);
        assert_eq!(replies(&conn).await, whole);
        assert_eq!(proxy.accepted(), 1);
    }
}

async fn replies(conn: &Connection) -> Vec<Value> {
    let commands: [&[&str]; 12] = [
        &["FLUSHDB"],
        &["SET", "s", "value\r\n$3\r\nabc\r\n"],
        &["GET", "s"],
        &["GET", "none"],
        &["INCRBY", "i", "-9223372036854775808"],
        &["HSET", "h", "a", "1", "b", "2"],
        &["HGETALL", "h"],
        &["ZADD", "z", "1.5", "m", "inf", "n"],
        &["ZRANGE", "z", "0", "-1", "WITHSCORES"],
        &["SMEMBERS", "none"],
        &["LPOP", "s"],
        &["EVAL", "return {1, {2, {3, {}}}, 'x', false}", "0"],
    ];
    let calls = commands.map(|words| {
        let call = raw(words[0]).args(&words[1..]).reply::<Value>();
        conn.run(call)
    });
    let results = all(calls).await;
    results
        .into_iter()
        .map(|result| result.unwrap_or_else(|error| Value::Error(error.server().unwrap().clone())))
        .collect()
}

/// A proxy that duplicates and reorders is not believed for long.
#[tokio::test]
async fn a_server_that_answers_twice_is_found_out() {
    let fake = Fake::start(|mut peer| async move {
        after_handshake(&mut peer).await?;
        while let Some(command) = peer.command().await? {
            let text = command.text(1);
            let reply = format!("${}\r\n{text}\r\n", text.len());
            let times = if peer.number() == 0 { 2 } else { 1 };
            peer.send(reply.repeat(times)).await?;
        }
        Ok(())
    })
    .await
    .unwrap();
    let conn = connect_to(&fake).await;
    // One at a time: the second reply is seen before the next command is written.
    assert_eq!(conn.run(echo("a")).await.unwrap(), "a");
    until("it is replaced", || fake.connections() == 2).await;
    assert_eq!(conn.run(echo("b")).await.unwrap(), "b");
}

/// A desync of one connection does not concern another to the same server.
#[tokio::test]
async fn others_go_on() {
    let fake = fake_with("?").await;
    let first = connect_to(&fake).await;
    let second = connect_to(&fake).await;
    assert!(first.run(echo("bad")).await.is_err());
    assert_eq!(second.run(echo("b")).await.unwrap(), "b");
}
