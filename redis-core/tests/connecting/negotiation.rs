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
