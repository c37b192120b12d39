//! typedis: one `Connection`, cloned; large values and list elements as `Bytes`. Settings as they come, but for
//! subscribers, which wait in place of losing messages.

use std::collections::HashMap;
use std::process::ExitCode;

use bytes::Bytes;
use peers_common::{Client, Commands, Result, hundred_fields};
use typedis::prelude::*;
use typedis::{Config, Event, FromRedis, Lag};

hundred_fields! {
    #[derive(FromRedis)]
    #[allow(dead_code, reason = "that they are read is what is measured")]
    Hash
}

#[derive(Clone)]
struct Typedis(typedis::Connection);

impl Commands for Typedis {
    async fn connect(url: &str) -> Result<Self> {
        Ok(Self(typedis::connect(url).await?))
    }

    async fn get(&mut self, key: &str) -> Result<String> {
        let value: Option<String> = self.0.get(key).await?;
        Ok(value.ok_or("no such key")?)
    }

    async fn set(&mut self, key: &str, value: &str) -> Result<()> {
        Ok(self.0.set(key, value).await?)
    }

    async fn pipeline(&mut self, keys: &[String]) -> Result<usize> {
        let values: Vec<Option<String>> = self
            .0
            .pipeline_each(keys, |command, key| command.get::<String>(key))
            .await?;
        Ok(values.iter().flatten().count())
    }

    async fn mget(&mut self, keys: &[String]) -> Result<usize> {
        let values: Vec<Option<String>> = self.0.mget(keys).await?;
        Ok(values.iter().flatten().count())
    }
}

impl Client for Typedis {
    type Pool = typedis::Pool;
    type Cluster = Cluster;

    async fn connect_pool(url: &str, lanes: usize) -> Result<Self::Pool> {
        Ok(typedis::pool(Config::from_url(url)?.lanes(lanes)).await?)
    }

    async fn pool_get(pool: &Self::Pool, key: &str) -> Result<String> {
        let value: Option<String> = pool.get(key).await?;
        Ok(value.ok_or("no such key")?)
    }

    async fn get_bytes(&mut self, key: &str) -> Result<usize> {
        let value: Option<Bytes> = self.0.get(key).await?;
        Ok(value.map_or(0, |value| value.len()))
    }

    async fn set_bytes(&mut self, key: &str, value: &Bytes) -> Result<()> {
        Ok(self.0.set(key, value.clone()).await?)
    }

    async fn transaction(&mut self, keys: &[String], value: &str) -> Result<()> {
        let [a, b, c, d, e, f, g, h, i, j] = keys else {
            return Err("a transaction here has ten commands".into());
        };
        let transaction = self.0.transaction().set(a, value).set(b, value);
        let transaction = transaction.set(c, value).set(d, value).set(e, value);
        let transaction = transaction.set(f, value).set(g, value).set(h, value);
        transaction.set(i, value).set(j, value).await?;
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
        let (mut cursor, mut found) = (0, 0);
        loop {
            let keys: Vec<String>;
            (cursor, keys) = self.0.scan::<String>(cursor).count(1000).await?;
            found += keys.len() as u64;
            if cursor == 0 {
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
        let conn = typedis::connect(url).await?;
        // None may be lost: the server keeps what there is no room for.
        let mut messages = conn.subscriber().on_lag(Lag::Wait).open();
        messages.subscribe(channels.to_vec()).await?;
        ready();
        let mut received = 0;
        while received < count {
            if let Event::Message(message) = messages.next().await.ok_or("it ended")?? {
                std::hint::black_box(message.payload());
                received += 1;
            }
        }
        Ok(())
    }
}

/// The nodes of a cluster behind one handle.
#[derive(Clone)]
struct Cluster(typedis::Cluster);

impl Commands for Cluster {
    async fn connect(url: &str) -> Result<Self> {
        Ok(Self(typedis::cluster(url).await?))
    }

    async fn get(&mut self, key: &str) -> Result<String> {
        let value: Option<String> = self.0.get(key).await?;
        Ok(value.ok_or("no such key")?)
    }

    async fn set(&mut self, key: &str, value: &str) -> Result<()> {
        Ok(self.0.set(key, value).await?)
    }

    async fn pipeline(&mut self, keys: &[String]) -> Result<usize> {
        let values: Vec<Option<String>> = self
            .0
            .pipeline_each(keys, |command, key| command.get::<String>(key))
            .await?;
        Ok(values.iter().flatten().count())
    }

    async fn mget(&mut self, keys: &[String]) -> Result<usize> {
        let values: Vec<Option<String>> = self.0.mget(keys).await?;
        Ok(values.iter().flatten().count())
    }
}

fn main() -> ExitCode {
    peers_common::main::<Typedis>()
}
