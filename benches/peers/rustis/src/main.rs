//! rustis: one `Client`, cloned; RESP3, the only protocol it speaks. The budget of a subscription is lifted: beyond it
//! messages are lost.

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::StreamExt;
use peers_common::{Client, Commands, Result, hundred_fields};
use rustis::client::{BatchPreparedCommand, IntoConfig};
use rustis::commands::{GenericCommands, HashCommands, ListCommands, ScanOptions, StringCommands};
use rustis::resp::{BulkString, RefBulkString};

hundred_fields! {
    #[derive(serde::Deserialize)]
    #[allow(dead_code, reason = "that they are read is what is measured")]
    Hash
}

#[derive(Clone)]
struct Rustis(rustis::client::Client);

/// Its pool lends connections, one caller each: several shared ones are what its users write.
#[derive(Clone)]
struct Pool(Arc<(Vec<Rustis>, AtomicUsize)>);

impl Commands for Rustis {
    async fn connect(url: &str) -> Result<Self> {
        let mut config = url.into_config()?;
        config.backpressure.max_pubsub_bytes = 0;
        Ok(Self(rustis::client::Client::connect(config).await?))
    }

    async fn get(&mut self, key: &str) -> Result<String> {
        Ok(self.0.get::<String>(key).await?)
    }

    async fn set(&mut self, key: &str, value: &str) -> Result<()> {
        Ok(self.0.set(key, value).await?)
    }

    async fn pipeline(&mut self, keys: &[String]) -> Result<usize> {
        let mut pipeline = self.0.create_pipeline();
        pipeline.reserve(keys.len());
        for key in keys {
            pipeline.get::<()>(key).queue();
        }
        let values: Vec<Option<String>> = pipeline.execute().await?;
        Ok(values.iter().flatten().count())
    }

    async fn mget(&mut self, keys: &[String]) -> Result<usize> {
        let values = self.0.mget::<Vec<Option<String>>>(keys).await?;
        Ok(values.iter().flatten().count())
    }
}

impl Client for Rustis {
    type Pool = Pool;
    type Cluster = Cluster;

    async fn connect_pool(url: &str, lanes: usize) -> Result<Self::Pool> {
        let mut connections = Vec::new();
        for _ in 0..lanes {
            connections.push(Self::connect(url).await?);
        }
        Ok(Pool(Arc::new((connections, AtomicUsize::new(0)))))
    }

    async fn pool_get(pool: &Self::Pool, key: &str) -> Result<String> {
        let (connections, next) = &*pool.0;
        let index = next.fetch_add(1, Ordering::Relaxed) % connections.len().max(1);
        Ok(connections
            .get(index)
            .ok_or("an empty pool")?
            .0
            .get::<String>(key)
            .await?)
    }

    async fn get_bytes(&mut self, key: &str) -> Result<usize> {
        let value = self.0.get::<BulkString>(key).await?;
        Ok(value.as_bytes().len())
    }

    async fn set_bytes(&mut self, key: &str, value: &Bytes) -> Result<()> {
        Ok(self.0.set(key, RefBulkString::new(value)).await?)
    }

    async fn transaction(&mut self, keys: &[String], value: &str) -> Result<()> {
        let mut transaction = self.0.create_transaction();
        for key in keys {
            transaction.set(key, value).forget();
        }
        Ok(transaction.execute::<()>().await?)
    }

    async fn lrange_strings(&mut self, key: &str) -> Result<usize> {
        let values = self.0.lrange::<Vec<String>>(key, 0, -1).await?;
        Ok(values.len())
    }

    async fn lrange_bytes(&mut self, key: &str) -> Result<usize> {
        let values = self.0.lrange::<Vec<BulkString>>(key, 0, -1).await?;
        Ok(values.len())
    }

    async fn hgetall_map(&mut self, key: &str) -> Result<usize> {
        let map = self.0.hgetall::<HashMap<String, String>>(key).await?;
        Ok(map.len())
    }

    async fn hgetall_struct(&mut self, key: &str) -> Result<usize> {
        let hash = self.0.hgetall::<Hash>(key).await?;
        Ok(hash.f99.len())
    }

    async fn scan(&mut self) -> Result<u64> {
        let (mut cursor, mut found) = (0, 0);
        loop {
            let options = ScanOptions::default().count(1000);
            let keys: Vec<String>;
            (cursor, keys) = self.0.scan::<(u64, Vec<String>)>(cursor, options).await?;
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
        let client = Self::connect(url).await?;
        let mut messages = client.0.create_pub_sub();
        messages.subscribe(channels).await?;
        ready();
        for _ in 0..count {
            let message = messages.next().await.ok_or("the subscription ended")??;
            std::hint::black_box(message.payload());
        }
        Ok(())
    }
}

/// The same client with the address of a cluster.
#[derive(Clone)]
struct Cluster(Rustis);

impl Commands for Cluster {
    async fn connect(url: &str) -> Result<Self> {
        let url = url.replacen("redis://", "redis+cluster://", 1);
        Ok(Self(Rustis::connect(&url).await?))
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

    async fn mget(&mut self, keys: &[String]) -> Result<usize> {
        self.0.mget(keys).await
    }
}

fn main() -> ExitCode {
    peers_common::main::<Rustis>()
}
