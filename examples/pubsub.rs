//! Publish and subscribe: several channels with a reader each, JSON, patterns, one reader for many.
//!
//! `TYPEDIS_URL=redis://localhost cargo run --features json --example pubsub`

use serde::{Deserialize, Serialize};
use typedis::prelude::*;
use typedis::{Channel, Event};

#[derive(Debug, Serialize, Deserialize)]
struct News {
    title: String,
}

#[tokio::main]
async fn main() -> typedis::Result<()> {
    let url = std::env::var("TYPEDIS_URL").unwrap_or_else(|_| "redis://localhost".to_owned());
    // Subscriptions share a pool's or connection's socket with commands; you need no extra connection for them.
    let pool = typedis::pool(&url).await?;
    two_readers(&pool).await?;
    json(&pool).await?;
    patterns(&pool).await?;
    many_in_one(&pool).await
}

async fn two_readers(pool: &Pool) -> typedis::Result<()> {
    let [first, second] = pool.subscribe(["channel:1", "channel:2"]).await?;
    let readers = [first, second].map(|channel| tokio::spawn(read(channel)));
    for text in ["Hello", "world", "quit"] {
        for channel in ["channel:1", "channel:2"] {
            pool.publish(channel, text).await?;
        }
    }
    for reader in readers {
        reader.await.map_err(typedis::Error::custom)??;
    }
    Ok(())
}

async fn read(mut channel: Channel) -> typedis::Result<()> {
    while let Some(text) = channel.get::<String>().await? {
        println!("{}: {text}", channel.name());
        if text == "quit" {
            break;
        }
    }
    // Dropping the channel unsubscribes.
    Ok(())
}

async fn json(pool: &Pool) -> typedis::Result<()> {
    let mut channel = pool.subscribe("channel:json").await?;
    let news = News {
        title: "JSON both ways".to_owned(),
    };
    pool.publish_json("channel:json", &news).await?;
    let news: Option<News> = channel.get_json().await?;
    println!("{news:?}");
    Ok(())
}

async fn patterns(pool: &Pool) -> typedis::Result<()> {
    let mut channels = pool.psubscribe("channel:*").await?;
    pool.publish("channel:any", "matched").await?;
    pool.publish("channel:other", "quit").await?;
    let mut messages = channels.iter::<String>();
    while let Some((channel, text)) = messages.next().await.transpose()? {
        println!("{channel}, by a pattern: {text}");
        if text == "quit" {
            break;
        }
    }
    Ok(())
}

async fn many_in_one(pool: &Pool) -> typedis::Result<()> {
    let mut all = pool.subscriber().open();
    all.subscribe(["channel:a", "channel:b"]).await?;
    pool.publish("channel:b", "one reader for many").await?;
    if let Some(Event::Message(message)) = all.next().await.transpose()? {
        println!("{}: {}", message.channel(), message.decode::<String>()?);
    }
    Ok(())
}
