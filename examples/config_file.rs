//! The configuration comes from a file, with the same names as in a URL.
//!
//! `cargo run --example config_file --features serde [FILE]`

use serde::Deserialize;
use typedis::prelude::*;

/// The application's own settings, with the connection among them.
#[derive(Deserialize)]
struct Settings {
    greeting: String,
    redis: typedis::Config,
}

const FILE: &str = r#"
greeting = "hello"

[redis]
url = "redis://localhost/0"
client_name = "config-file"
connect_timeout = "500ms"
command_timeout = "2s"
lanes = 4
min_lanes = 1
backoff = { first = "10ms", longest = "1s" }
budget = { bytes = "16MiB", commands = 10000 }
"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let text = match std::env::args().nth(1) {
        Some(path) => std::fs::read_to_string(path)?,
        None => FILE.to_owned(),
    };
    let Settings { greeting, redis } = toml::from_str(&text)?;
    println!("connecting to {}", redis.to_url()); // the password is shown as ***
    let pool = typedis::pool(redis).await?;
    pool.set("greeting", greeting).await?;
    println!("{:?}", pool.get::<String>("greeting").await?);

    // Commands that were sent are still answered. Those without an answer within 10 s fail, and are counted.
    let closed = pool.close().await;
    println!("closed, {} commands failed", closed.failed);
    Ok(())
}
