//! The fake server: it says what the script says, records what it was told, and reports what did not fit.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::io::ErrorKind;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use typedis_testkit::fake::{Answer, Fake, FakeCluster};

async fn talk(fake: &Fake, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut client = TcpStream::connect(fake.addr()).await?;
    client.write_all(bytes).await?;
    client.shutdown().await?;
    let mut said = Vec::new();
    client.read_to_end(&mut said).await?;
    Ok(said)
}

#[tokio::test]
async fn a_script_is_followed() {
    let fake = Fake::start(|mut peer| async move {
        peer.expect(&["HELLO", "3"]).await?;
        peer.send_in_pieces("-ERR unknown command\r\n", 2).await?;
        peer.expect(&["GET", "a"]).await?;
        peer.send(format!("+connection {}\r\n", peer.number()))
            .await
    })
    .await
    .unwrap();
    let commands = b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n";
    assert_eq!(
        talk(&fake, commands).await.unwrap(),
        b"-ERR unknown command\r\n+connection 0\r\n"
    );
    assert_eq!(
        talk(&fake, commands).await.unwrap(),
        b"-ERR unknown command\r\n+connection 1\r\n"
    );
    assert_eq!((fake.connections(), fake.open_connections()), (2, 0));
    assert_eq!(fake.received(1), [["HELLO", "3"], ["GET", "a"]]);
    fake.finish().await.unwrap();
}

#[tokio::test]
async fn what_does_not_fit_the_script_is_reported() {
    let fake = Fake::start(|mut peer| async move { peer.expect(&["PING"]).await })
        .await
        .unwrap();
    let _ = talk(&fake, b"*1\r\n$4\r\nQUIT\r\n").await;
    let error = fake.finish().await.unwrap_err().to_string();
    assert!(
        error.contains(r#"connection 0 failed: expected ["PING"], the client sent ["QUIT"]"#),
        "{error}"
    );

    let fake = Fake::start(|_| async { panic!("as an assertion would") })
        .await
        .unwrap();
    let _ = talk(&fake, b"").await;
    let error = fake.finish().await.unwrap_err().to_string();
    assert!(error.contains("as an assertion would"), "{error}");
}

#[tokio::test]
async fn commands_are_answered_one_by_one() {
    let fake = Fake::answering(|command| format!("+{}\r\n", command.name()).into_bytes())
        .await
        .unwrap();
    let said = talk(&fake, b"*1\r\n$4\r\nping\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n")
        .await
        .unwrap();
    assert_eq!(said, b"+PING\r\n+GET\r\n");
    fake.finish().await.unwrap();
}

#[tokio::test]
async fn raw_bytes_handshakes_and_resets() {
    let fake = Fake::start(|mut peer| async move {
        if peer.number() == 0 {
            assert_eq!(peer.bytes(3).await?, b"abc");
            return peer.reset();
        }
        let command = peer.answer_until("GET", "+OK\r\n").await?;
        peer.send(format!("+{}\r\n", command.text(1))).await?;
        peer.half_close().await?;
        peer.until_closed().await
    })
    .await
    .unwrap();
    assert_eq!(
        talk(&fake, b"abc").await.unwrap_err().kind(),
        ErrorKind::ConnectionReset
    );
    let said = talk(&fake, b"*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n")
        .await
        .unwrap();
    assert_eq!(said, b"+OK\r\n+a\r\n");
    fake.finish().await.unwrap();
}

#[tokio::test]
async fn a_fake_cluster_tells_its_map_and_says_what_the_script_wants() {
    let cluster = FakeCluster::start(3, |asked| match asked.command.name().as_str() {
        "GET" if asked.asking => Answer::Reply(b"$3\r\nbar\r\n".to_vec()),
        "GET" => Answer::ask(12_182, asked.addr(1)),
        "QUIT" => Answer::Close,
        _ => Answer::Usual,
    })
    .await
    .unwrap();
    cluster.assign(0..=0, 2);
    cluster.unassign(5..=9);
    cluster.set_replicas(2, &[0]);
    let mut client = TcpStream::connect(cluster.node(0).addr()).await.unwrap();
    let ports: Vec<u16> = (0..3)
        .map(|node| cluster.node(node).addr().port())
        .collect();
    let node = |node: usize| {
        let port = ports[node];
        format!("*4\r\n$9\r\n127.0.0.1\r\n:{port}\r\n$40\r\n{node:040x}\r\n*0\r\n")
    };
    let range = |first: u16, last: u16, nodes: &[usize]| {
        let nodes: String = nodes.iter().map(|index| node(*index)).collect();
        (first, last, nodes)
    };
    let ranges = [
        range(0, 0, &[2, 0]),
        range(1, 4, &[0]),
        range(10, 5_461, &[0]),
        range(5_462, 10_922, &[1]),
        range(10_923, 16_383, &[2, 0]),
    ];
    let mut expected = "*5\r\n".to_owned();
    for (first, last, nodes) in ranges {
        let count = 2 + nodes.matches("*4").count();
        expected += &format!("*{count}\r\n:{first}\r\n:{last}\r\n{nodes}");
    }
    expected += &format!("-ASK 12182 127.0.0.1:{}\r\n+OK\r\n$3\r\nbar\r\n", ports[1]);
    let commands = "*2\r\n$7\r\nCLUSTER\r\n$5\r\nSLOTS\r\n*2\r\n$3\r\nGET\r\n$3\r\nfoo\r\n*1\r\n$6\r\nASKING\r\n\
                    *2\r\n$3\r\nGET\r\n$3\r\nfoo\r\n*1\r\n$4\r\nQUIT\r\n";
    client.write_all(commands.as_bytes()).await.unwrap();
    let mut received = String::new();
    client.read_to_string(&mut received).await.unwrap();
    assert_eq!(received, expected);
    assert_eq!(cluster.count(0, "GET"), 2);
    cluster.finish().await.unwrap();
}
