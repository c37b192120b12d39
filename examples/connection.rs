//! Commands built from words, where there is no method; and the type of each reply.
//!
//! `TYPEDIS_URL=redis://localhost cargo run --example connection`

use typedis::Value;
use typedis::prelude::*;

#[tokio::main]
async fn main() -> typedis::Result<()> {
    let url = std::env::var("TYPEDIS_URL").unwrap_or_else(|_| "redis://localhost".to_owned());
    let conn = typedis::connect(&url).await?;

    conn.run(
        raw("SET")
            .key("connection:key")
            .arg("some value")
            .reply::<()>(),
    )
    .await?;
    // The type is chosen call by call.
    let bytes: Vec<u8> = conn.run(raw("GET").key("connection:key").reply()).await?;
    println!("bytes: {}", bytes.len());
    let text: String = conn.run(raw("GET").key("connection:key").reply()).await?;
    println!("text: {text}");
    let anything: Value = conn
        .run(raw("OBJECT ENCODING").key("connection:key"))
        .await?;
    println!("as it came: {anything:?}");

    // Many commands are in flight at once on one socket.
    let replies = conn
        .pipeline_each(0..3, |_, n| {
            raw("APPEND").key("connection:text").arg(n).reply::<i64>()
        })
        .await?;
    println!("{} replies", replies.len());
    let closed = conn.close().await;
    println!(
        "closed: {}, in good order: {}",
        conn.is_closed(),
        closed.is_clean()
    );
    Ok(())
}
