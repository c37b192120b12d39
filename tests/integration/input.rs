//! Bad input is refused with an error that names it, before anything is sent.

use std::time::Duration;

use typedis::prelude::*;
use typedis::{Phase, Protocol, Result};
use typedis_testkit::ServerKind;

use crate::support::Bench;

/// Runs the calls and compares what they say. `INFO commandstats` of the shared server would count other tests, so the
/// proof that nothing was sent is the phase, and that the connection's own order is undisturbed.
macro_rules! refused {
    ($conn:ident: $($call:expr => $text:literal;)*) => {$(
        let error = $call.await.expect_err(stringify!($call));
        assert_eq!(error.to_string(), $text);
        assert_eq!(error.phase(), Phase::NotSent, "{}", stringify!($call));
        assert_eq!($conn.echo::<String>(stringify!($call)).await?, stringify!($call));
    )*};
}

#[tokio::test]
async fn bad_arguments_are_refused_before_anything_is_sent() -> Result<()> {
    let bench = Bench::new(ServerKind::Valkey9, Protocol::Newest);
    let conn = bench.connect().await;
    let none: [&str; 0] = [];
    refused! { conn:
        conn.del(none) => "DEL: argument `keys`: at least one is required, none was given; nothing was sent";
        conn.zadd("z", [(f64::NAN, "a")]) =>
            "ZADD: argument `pairs`: NaN is not a number that a server accepts; nothing was sent";
        conn.incrbyfloat("n", f64::NAN) =>
            "INCRBYFLOAT: argument `increment`: NaN is not a number that a server accepts; nothing was sent";
        conn.set("k", "v").ex(-1) =>
            "SET: argument `seconds`: a time to live of -1 is negative; nothing was sent";
        conn.set("k", "v").ex(Duration::from_millis(1500)) =>
            "SET: argument `seconds`: 1.5s is not a whole number of seconds; the method for milliseconds takes it; nothing was sent";
        conn.pipeline().incr("n").del(none) =>
            "DEL (command 1): argument `keys`: at least one is required, none was given; nothing was sent";
        conn.transaction().incr("n").del(none) =>
            "DEL (command 1): argument `keys`: at least one is required, none was given; nothing was sent";
    }
    assert_eq!(
        conn.exists("n").await?,
        0,
        "nothing of a refused pipeline was carried out"
    );
    Ok(())
}

#[tokio::test]
async fn an_argument_over_the_limit_is_refused() -> Result<()> {
    let bench = Bench::new(ServerKind::Valkey9, Protocol::Newest);
    let conn = bench.connect().await;
    let long = vec![b'x'; 512 * 1024 * 1024 + 1];
    let error = conn
        .set(&long, "v")
        .await
        .expect_err("no server takes such a key");
    assert_eq!(
        error.to_string(),
        "SET: argument `key`: 536870913 bytes are more than the 536870912 that a server takes; nothing was sent"
    );
    Ok(())
}

#[tokio::test]
async fn a_url_with_a_typo_is_refused_with_a_suggestion() {
    let error = typedis::connect("redis://localhost?comand_timeout=1s")
        .await
        .expect_err("no such parameter");
    assert_eq!(
        error.to_string(),
        "unknown parameter `comand_timeout`; did you mean `command_timeout`?; nothing was sent"
    );
}
