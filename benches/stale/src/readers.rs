//! One handle that caches, of each library: [`Reader`].

use std::future::Future;

use rustis::commands::ClientTrackingOptions;
use typedis::prelude::*;

/// A handle whose reads may come from memory.
pub trait Reader: Clone + Send + Sync + 'static {
    fn get(&self, key: &str) -> impl Future<Output = Option<String>> + Send;
}

impl<C> Reader for typedis::Cached<C>
where
    C: Clone + Send + Sync + 'static,
    Self: typedis::Client,
{
    async fn get(&self, key: &str) -> Option<String> {
        StringCommands::get::<String>(self, key)
            .await
            .ok()
            .flatten()
    }
}

impl Reader for std::sync::Arc<rustis::cache::Cache> {
    async fn get(&self, key: &str) -> Option<String> {
        rustis::cache::Cache::get::<Option<String>>(self, key)
            .await
            .ok()
            .flatten()
    }
}

pub async fn typedis(port: u16, settings: typedis::Cache) -> typedis::Cached<typedis::Connection> {
    let conn = typedis::connect(typedis::Config::tcp("127.0.0.1", port));
    let conn = conn.await.expect("it connects");
    conn.cached(settings).expect("it caches")
}

/// The handles of redis-rs, which are the same in both releases.
macro_rules! redis_rs {
    ($module:ident, $library:ident) => {
        pub mod $module {
            use $library::AsyncCommands;
            use $library::aio::{
                ConnectionManager, ConnectionManagerConfig, MultiplexedConnection,
            };
            use $library::caching::CacheConfig;

            use super::Reader;

            impl Reader for MultiplexedConnection {
                async fn get(&self, key: &str) -> Option<String> {
                    AsyncCommands::get(&mut self.clone(), key)
                        .await
                        .ok()
                        .flatten()
                }
            }

            impl Reader for ConnectionManager {
                async fn get(&self, key: &str) -> Option<String> {
                    AsyncCommands::get(&mut self.clone(), key)
                        .await
                        .ok()
                        .flatten()
                }
            }

            fn client(port: u16) -> $library::Client {
                let url = format!("redis://127.0.0.1:{port}/?protocol=resp3");
                $library::Client::open(url).expect("a URL")
            }

            pub async fn multiplexed(port: u16) -> MultiplexedConnection {
                let config =
                    $library::AsyncConnectionConfig::new().set_cache_config(CacheConfig::default());
                let client = client(port);
                let conn = client.get_multiplexed_async_connection_with_config(&config);
                conn.await.expect("it connects")
            }

            pub async fn manager(port: u16) -> ConnectionManager {
                let config =
                    ConnectionManagerConfig::new().set_cache_config(CacheConfig::default());
                let client = client(port);
                let manager = client.get_connection_manager_with_config(config);
                manager.await.expect("it connects")
            }
        }
    };
}

redis_rs!(redis_1, redis1);
redis_rs!(redis_2, redis);

pub async fn rustis(port: u16) -> std::sync::Arc<rustis::cache::Cache> {
    let client = rustis::client::Client::connect(format!("redis://127.0.0.1:{port}"));
    let client = client.await.expect("it connects");
    let cache = rustis::cache::Cache::new(client, 3_600, ClientTrackingOptions::default());
    cache.await.expect("it caches")
}
