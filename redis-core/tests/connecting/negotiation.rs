//! What a server understands, which may take several sockets to find out.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use typedis_core::{Config, Connection};
use typedis_testkit::fake::Fake;

use crate::support::{ping, quick, within};

/// Another address of the name may be another proxy.
#[tokio::test]
async fn one_address_of_a_name_is_kept_while_it_is_found_out_what_it_understands() {
    let knows_no_hello = Fake::start(|mut peer| async move {
        while let Some(command) = peer.command().await? {
            match command.name().as_str() {
                "HELLO" => return peer.reset(),
                "PING" => peer.send("+PONG\r\n").await?,
                _ => peer.send("+OK\r\n").await?,
            }
        }
        Ok(())
    });
    let denying = Fake::answering(|_| b"-DENIED Redis is running in protected mode\r\n".to_vec());
    let (first, second) = (knows_no_hello.await.unwrap(), denying.await.unwrap());
    let addresses = vec![first.addr(), second.addr()];
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let config = quick(Config::tcp("cache.example", 6379)).resolver(move |_, _| {
        count.fetch_add(1, Ordering::SeqCst);
        let addresses = addresses.clone();
        async move { Ok(addresses) }
    });
    // That it hung up on HELLO does not count against it the next time.
    for times in 1..3 {
        let conn = within(Connection::open(&config)).await.unwrap();
        assert_eq!(within(ping(&conn)).await.unwrap(), "PONG");
        assert_eq!(asked.load(Ordering::SeqCst), times);
    }
    assert_eq!(second.connections(), 0);
}

/// What was heard: on which connection, and all that came at once.
type Heard = Arc<Mutex<Vec<(usize, String)>>>;

/// Answers what comes at once, unless one of these words is in it: then it hangs up without any answer.
async fn answer_batches(
    mut line: DuplexStream,
    number: usize,
    unknown: &'static [&'static str],
    heard: Heard,
) -> io::Result<()> {
    let mut batch = vec![0; 4096];
    loop {
        let length = line.read(&mut batch).await?;
        let text = String::from_utf8_lossy(&batch[..length]).into_owned();
        heard.lock().unwrap().push((number, text.clone()));
        if length == 0 || unknown.iter().any(|word| text.contains(word)) {
            return Ok(());
        }
        for command in text.split('*').skip(1) {
            let reply: &[u8] = match command {
                hello if hello.contains("HELLO") => b"%1\r\n$5\r\nproto\r\n:3\r\n",
                ping if ping.contains("PING") => b"+PONG\r\n",
                _ => b"+OK\r\n",
            };
            line.write_all(reply).await?;
        }
    }
}

/// A connection over such lines, on which a PING was answered, and what was heard on its line before.
async fn greeting_taken(unknown: &'static [&'static str]) -> String {
    let heard = Heard::default();
    let (lines, words) = (AtomicUsize::new(0), heard.clone());
    let config = quick(Config::tcp("nowhere", 1).database(2).client_name("me"));
    let config = config.transport(move |_| {
        let (ours, theirs) = tokio::io::duplex(4096);
        let number = lines.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(answer_batches(theirs, number, unknown, words.clone()));
        async move { io::Result::Ok(ours) }
    });
    let conn = within(Connection::open(config)).await.unwrap();
    assert_eq!(within(ping(&conn)).await.unwrap(), "PONG");
    let heard = heard.lock().unwrap();
    let (used, _) = heard
        .iter()
        .find(|(_, text)| text.contains("PING"))
        .unwrap();
    let mut on_it = heard.iter().filter(|(number, _)| number == used);
    on_it.next().unwrap().1.clone()
}

/// The reply to HELLO is lost with the socket, so it looks as if HELLO was not known.
#[tokio::test]
async fn a_proxy_that_answers_nothing_when_it_hangs_up_is_asked_for_less_in_both_protocols() {
    let greeting = greeting_taken(&["CLIENT"]).await;
    assert!(greeting.contains("HELLO") && greeting.contains("SELECT"));
    let greeting = greeting_taken(&["CLIENT", "HELLO"]).await;
    assert!(greeting.starts_with("*2\r\n$6\r\nSELECT"), "{greeting}");
    let greeting = greeting_taken(&["HELLO"]).await;
    assert!(greeting.contains("SELECT") && greeting.contains("SETNAME"));
    let greeting = greeting_taken(&["nothing"]).await;
    assert!(greeting.contains("HELLO") && greeting.contains("SETNAME"));
}
