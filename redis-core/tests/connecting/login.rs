//! The handshake and credentials, of a fixed user and of a provider.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use typedis_core::{
    Config, Connection, ConnectionEvent, Credentials, ErrorKind, Exclusive, Phase, Protocol, Run,
};
use typedis_testkit::fake::{Fake, Words};
use typedis_testkit::{Server, ServerKind, shared};

use crate::support::{LONG, at, event, ping, refusal, say, until, within, words};

fn answers(command: &Words) -> Vec<u8> {
    match command.name().as_str() {
        "HELLO" => b"%1\r\n+proto\r\n:3\r\n".to_vec(),
        "PING" => b"+PONG\r\n".to_vec(),
        _ => b"+OK\r\n".to_vec(),
    }
}

#[tokio::test]
async fn everything_is_said_in_one_round_trip() {
    // A server that answers only when it has heard all five commands.
    let fake = Fake::start(|mut peer| async move {
        for _ in 0..5 {
            peer.command().await?;
        }
        peer.send("%1\r\n+proto\r\n:3\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n")
            .await?;
        peer.until_closed().await
    })
    .await
    .unwrap();
    let config = at(fake.addr())
        .credentials("alice", "pw")
        .database(3)
        .client_name("worker");
    let conn = within(Connection::open(config)).await.unwrap();
    let heard = fake.received(0);
    assert_eq!(heard[0], ["HELLO", "3", "AUTH", "alice", "pw"]);
    assert_eq!(heard[1], ["SELECT", "3"]);
    assert_eq!(heard[2], ["CLIENT", "SETNAME", "worker"]);
    assert_eq!(heard[3], ["CLIENT", "SETINFO", "LIB-NAME", "typedis"]);
    assert_eq!(
        heard[4],
        ["CLIENT", "SETINFO", "LIB-VER", env!("CARGO_PKG_VERSION")]
    );
    drop(conn);
    fake.finish().await.unwrap();
}

#[tokio::test]
async fn a_proxy_that_knows_resp2_only_gets_a_new_socket() {
    for refusal in [
        "-ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH'\r\n",
        "-NOPROTO unsupported protocol version\r\n",
        "-NOAUTH Authentication required.\r\n",
    ] {
        let fake = Fake::answering(move |command| match command.name().as_str() {
            "HELLO" => refusal.as_bytes().to_vec(),
            _ => answers(command),
        })
        .await
        .unwrap();
        let conn = within(Connection::open(at(fake.addr()).credentials("alice", "pw")))
            .await
            .unwrap();
        assert_eq!(ping(&conn).await.unwrap(), "PONG");
        assert_eq!(fake.connections(), 2, "{refusal}");
        assert_eq!(fake.received(1)[0], ["AUTH", "alice", "pw"]);
    }
}

#[tokio::test]
async fn a_proxy_that_hangs_up_on_hello_is_spoken_to_in_resp2() {
    let fake = Fake::start(|mut peer| async move {
        while let Some(command) = peer.command().await? {
            if command.name() == "HELLO" {
                return Ok(());
            }
            peer.send(answers(&command)).await?;
        }
        Ok(())
    })
    .await
    .unwrap();
    let conn = within(Connection::open(at(fake.addr()))).await.unwrap();
    assert_eq!(ping(&conn).await.unwrap(), "PONG");
}

#[tokio::test]
async fn what_is_nice_to_have_may_fail() {
    let fake = Fake::answering(|command| match command.name().as_str() {
        "CLIENT" => {
            b"-NOPERM User alice has no permissions to run the 'client' command\r\n".to_vec()
        }
        _ => answers(command),
    })
    .await
    .unwrap();
    let conn = within(Connection::open(at(fake.addr()).client_name("worker")))
        .await
        .unwrap();
    assert_eq!(ping(&conn).await.unwrap(), "PONG");
    assert_eq!(fake.connections(), 1);
}

