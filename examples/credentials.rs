//! Credentials that expire: a provider is asked at each connect, and again before they expire.
//!
//! `TOKEN=secret cargo run --example credentials [URL]`

use std::env::{self, VarError};
use std::time::Duration;

use typedis::prelude::*;
use typedis::{Config, ConnectionEvent, Credentials};

/// A real program would ask a token service here.
async fn token() -> Result<Credentials, VarError> {
    let token = env::var("TOKEN")?;
    // A live connection is authenticated again after four fifths of this.
    Ok(Credentials::new("default", token).valid_for(Duration::from_secs(5)))
}

#[tokio::main]
async fn main() -> typedis::Result<()> {
    let url = env::args().nth(1).unwrap_or("redis://localhost".to_owned());
    let conn = typedis::connect(Config::from_url(&url)?.credentials_provider(token)).await?;

    let mut events = conn.events();
    let watching = tokio::spawn(async move {
        while let Some(event) = events.next().await {
            println!("  {event}");
            if event == ConnectionEvent::Reauthenticated {
                break;
            }
        }
    });
    // Commands go on meanwhile: AUTH is sent between two of them, never inside a transaction.
    while !watching.is_finished() {
        let visits = conn.incr("visits").await?;
        println!("visit {visits}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}
