//! redis 1.8: one `MultiplexedConnection`, cloned; RESP2, its default, and TCP_NODELAY, as all others. The channel to its writer holds 1,024 commands in
//! place of 50, as its documentation recommends for many callers, and the timeout of a reply is 10 s in place of 0.5 s.

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use peers_common::{Client, Commands, Result, Unsupported, hundred_fields};
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncCommands, AsyncConnectionConfig, FromRedisValue, IntoConnectionInfo, ParsingError, Value,
};

hundred_fields! {
    by hand:
    #[allow(dead_code, reason = "that they are read is what is measured")]
    Hash
}

/// What its documentation tells users to write: it has no derive of its own.
impl FromRedisValue for Hash {
    fn from_redis_value(value: Value) -> std::result::Result<Self, ParsingError> {
        let mut hash = Self::default();
        let pairs = value.into_map_iter();
        for (name, value) in pairs.map_err(|_| ParsingError::from("no map".to_owned()))? {
            let name = String::from_redis_value(name)?;
            hash.set(&name, String::from_redis_value(value)?);
        }
        Ok(hash)
    }
}

#[derive(Clone)]
struct Redis(MultiplexedConnection);

/// It has no pool of multiplexed connections: this is what its users write.
#[derive(Clone)]
struct Pool(Arc<(Vec<Redis>, AtomicUsize)>);

fn open(url: &str) -> Result<redis::Client> {
    let settings = TcpSettings::default().set_nodelay(true);
    let info = url.into_connection_info()?.set_tcp_settings(settings);
    Ok(redis::Client::open(info)?)
}

impl Commands for Redis {
    async fn connect(url: &str) -> Result<Self> {
        let client = open(url)?;
        let config = AsyncConnectionConfig::new()
            .set_pipeline_buffer_size(1024)
            .set_response_timeout(Some(Duration::from_secs(10)));
        let connection = client.get_multiplexed_async_connection_with_config(&config);
        Ok(Self(connection.await?))
    }

    async fn get(&mut self, key: &str) -> Result<String> {
        Ok(self.0.get(key).await?)
    }

    async fn set(&mut self, key: &str, value: &str) -> Result<()> {
        Ok(self.0.set(key, value).await?)
    }

    async fn pipeline(&mut self, keys: &[String]) -> Result<usize> {
        let mut pipeline = redis::pipe();
        for key in keys {
            pipeline.get(key);
        }
        let values: Vec<Option<String>> = pipeline.query_async(&mut self.0).await?;
        Ok(values.iter().flatten().count())
    }

    async fn mget(&mut self, keys: &[String]) -> Result<usize> {
        let values: Vec<Option<String>> = self.0.mget(keys).await?;
        Ok(values.iter().flatten().count())
    }
}

impl Client for Redis {
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
        connections
            .get(index)
            .cloned()
            .ok_or("an empty pool")?
            .get(key)
            .await
    }

    async fn get_bytes(&mut self, key: &str) -> Result<usize> {
        let value: Bytes = self.0.get(key).await?;
        Ok(value.len())
    }

    async fn set_bytes(&mut self, key: &str, value: &Bytes) -> Result<()> {
        Ok(self.0.set(key, value.as_ref()).await?)
    }

    async fn transaction(&mut self, keys: &[String], value: &str) -> Result<()> {
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        for key in keys {
            pipeline.set(key, value).ignore();
        }
        Ok(pipeline.query_async(&mut self.0).await?)
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
            let mut page = redis::cmd("SCAN");
            page.cursor_arg(cursor).arg("COUNT").arg(1000);
            let keys: Vec<String>;
            (cursor, keys) = page.query_async(&mut self.0).await?;
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
        let mut subscription = open(url)?.get_async_pubsub().await?;
        for channel in channels {
            subscription.subscribe(channel).await?;
        }
        ready();
        let mut messages = subscription.into_on_message();
        for _ in 0..count {
            let message = messages.next().await.ok_or("the subscription ended")?;
            // `get_payload` would copy it, which the other clients do not do either.
            std::hint::black_box(message.get_payload_bytes());
        }
        Ok(())
    }
}

/// The nodes of a cluster behind one handle, with the same timeout of a reply.
#[derive(Clone)]
struct Cluster(redis::cluster_async::ClusterConnection);

impl Commands for Cluster {
    async fn connect(url: &str) -> Result<Self> {
        let client = redis::cluster::ClusterClient::builder(vec![url])
            .response_timeout(Duration::from_secs(10))
            .build()?;
        Ok(Self(client.get_async_connection().await?))
    }

    async fn get(&mut self, key: &str) -> Result<String> {
        Ok(self.0.get(key).await?)
    }

    async fn set(&mut self, key: &str, value: &str) -> Result<()> {
        Ok(self.0.set(key, value).await?)
    }

    /// It refuses a pipeline over several slots.
    async fn pipeline(&mut self, _: &[String]) -> Result<usize> {
        Err(Unsupported.into())
    }

    async fn mget(&mut self, keys: &[String]) -> Result<usize> {
        let values: Vec<Option<String>> = self.0.mget(keys).await?;
        Ok(values.iter().flatten().count())
    }
}

fn main() -> ExitCode {
    peers_common::main::<Redis>()
}
