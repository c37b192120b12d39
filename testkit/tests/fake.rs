//! The fake server: it says what the script says, records what it was told, and reports what did not fit.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::ErrorKind;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use typedis_testkit::fake::Fake;

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
    assert_eq!(fake.connections(), 2);
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
