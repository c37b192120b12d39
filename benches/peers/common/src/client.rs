//! What a client has to be able to do: [`Commands`] on one node and on a cluster, [`Client`] on one node only.

use std::future::Future;

use bytes::Bytes;

use crate::{Result, Unsupported};

/// A connection under measurement, or a client of a cluster; shared by its clones, used as its documentation recommends.
///
/// Each task has a clone of its own. Calls take `&mut self` because some clients do: they need no further clone then.
pub trait Commands: Clone + Send + Sync + 'static {
    /// Connects to the node at `redis://host:port`, or to the cluster that this node belongs to.
    fn connect(url: &str) -> impl Future<Output = Result<Self>> + Send;

    /// GET into a `String`.
    fn get(&mut self, key: &str) -> impl Future<Output = Result<String>> + Send;

    /// SET.
    fn set(&mut self, key: &str, value: &str) -> impl Future<Output = Result<()>> + Send;

    /// A GET of each key in one explicit pipeline; gives how many values there were.
    fn pipeline(&mut self, keys: &[String]) -> impl Future<Output = Result<usize>> + Send;

    /// MGET into `Vec<Option<String>>`; gives how many values there were.
    fn mget(&mut self, keys: &[String]) -> impl Future<Output = Result<usize>> + Send;
}

/// What else a client does on one node.
///
/// What a client has no means for is left to the provided methods.
pub trait Client: Commands {
    /// Several connections among which commands are spread.
    type Pool: Clone + Send + Sync + 'static;

    /// A client of a whole cluster.
    type Cluster: Commands;

    /// Connects a pool of this many connections.
    fn connect_pool(url: &str, lanes: usize) -> impl Future<Output = Result<Self::Pool>> + Send;

    /// GET into a `String`, by a pool.
    fn pool_get(pool: &Self::Pool, key: &str) -> impl Future<Output = Result<String>> + Send;

    /// GET into the type that costs the client least; gives its length.
    fn get_bytes(&mut self, key: &str) -> impl Future<Output = Result<usize>> + Send;

    /// SET of a value in the type that costs the client least.
    fn set_bytes(&mut self, key: &str, value: &Bytes) -> impl Future<Output = Result<()>> + Send;

    /// A SET of each key in one MULTI … EXEC.
    fn transaction(
        &mut self,
        keys: &[String],
        value: &str,
    ) -> impl Future<Output = Result<()>> + Send;

    /// LRANGE of the whole list into `Vec<String>`; gives its length.
    fn lrange_strings(&mut self, key: &str) -> impl Future<Output = Result<usize>> + Send;

    /// LRANGE of the whole list into a vector of the type that costs the client least; gives its length.
    fn lrange_bytes(&mut self, key: &str) -> impl Future<Output = Result<usize>> + Send;

    /// HGETALL into a `HashMap<String, String>`; gives its length.
    fn hgetall_map(&mut self, key: &str) -> impl Future<Output = Result<usize>> + Send;

    /// HGETALL into a struct of 100 fields; gives the length of the last one.
    fn hgetall_struct(&mut self, key: &str) -> impl Future<Output = Result<usize>> + Send {
        let _ = key;
        async { Err(Unsupported.into()) }
    }

    /// Scans all keys into `String`s, 1,000 at a time; gives how many there were.
    fn scan(&mut self) -> impl Future<Output = Result<u64>> + Send;

    /// Subscribes to all channels, calls `ready`, and receives `count` messages in all.
    fn receive(
        url: &str,
        channels: &[String],
        count: u64,
        ready: impl FnOnce() + Send,
    ) -> impl Future<Output = Result<()>> + Send {
        let _ = (url, channels, count, ready);
        async { Err(Unsupported.into()) }
    }
}
