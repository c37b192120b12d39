//! The first steps: connect, set and get, text and bytes, hashes, structs.
//!
//! `TYPEDIS_URL=redis://localhost cargo run --example getting_started`

use std::collections::HashMap;

use typedis::prelude::*;

#[derive(Debug, FromRedis, ToRedis)]
struct Wheel {
    size: u32,
    colour: String,
}

#[tokio::main]
async fn main() -> typedis::Result<()> {
    let url = std::env::var("TYPEDIS_URL").unwrap_or_else(|_| "redis://localhost".to_owned());

    // One shared, pipelined socket, which is replaced when it is lost.
    let conn = typedis::connect(&url).await?;
    conn.set("my-key", "value").await?;

    // The type that is asked for says how a value is decoded: text, raw bytes, a number.
    let text: Option<String> = conn.get("my-key").await?;
    println!("text: {text:?}");
    let bytes: Option<Vec<u8>> = conn.get("my-key").await?;
    println!("bytes: {bytes:?}");
    match conn.get::<i64>("my-key").await {
        Ok(number) => println!("number: {number:?}"),
        Err(error) => println!("number: {error}"),
    }

    // A hash as a map, and as a struct.
    conn.del(["hash", "wheel"]).await?;
    conn.hset("hash", [("key1", "value1"), ("key2", "value2")])
        .await?;
    let hash: HashMap<String, String> = conn.hgetall("hash").await?;
    println!(
        "hash: {} fields, key1 is {:?}",
        hash.len(),
        hash.get("key1")
    );
    let wheel = Wheel {
        size: 28,
        colour: "red".to_owned(),
    };
    conn.hset("wheel", &wheel).await?;
    let wheel: Option<Wheel> = conn.hgetall("wheel").await?;
    println!("wheel: {wheel:?}");

    // The socket is closed when the last clone of the handle is dropped.
    Ok(())
}
