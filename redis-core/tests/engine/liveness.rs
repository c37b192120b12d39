//! Lines that are silent: dead ones are noticed, slow and busy ones are not taken for dead.

use std::time::Duration;

use typedis_core::{ErrorKind, Exclusive, Pool, Protocol, Result, Run, raw};
use typedis_testkit::fake::Fake;
use typedis_testkit::proxy::{Cut, Proxy};

use crate::support::*;

/// Longer than a busy machine lets a line that lives wait.
const BOUND: Duration = Duration::from_secs(1);

#[derive(Clone, Copy)]
enum Hole {
    Both,
    ToServer,
    ToClient,
}

fn open_hole(proxy: &Proxy, hole: Hole) {
    match hole {
        Hole::Both => proxy.black_hole(),
        Hole::ToServer => proxy.to_server().black_hole(),
        Hole::ToClient => proxy.to_client().black_hole(),
    }
}

async fn is_noticed(hole: Hole, loaded: bool) {
    let (proxy, config) = proxied(&db()).await;
    let conn = connect(config.liveness(BOUND)).await;
    let before = id(&conn).await;
    // Nothing that was sent comes back, and no new connection gets through either.
    open_hole(&proxy, hole);
    if loaded {
        let calls = all((0..50).map(|_| conn.run(incr("n"))));
        for result in soon("calls into a black hole", calls).await {
            let error = failed(result);
            let ErrorKind::ConnectionLost(loss) = error.kind() else {
                panic!("{error}")
            };
            assert!(loss.to_string().contains("no sign of life"), "{error}");
        }
    }
    // A new attempt is made.
    proxy.wait_for_accepted(2, LONG).await.unwrap();
    proxy.heal();
    // The attempt under way sits in the hole; with it cut the next one gets through.
    proxy.cut_all(Cut::Reset);
    ping_works(&conn).await;
    assert_ne!(id(&conn).await, before);
}

#[tokio::test]
async fn an_idle_line_that_went_dead_is_replaced() {
    for hole in [Hole::Both, Hole::ToServer, Hole::ToClient] {
        is_noticed(hole, false).await;
    }
}

#[tokio::test]
async fn callers_on_a_dead_line_are_told() {
    for hole in [Hole::Both, Hole::ToServer, Hole::ToClient] {
        is_noticed(hole, true).await;
    }
}

#[tokio::test]
async fn what_only_reads_survives_a_dead_line() {
    let (proxy, config) = proxied(&db()).await;
    let conn = connect(config.liveness(BOUND)).await;
    conn.run(set("k", "7")).await.unwrap();
    proxy.black_hole();
    let read = conn.run(get("k")).send();
    proxy.wait_for_accepted(2, LONG).await.unwrap();
    proxy.heal();
    proxy.cut_all(Cut::Reset);
    assert_eq!(soon("a read", read).await.unwrap(), Some(7));
}

/// A busy machine may let a line that lives be silent for longer than the first of these, by its own fault as it were; a mistake shows
/// with each.
const BOUNDS: [Duration; 3] = [BOUND, BOUND.saturating_mul(4), BOUND.saturating_mul(16)];

/// A silent line that lives is asked and kept.
#[tokio::test]
async fn an_idle_line_that_lives_is_kept() {
    for bound in BOUNDS {
        if is_kept_while_idle(bound).await {
            return;
        }
    }
    panic!("a line that lives was given up");
}