#[tokio::test]
async fn refusals_are_told_as_what_they_are_and_at_once() {
    let server = Server::builder(ServerKind::Valkey9)
        .password("secret")
        .line("user alice on >wonder ~* +@all -select -client")
        .start()
        .unwrap();
    for protocol in [Protocol::Newest, Protocol::Resp2] {
        let good = at(server.addr()).protocol(protocol);
        for (config, code) in [
            (good.clone(), "NOAUTH"),
            (good.clone().password("wrong"), "WRONGPASS"),
            (good.clone().credentials("nobody", "x"), "WRONGPASS"),
            (
                good.clone().credentials("alice", "wonder").database(1),
                "NOPERM",
            ),
            (good.clone().password("secret").database(9999), "ERR"),
        ] {
            let error = refusal(config.clone()).await;
            assert_eq!(error.server().unwrap().code(), code, "{error}");
            assert!(matches!(error.kind(), ErrorKind::Handshake(_)));
            assert_eq!(error.phase(), Phase::NotSent);
            assert!(!error.is_retryable());
            assert!(!error.to_string().contains("wonder"));
            // A lazy connection tells it to its first caller.
            let lazy = Connection::lazy(config).unwrap();
            let error = within(ping(&lazy)).await.unwrap_err();
            assert_eq!(error.server().unwrap().code(), code, "{error}");
        }
        // Nice to have only.
        let alice = good.credentials("alice", "wonder").client_name("alice");
        assert_eq!(
            ping(&Connection::open(alice).await.unwrap()).await.unwrap(),
            "PONG"
        );
    }
}

