//! fred: one `Client`, cloned; RESP2, its default, and TCP_NODELAY, as its README sets it. The subscriber's buffer holds
//! 131,072 messages in place of 32: beyond that it loses some.

use std::collections::HashMap;
use std::process::ExitCode;

use bytes::Bytes;
use fred::prelude::{
    Builder, ClientLike, Config, EventInterface, HashesInterface, KeysInterface, ListInterface,
    PubsubInterface, TcpConfig, TransactionInterface,
};
use fred::types::{FromValue, Value};
use peers_common::{Client, Commands, Result, Unsupported, hundred_fields};

hundred_fields! {
    by hand:
    #[allow(dead_code, reason = "that they are read is what is measured")]
    Hash
}

/// What users write: it has no derive.
impl FromValue for Hash {
    fn from_value(value: Value) -> std::result::Result<Self, fred::error::Error> {
        let mut hash = Self::default();
        for (name, value) in value.into_map()?.inner() {
            hash.set(name.as_str().unwrap_or_default(), value.convert()?);
        }
        Ok(hash)
    }
}

#[derive(Clone)]
struct Fred(fred::clients::Client);

fn builder(url: &str) -> Result<Builder> {
    let mut builder = Builder::from_config(Config::from_url(url)?);
    builder
        .with_connection_config(|config| {
            config.tcp = TcpConfig {
                nodelay: Some(true),
                ..TcpConfig::default()
            };
        })
        .with_performance_config(|config| config.broadcast_channel_capacity = 32);
    Ok(builder)
}

impl Commands for Fred {
    async fn connect(url: &str) -> Result<Self> {
        let client = builder(url)?.build()?;
        client.init().await?;
        Ok(Self(client))
    }

    async fn get(&mut self, key: &str) -> Result<String> {
        Ok(self.0.get(key).await?)
    }

    async fn set(&mut self, key: &str, value: &str) -> Result<()> {
        Ok(self.0.set(key, value, None, None, false).await?)
    }

    async fn pipeline(&mut self, keys: &[String]) -> Result<usize> {
        let pipeline = self.0.pipeline();
        for key in keys {
            let _: () = pipeline.get(key).await?;
        }
        let values: Vec<Option<String>> = pipeline.all().await?;
        Ok(values.iter().flatten().count())
    }

    async fn mget(&mut self, keys: &[String]) -> Result<usize> {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let values: Vec<Option<String>> = self.0.mget(keys).await?;
        Ok(values.iter().flatten().count())
    }
}

impl Client for Fred {
    type Pool = fred::clients::Pool;
    type Cluster = Cluster;

    async fn connect_pool(url: &str, lanes: usize) -> Result<Self::Pool> {
        let pool = builder(url)?.build_pool(lanes)?;
        pool.init().await?;
        Ok(pool)
    }

    async fn pool_get(pool: &Self::Pool, key: &str) -> Result<String> {
        Ok(pool.get(key).await?)
    }

    async fn get_bytes(&mut self, key: &str) -> Result<usize> {
        let value: Bytes = self.0.get(key).await?;
        Ok(value.len())
    }

    async fn set_bytes(&mut self, key: &str, value: &Bytes) -> Result<()> {
        Ok(self.0.set(key, value.clone(), None, None, false).await?)
    }

    async fn transaction(&mut self, keys: &[String], value: &str) -> Result<()> {
        let transaction = self.0.multi();
        for key in keys {
            let _: () = transaction.set(key, value, None, None, false).await?;
        }
        let _: fred::types::Value = transaction.exec(true).await?;
        Ok(())
    }

    async fn lrange_strings(&mut self, key: &str) -> Result<usize> {
        let values: Vec<String> = self.0.lrange(key, 0, -1).await?;
        Ok(values.len())
    }

    async fn lrange_bytes(&mut self, key: &str) -> Result<usize> {
        let values: Vec<Bytes> = self.0.lrange(key, 0, -1).await?;
        Ok(values.len())
    }

    async fn hgetall_map(&mut self, key: &str) -> Result<usize> {
        let map: HashMap<String, String> = self.0.hgetall(key).await?;
        Ok(map.len())
    }

    async fn hgetall_struct(&mut self, key: &str) -> Result<usize> {
        let hash: Hash = self.0.hgetall(key).await?;
        Ok(hash.f99.len())
    }

    async fn scan(&mut self) -> Result<u64> {
        let (mut cursor, mut found) = (String::from("0"), 0);
        loop {
            let page = self.0.scan_page(cursor, "*", Some(1000), None);
            let keys: Vec<String>;
            (cursor, keys) = page.await?;
            found += keys.len() as u64;
            if cursor == "0" {
                return Ok(found);
            }
        }
    }

    async fn receive(
        url: &str,
        channels: &[String],
        count: u64,
        ready: impl FnOnce() + Send,
    ) -> Result<()> {
        let client = builder(url)?
            .with_performance_config(|config| config.broadcast_channel_capacity = 131_072)
            .build_subscriber_client()?;
        client.init().await?;
        let mut messages = client.message_rx();
        client.subscribe(channels.to_vec()).await?;
        ready();
        for _ in 0..count {
            let message = messages.recv().await?;
            let _: Bytes = message.value.convert()?;
        }
        Ok(())
    }
}

/// The same client with the address of a cluster.
#[derive(Clone)]
struct Cluster(Fred);

impl Commands for Cluster {
    async fn connect(url: &str) -> Result<Self> {
        let url = url.replacen("redis://", "redis-cluster://", 1);
        Ok(Self(Fred::connect(&url).await?))
    }

    async fn get(&mut self, key: &str) -> Result<String> {
        self.0.get(key).await
    }

    async fn set(&mut self, key: &str, value: &str) -> Result<()> {
        self.0.set(key, value).await
    }

    async fn pipeline(&mut self, keys: &[String]) -> Result<usize> {
        self.0.pipeline(keys).await
    }

    /// It sends the command as it is, and the server refuses keys of several slots.
    async fn mget(&mut self, _: &[String]) -> Result<usize> {
        Err(Unsupported.into())
    }
}

fn main() -> ExitCode {
    peers_common::main::<Fred>()
}