async fn is_kept_while_idle(bound: Duration) -> bool {
    let (proxy, config) = proxied(&db()).await;
    let conn = connect(config.liveness(bound)).await;
    let ask = || conn.run(raw("CLIENT ID").readonly().reply::<i64>());
    let Ok(before) = ask().await else {
        return false;
    };
    let (sent, ping) = (
        proxy.to_server().passed(),
        "*1\r\n$4\r\nPING\r\n".len() as u64,
    );
    let asked = async {
        while proxy.to_server().passed() < sent + 5 * ping {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let limit = 5 * bound + LONG;
    let in_time = tokio::time::timeout(limit, asked).await;
    in_time.expect("it is asked five times");
    ask().await.is_ok_and(|now| now == before) && proxy.accepted() == 1
}

#[tokio::test]
async fn a_server_that_holds_a_blocking_command_is_not_given_up() {
    for bound in BOUNDS {
        if is_kept_while_it_blocks(bound).await {
            return;
        }
    }
    panic!("a server that holds a blocking command was given up");
}

async fn is_kept_while_it_blocks(bound: Duration) -> bool {
    let (proxy, config) = proxied(&db()).await;
    let pool = Pool::open(config.liveness(bound).lanes(1)).await.unwrap();
    let seconds = 3 * bound.as_secs();
    let pop = raw("BLPOP").key("k").arg(seconds).blocks_for(seconds);
    let pop = pop.reply::<Option<(String, i64)>>();
    match pool.run(pop).await {
        // The lane and the lease.
        Ok(reply) => reply.is_none() && proxy.accepted() == 2,
        Err(_) => false,
    }
}

/// The driver's own PING would be queued among the commands, and its PONG be taken for the reply of one.
#[tokio::test]
async fn a_slow_transaction_by_hand_has_no_commands_of_the_drivers_in_it() {
    for bound in BOUNDS {
        match silent_in_a_transaction(bound / 2).await {
            Ok(()) => return,
            Err(error) => println!("{error}"),
        }
    }
    panic!("a line that lives was given up");
}

async fn silent_in_a_transaction(bound: Duration) -> Result<()> {
    let (proxy, config) = proxied(&db()).await;
    let exclusive = Exclusive::open(config.liveness(bound)).await.unwrap();
    // Another one is as silent, and is asked for a sign of life after each half of the bound.
    let (asked, config) = proxied(&db()).await;
    let _silent = connect(config.liveness(bound)).await;
    let silence = async |halves| {
        for _ in 0..halves {
            let sent = asked.to_server().passed();
            until("it is asked", || asked.to_server().passed() > sent).await;
        }
    };
    let open = exclusive.begin().await?;
    let first = open.run(incr("n")).await?;
    silence(8).await;
    let second = open.run(echo("x")).await?;
    silence(4).await;
    let third = open.run(incr("n")).await?;
    let mut replies = open.exec().await?;
    assert_eq!(replies.len(), 3);
    assert_eq!(replies.take(first).unwrap(), 1);
    assert_eq!(replies.take(second).unwrap(), "x");
    assert_eq!(replies.take(third).unwrap(), 2);
    assert_eq!(proxy.accepted(), 1);
    Ok(())
}

/// Also a line that is kept quiet is given up when a reply is owed and nothing comes.
#[tokio::test]
async fn a_dead_line_with_an_open_transaction_is_noticed_when_it_is_used() {
    let (proxy, config) = proxied(&db()).await;
    let exclusive = Exclusive::open(config.liveness(BOUND)).await.unwrap();
    let open = exclusive.begin().await.unwrap();
    proxy.black_hole();
    let error = failed(soon("a command", open.run(incr("n"))).await);
    assert!(
        matches!(error.kind(), ErrorKind::ConnectionLost(_)),
        "{error}"
    );
    assert!(failed(open.exec().await).is_connection());
    assert!(exclusive.is_closed());
}

/// Several times the bound passes while a large value trickles to a server that says nothing.
#[tokio::test]
async fn a_slow_reader_is_not_given_up_while_it_reads() {
    let size = 8 << 20;
    let fake = Fake::start(move |mut peer| async move {
        after_handshake(&mut peer).await?;
        let mut read = 0;
        while read < size {
            peer.bytes(64 << 10).await?;
            read += 64 << 10;
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        peer.bytes("*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$8388608\r\n\r\n".len())
            .await?;
        peer.send("+OK\r\n").await?;
        // Whatever was asked meanwhile.
        while let Some(command) = peer.command().await? {
            peer.send(format!("+{}\r\n", command.text(1))).await?;
        }
        Ok(())
    })
    .await
    .unwrap();
    let config = at(fake.addr()).protocol(Protocol::Resp2);
    let conn = connect(config.liveness(BOUND)).await;
    conn.run(set("big", &"x".repeat(size))).await.unwrap();
    assert_eq!(conn.run(echo("after")).await.unwrap(), "after");
    assert_eq!(fake.connections(), 1);
}

/// A large reply that trickles in is a sign of life all the while.
#[tokio::test]
async fn a_slow_reply_is_not_given_up_while_it_comes() {
    let (proxy, config) = proxied(&db()).await;
    let conn = connect(config.liveness(BOUND)).await;
    let before = id(&conn).await;
    let big = "x".repeat(1 << 20);
    conn.run(set("big", &big)).await.unwrap();
    proxy.to_client().chunks(16 << 10);
    // More than three seconds.
    proxy.to_client().rate(300 << 10);
    let reply: String = conn.run(raw("GET").key("big").reply()).await.unwrap();
    assert!(reply == big);
    assert_eq!(id(&conn).await, before);
}