#[tokio::test]
async fn a_refused_login_is_no_storm_and_heals() {
    let server = Server::builder(ServerKind::Valkey9)
        .password("one")
        .start()
        .unwrap();
    let admin = || server.connect().unwrap();
    let mut raw = admin();
    let config = at(server.addr())
        .password("one")
        .backoff(typedis_core::Backoff {
            first: Duration::from_millis(20),
            longest: Duration::from_millis(200),
        });
    let conn = Connection::open(config).await.unwrap();
    let mut events = conn.events();
    raw.call(&["CONFIG", "SET", "requirepass", "two"]).unwrap();
    raw.call(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"])
        .unwrap();
    event(&mut events, |event| {
        matches!(event, ConnectionEvent::Failed(_))
    })
    .await;
    for _ in 0..100 {
        let error = within(ping(&conn)).await.unwrap_err();
        assert_eq!(error.server().unwrap().code(), "WRONGPASS", "{error}");
    }
    // The pauses grow to the longest, of which chance takes half at most.
    let longest_pause = |event: &ConnectionEvent| matches!(event, ConnectionEvent::Reconnecting { attempt, .. } if *attempt >= 5);
    for _ in 0..3 {
        let ConnectionEvent::Reconnecting { delay, .. } = event(&mut events, longest_pause).await
        else {
            panic!("another event than was waited for")
        };
        assert!(delay >= Duration::from_millis(100), "{delay:?}");
    }
    raw.call(&["CONFIG", "SET", "requirepass", "one"]).unwrap();
    within(async {
        while ping(&conn).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// A provider of the tokens `t0`, `t1`, …, each valid for so long.
fn tokens(valid: Duration) -> (Arc<AtomicUsize>, impl Fn(Config) -> Config) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    (asked, move |config: Config| {
        let count = count.clone();
        config.credentials_provider(move || {
            let number = count.fetch_add(1, Ordering::SeqCst);
            async move {
                Ok::<_, std::io::Error>(
                    Credentials::new("alice", format!("t{number}")).valid_for(valid),
                )
            }
        })
    })
}

#[tokio::test]
async fn a_provider_is_asked_at_each_connect() {
    let fake = Fake::start(|mut peer| async move {
        while let Some(command) = peer.command().await? {
            if command.name() == "QUIT" {
                return Ok(());
            }
            peer.send(answers(&command)).await?;
        }
        Ok(())
    })
    .await
    .unwrap();
    let (asked, with) = tokens(LONG);
    let conn = Connection::open(with(at(fake.addr()))).await.unwrap();
    let mut events = conn.events();
    for number in 0..3 {
        assert_eq!(ping(&conn).await.unwrap(), "PONG");
        assert_eq!(asked.load(Ordering::SeqCst), number + 1);
        assert_eq!(
            fake.received(number)[0],
            ["HELLO", "3", "AUTH", "alice", &format!("t{number}")]
        );
        // The server hangs up.
        let _ = say(&conn, &["QUIT"]).await;
        event(&mut events, |event| {
            matches!(event, ConnectionEvent::Lost(_))
        })
        .await;
        event(&mut events, |event| {
            matches!(event, ConnectionEvent::Ready(_))
        })
        .await;
    }
}

#[tokio::test]
async fn a_live_connection_is_authenticated_anew_between_commands_and_transactions() {
    let fake = Fake::answering(answers_of_a_server()).await.unwrap();
    let (_, with) = tokens(Duration::from_millis(125));
    let conn = Connection::open(with(at(fake.addr()))).await.unwrap();
    let mut events = conn.events();
    let load: tokio::task::JoinHandle<typedis_core::Result<()>> = {
        let conn = conn.clone();
        tokio::spawn(async move {
            loop {
                let (one, two): ((), i64) = conn
                    .transaction()
                    .run(words::<()>(&["SET", "a", "1"]))
                    .run(words::<i64>(&["INCR", "a"]))
                    .await?;
                assert_eq!((one, two), ((), 2));
                let pong = conn
                    .pipeline()
                    .run(words::<String>(&["PING"]))
                    .run(words::<String>(&["PING"]))
                    .await?;
                assert_eq!(pong, ("PONG".to_owned(), "PONG".to_owned()));
            }
        })
    };
    for _ in 0..5 {
        event(&mut events, |event| {
            *event == ConnectionEvent::Reauthenticated
        })
        .await;
    }
    load.abort();
    assert!(
        load.await.unwrap_err().is_cancelled(),
        "the load met an error"
    );
    let mut depth = 0;
    let mut renewals = 0;
    for command in fake.received(0) {
        match command.name().as_str() {
            "MULTI" => depth += 1,
            "EXEC" => depth -= 1,
            "AUTH" => {
                renewals += 1;
                assert_eq!(depth, 0, "AUTH inside of a transaction");
                assert_eq!(command, ["AUTH", "alice", &format!("t{renewals}")]);
            }
            _ => {}
        }
    }
    assert!(renewals >= 5);
    assert_eq!(fake.connections(), 1);
}

/// A server that knows what the test above sends.
fn answers_of_a_server() -> impl Fn(&Words) -> Vec<u8> + Send + Sync + 'static {
    let open = Mutex::new(false);
    move |command| {
        let mut open = open.lock().unwrap();
        match command.name().as_str() {
            "MULTI" => {
                *open = true;
                b"+OK\r\n".to_vec()
            }
            "EXEC" => {
                *open = false;
                b"*2\r\n+OK\r\n:2\r\n".to_vec()
            }
            _ if *open => b"+QUEUED\r\n".to_vec(),
            _ => answers(command),
        }
    }
}

#[tokio::test]
async fn a_socket_of_ones_own_is_left_alone_while_a_multi_may_be_open() {
    let server = Server::builder(ServerKind::Valkey9)
        .line("user alice on nopass ~* +@all")
        .start()
        .unwrap();
    let (asked, with) = tokens(Duration::from_millis(125));
    let own = Exclusive::open(with(at(server.addr()))).await.unwrap();
    assert_eq!(say(&own, &["MULTI"]).await.unwrap(), "OK");
    until(|| asked.load(Ordering::SeqCst) >= 2).await;
    assert_eq!(say(&own, &["SET", "k", "v"]).await.unwrap(), "QUEUED");
    let replies: Vec<String> = own.run(words(&["EXEC"])).await.unwrap();
    assert_eq!(replies, ["OK"]);
}

#[tokio::test]
async fn a_provider_that_fails_is_asked_again_but_not_in_a_rush() {
    let fake = Fake::answering(answers).await.unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let config = at(fake.addr())
        .backoff(typedis_core::Backoff {
            first: Duration::from_millis(50),
            longest: Duration::from_millis(100),
        })
        .credentials_provider(move || {
            let number = count.fetch_add(1, Ordering::SeqCst);
            async move {
                if number == 0 {
                    Ok(Credentials::password("t0").valid_for(Duration::from_millis(125)))
                } else {
                    Err(std::io::Error::other("the token service is down"))
                }
            }
        });
    let conn = Connection::open(config.clone()).await.unwrap();
    let mut events = conn.events();
    let failed =
        |event: &ConnectionEvent| matches!(event, ConnectionEvent::ReauthenticationFailed(_));
    let ConnectionEvent::ReauthenticationFailed(reason) = event(&mut events, failed).await else {
        unreachable!()
    };
    assert!(reason.contains("the token service is down"), "{reason}");
    let (before, start) = (asked.load(Ordering::SeqCst), std::time::Instant::now());
    for _ in 0..5 {
        event(&mut events, failed).await;
    }
    assert!(
        start.elapsed() >= Duration::from_millis(150),
        "asked in a rush"
    );
    assert!(asked.load(Ordering::SeqCst) - before <= 6);
    // The connection itself goes on.
    assert_eq!(ping(&conn).await.unwrap(), "PONG");
    // One that cannot even begin says why.
    let error = refusal(config).await;
    assert!(matches!(error.kind(), ErrorKind::Credentials(_)), "{error}");
    assert!(
        error.to_string().contains("the token service is down"),
        "{error}"
    );
}

#[tokio::test]
async fn a_provider_that_hangs_does_not_hang_us() {
    let config = at(shared(ServerKind::Valkey9).addr())
        .connect_timeout(Duration::from_millis(100))
        .credentials_provider(|| async {
            std::future::pending::<()>().await;
            Ok::<_, std::io::Error>(Credentials::password("never"))
        });
    let error = refusal(config).await.to_string();
    assert!(
        error.contains("the provider of credentials gave none within 100ms"),
        "{error}"
    );
}

#[tokio::test]
async fn a_real_server_accepts_new_credentials_on_a_live_connection() {
    let server = Server::builder(ServerKind::Valkey9)
        .line("user alice on >t0 >t1 >t2 ~* +@all")
        .start()
        .unwrap();
    let (_, with) = tokens(Duration::from_millis(125));
    let conn = Connection::open(with(at(server.addr()))).await.unwrap();
    let mut events = conn.events();
    for _ in 0..2 {
        event(&mut events, |event| {
            *event == ConnectionEvent::Reauthenticated
        })
        .await;
    }
    // t3 is refused: that is told, and the connection goes on with what it has.
    let refused =
        |event: &ConnectionEvent| matches!(event, ConnectionEvent::ReauthenticationFailed(_));
    let ConnectionEvent::ReauthenticationFailed(reason) = event(&mut events, refused).await else {
        unreachable!()
    };
    assert!(reason.contains("WRONGPASS"), "{reason}");
    assert_eq!(say(&conn, &["ACL", "WHOAMI"]).await.unwrap(), "alice");
    assert_eq!(conn.stats().reconnects, 0);
}

#[tokio::test]
async fn a_subscribed_socket_is_authenticated_anew_only_where_it_can_be() {
    for protocol in [Protocol::Newest, Protocol::Resp2] {
        let server = Server::builder(ServerKind::Valkey9)
            .line("user alice on nopass ~* &* +@all")
            .start()
            .unwrap();
        let (asked, with) = tokens(Duration::from_millis(125));
        let config = with(at(server.addr())).protocol(protocol);
        let conn = Connection::open(config).await.unwrap();
        let mut news = conn.subscribe("news").await.unwrap();
        let before = asked.load(Ordering::SeqCst);
        until(|| asked.load(Ordering::SeqCst) >= before + 6).await;
        let mut raw = server.connect().unwrap();
        raw.call(&["PUBLISH", "news", "hello"]).unwrap();
        let heard: Option<String> = within(news.get()).await.unwrap();
        assert_eq!(heard.as_deref(), Some("hello"));
        let stats = format!("{:?}", raw.call(&["INFO", "commandstats"]).unwrap());
        let auth = stats.split_once("cmdstat_auth:").unwrap().1;
        let auth = auth.split("\\r\\n").next().unwrap();
        assert!(
            auth.contains("rejected_calls=0,failed_calls=0"),
            "{protocol:?}: {auth}"
        );
    }
}

/// Redis 8.2.3 does not answer an AUTH that it refuses when that came in one piece with commands before it: sent among
/// others, it would shift every later reply by one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_new_login_shifts_nobodys_reply_under_load() {
    let server = Server::builder(ServerKind::Redis8)
        .line("user alice on >t0 ~* +@all")
        .start()
        .unwrap();
    let (_, with) = tokens(Duration::from_millis(50));
    let conn = Connection::open(with(at(server.addr()))).await.unwrap();
    let mut events = conn.events();
    let over = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut load = tokio::task::JoinSet::new();
    for task in 0..32 {
        let (conn, over) = (conn.clone(), over.clone());
        load.spawn(async move {
            let mut round = 0_u64;
            while !over.load(Ordering::SeqCst) {
                let text = format!("{task}-{round}");
                let echoed: String = conn.run(words(&["ECHO", &text])).await.unwrap();
                assert_eq!(echoed, text);
                round += 1;
            }
        });
    }
    for _ in 0..5 {
        event(&mut events, |event| {
            matches!(event, ConnectionEvent::ReauthenticationFailed(_))
        })
        .await;
    }
    over.store(true, Ordering::SeqCst);
    while let Some(result) = load.join_next().await {
        result.unwrap();
    }
}
