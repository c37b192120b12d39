//! redis 2.0.0-rc.2: one `MultiplexedConnection`, cloned; RESP2, its default. The channel to its writer holds 1,024 commands in
//! place of 50, as its documentation recommends for many callers, and the timeout of a reply is 10 s in place of 0.5 s.

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use peers_common::{Client, Result};
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands, AsyncConnectionConfig};

#[derive(Clone)]
struct Redis(MultiplexedConnection);

/// It has no pool of multiplexed connections: this is what its users write.
#[derive(Clone)]
struct Pool(Arc<(Vec<Redis>, AtomicUsize)>);

impl Client for Redis {
    type Pool = Pool;

    async fn connect(url: &str) -> Result<Self> {
        let client = redis::Client::open(url)?;
        let config = AsyncConnectionConfig::new()
            .set_pipeline_buffer_size(1024)
            .set_response_timeout(Some(Duration::from_secs(10)));
        let connection = client.get_multiplexed_async_connection_with_config(&config);
        Ok(Self(connection.await?))
    }

    async fn connect_pool(url: &str, lanes: usize) -> Result<Self::Pool> {
        let mut connections = Vec::new();
        for _ in 0..lanes {
            connections.push(Self::connect(url).await?);
        }
        Ok(Pool(Arc::new((connections, AtomicUsize::new(0)))))
    }

    async fn get(&self, key: &str) -> Result<String> {
        Ok(self.0.clone().get(key).await?)
    }

    async fn pool_get(pool: &Self::Pool, key: &str) -> Result<String> {
        let (connections, next) = &*pool.0;
        let index = next.fetch_add(1, Ordering::Relaxed) % connections.len().max(1);
        connections
            .get(index)
            .ok_or("an empty pool")?
            .get(key)
            .await
    }

    async fn set(&self, key: &str, value: &str) -> Result<()> {
        Ok(self.0.clone().set(key, value).await?)
    }

    async fn get_bytes(&self, key: &str) -> Result<usize> {
        let value: Bytes = self.0.clone().get(key).await?;
        Ok(value.len())
    }

    async fn set_bytes(&self, key: &str, value: &Bytes) -> Result<()> {
        Ok(self.0.clone().set(key, value.as_ref()).await?)
    }

    async fn pipeline(&self, keys: &[String]) -> Result<usize> {
        let mut pipeline = redis::pipe();
        for key in keys {
            pipeline.get(key);
        }
        let values: Vec<Option<String>> = pipeline.query_async(&mut self.0.clone()).await?;
        Ok(values.iter().flatten().count())
    }

    async fn transaction(&self, keys: &[String], value: &str) -> Result<()> {
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        for key in keys {
            pipeline.set(key, value).ignore();
        }
        Ok(pipeline.query_async(&mut self.0.clone()).await?)
    }

    async fn lrange_strings(&self, key: &str) -> Result<usize> {
        let values: Vec<String> = self.0.clone().lrange(key, 0, -1).await?;
        Ok(values.len())
    }

    async fn lrange_bytes(&self, key: &str) -> Result<usize> {
        let values: Vec<Bytes> = self.0.clone().lrange(key, 0, -1).await?;
        Ok(values.len())
    }

    async fn hgetall_map(&self, key: &str) -> Result<usize> {
        let map: HashMap<String, String> = self.0.clone().hgetall(key).await?;
        Ok(map.len())
    }

    async fn mget(&self, keys: &[String]) -> Result<usize> {
        let values: Vec<Option<String>> = self.0.clone().mget(keys).await?;
        Ok(values.iter().flatten().count())
    }

    async fn scan(&self) -> Result<u64> {
        let mut connection = self.0.clone();
        let options = redis::ScanOptions::default().with_count(1000);
        let mut keys = connection.scan_options::<String>(options).await?;
        let mut found = 0;
        while let Some(key) = keys.next_item().await {
            key?;
            found += 1;
        }
        Ok(found)
    }

    async fn receive(
        url: &str,
        channels: &[String],
        count: u64,
        ready: impl FnOnce() + Send,
    ) -> Result<()> {
        let mut subscription = redis::Client::open(url)?.get_async_pubsub().await?;
        for channel in channels {
            subscription.subscribe(channel).await?;
        }
        ready();
        let mut messages = subscription.into_on_message();
        for _ in 0..count {
            let message = messages.next().await.ok_or("the subscription ended")?;
            let _: Bytes = message.get_payload()?;
        }
        Ok(())
    }
}

fn main() -> ExitCode {
    peers_common::main::<Redis>()
}
