//! valkey-glide 0.9: one `GlideClient`, cloned; RESP3, its default. It may have a million requests in flight in place of 1,000,
//! and the timeout of a reply is 10 s in place of 0.25 s.

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use glide::config::PubSubChannelMode;
use glide::{
    AsyncCommands, FromValkeyValue, GlideClient, GlideClientConfiguration, GlideClusterClient,
    GlideClusterClientConfiguration, PipelineExt, PubSubSubscriptions, ValkeyResult, ValkeyValue,
};
use peers_common::{Client, Commands, Result, hundred_fields};

/// The timeout of a reply and of connecting.
const PATIENCE: Duration = Duration::from_secs(10);
const IN_FLIGHT: u32 = 1_000_000;

hundred_fields! {
    by hand:
    #[allow(dead_code, reason = "that they are read is what is measured")]
    Hash
}

/// What users write: it has no derive.
impl FromValkeyValue for Hash {
    fn from_owned_valkey_value(value: ValkeyValue) -> ValkeyResult<Self> {
        let mut hash = Self::default();
        let fields = HashMap::<String, String>::from_owned_valkey_value(value)?;
        for (name, value) in fields {
            hash.set(&name, value);
        }
        Ok(hash)
    }
}

#[derive(Clone)]
struct Glide(GlideClient);

/// It has no pool: this is what its users write.
#[derive(Clone)]
struct Pool(Arc<(Vec<Glide>, AtomicUsize)>);

fn configuration(url: &str) -> Result<GlideClientConfiguration> {
    let mut configuration = GlideClientConfiguration::from_url(url)?
        .request_timeout(PATIENCE)
        .connection_timeout(PATIENCE)
        .inflight_requests_limit(IN_FLIGHT);
    if let (true, Ok(file)) = (url.starts_with("rediss:"), std::env::var("SSL_CERT_FILE")) {
        configuration = configuration.tls_ca_cert(std::fs::read(file)?);
    }
    Ok(configuration)
}

impl Commands for Glide {
    async fn connect(url: &str) -> Result<Self> {
        Ok(Self(GlideClient::connect(configuration(url)?).await?))
    }

    async fn get(&mut self, key: &str) -> Result<String> {
        Ok(self.0.get(key).await?)
    }

    async fn set(&mut self, key: &str, value: &str) -> Result<()> {
        Ok(self.0.set(key, value).await?)
    }

    async fn pipeline(&mut self, keys: &[String]) -> Result<usize> {
        let mut pipeline = glide::pipe();
        for key in keys {
            pipeline.get(key);
        }
        let values: Vec<Option<String>> = pipeline.query_async(&self.0).await?;
        Ok(values.iter().flatten().count())
    }

    async fn mget(&mut self, keys: &[String]) -> Result<usize> {
        let values: Vec<Option<String>> = self.0.mget(keys).await?;
        Ok(values.iter().flatten().count())
    }
}

/// The nodes of a cluster behind one handle, with the same settings.
#[derive(Clone)]
struct Cluster(GlideClusterClient);

impl Commands for Cluster {
    async fn connect(url: &str) -> Result<Self> {
        let configuration = GlideClusterClientConfiguration::from_url(url)?
            .request_timeout(PATIENCE)
            .connection_timeout(PATIENCE)
            .inflight_requests_limit(IN_FLIGHT);
        Ok(Self(GlideClusterClient::connect(configuration).await?))
    }

    async fn get(&mut self, key: &str) -> Result<String> {
        Ok(self.0.get(key).await?)
    }

    async fn set(&mut self, key: &str, value: &str) -> Result<()> {
        Ok(self.0.set(key, value).await?)
    }

    async fn pipeline(&mut self, keys: &[String]) -> Result<usize> {
        let mut pipeline = glide::pipe();
        for key in keys {
            pipeline.get(key);
        }
        let values: Vec<Option<String>> = pipeline.query_async(&self.0).await?;
        Ok(values.iter().flatten().count())
    }

    async fn mget(&mut self, keys: &[String]) -> Result<usize> {
        let values: Vec<Option<String>> = self.0.mget(keys).await?;
        Ok(values.iter().flatten().count())
    }
}

impl Client for Glide {
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
            .get(key)
            .await?)
    }

    async fn get_bytes(&mut self, key: &str) -> Result<usize> {
        let value: Bytes = self.0.get(key).await?;
        Ok(value.len())
    }

    async fn set_bytes(&mut self, key: &str, value: &Bytes) -> Result<()> {
        Ok(self.0.set(key, value.as_ref()).await?)
    }

    async fn transaction(&mut self, keys: &[String], value: &str) -> Result<()> {
        let mut pipeline = glide::pipe();
        pipeline.atomic();
        for key in keys {
            pipeline.set(key, value).ignore();
        }
        Ok(pipeline.query_async(&self.0).await?)
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
        let (mut cursor, mut found) = (0_u64, 0);
        loop {
            let mut page = glide::cmd("SCAN");
            page.arg(cursor).arg("COUNT").arg(1000);
            let keys: Vec<String>;
            (cursor, keys) = page.query_async(&self.0).await?;
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
        let wanted = channels.iter().fold(PubSubSubscriptions::new(), |wanted, channel| {
            wanted.subscribe(PubSubChannelMode::Exact, channel.as_str())
        });
        let client = GlideClient::connect(configuration(url)?.subscriptions(wanted)).await?;
        ready();
        for _ in 0..count {
            let message = client.get_pubsub_message().await?;
            std::hint::black_box(&message.payload);
        }
        Ok(())
    }
}

fn main() -> ExitCode {
    peers_common::main::<Glide>()
}
