//! The operations that tasks repeat: [`Operation`], and one type for each.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;

use crate::{Client, Commands, Result};

/// Something that a task repeats.
pub trait Operation: Clone + Send + Sync + 'static {
    /// Does it once; `turn` differs from call to call.
    fn run(&mut self, turn: u64) -> impl Future<Output = Result<()>> + Send;
}

/// The keys that small values lie under.
pub type Names = Arc<[String]>;

fn pick(names: &[String], turn: u64) -> &str {
    let index = turn % names.len().max(1) as u64;
    names.get(index as usize).map_or("", String::as_str)
}

fn check(what: &str, found: usize, expected: usize) -> Result<()> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{what}: {found} in place of {expected}").into())
    }
}

/// GET of a value of 16 bytes.
#[derive(Clone)]
pub struct Get<C>(pub C, pub Names);

impl<C: Commands> Operation for Get<C> {
    async fn run(&mut self, turn: u64) -> Result<()> {
        let value = self.0.get(pick(&self.1, turn)).await?;
        check("bytes of a value", value.len(), 16)
    }
}

/// GET of a value of 16 bytes, by a pool.
#[derive(Clone)]
pub struct PoolGet<C: Client>(pub C::Pool, pub Names);

impl<C: Client> Operation for PoolGet<C> {
    async fn run(&mut self, turn: u64) -> Result<()> {
        let value = C::pool_get(&self.0, pick(&self.1, turn)).await?;
        check("bytes of a value", value.len(), 16)
    }
}

/// SET of a value of 16 bytes.
#[derive(Clone)]
pub struct Set<C>(pub C, pub Names);

impl<C: Commands> Operation for Set<C> {
    async fn run(&mut self, turn: u64) -> Result<()> {
        self.0.set(pick(&self.1, turn), "0123456789abcdef").await
    }
}

/// Nine GETs to a SET, of values of 100 bytes to 4 KiB.
#[derive(Clone)]
pub struct Mixed<C> {
    /// The client.
    pub client: C,
    /// The keys of the values.
    pub names: Names,
    /// What is set: one of these.
    pub values: Arc<[String]>,
}

impl<C: Commands> Operation for Mixed<C> {
    async fn run(&mut self, turn: u64) -> Result<()> {
        let name = pick(&self.names, turn);
        if turn % 10 == 9 {
            let value = pick(&self.values, turn / 10);
            self.client.set(name, value).await
        } else {
            let value = self.client.get(name).await?;
            let sizes = self.values.iter().map(String::len);
            let (least, most) = (sizes.clone().min(), sizes.max());
            if Some(value.len()) < least || Some(value.len()) > most {
                return Err(format!("a value of {} bytes", value.len()).into());
            }
            Ok(())
        }
    }
}

/// An explicit pipeline of GETs.
#[derive(Clone)]
pub struct Pipeline<C>(pub C, pub Names);

impl<C: Commands> Operation for Pipeline<C> {
    async fn run(&mut self, _: u64) -> Result<()> {
        let found = self.0.pipeline(&self.1).await?;
        check("replies of a pipeline", found, self.1.len())
    }
}

/// A transaction of SETs.
#[derive(Clone)]
pub struct Transaction<C>(pub C, pub Names);

impl<C: Client> Operation for Transaction<C> {
    async fn run(&mut self, _: u64) -> Result<()> {
        self.0.transaction(&self.1, "0123456789abcdef").await
    }
}

/// GET of a large value.
#[derive(Clone)]
pub struct GetBytes<C>(pub C, pub usize);

impl<C: Client> Operation for GetBytes<C> {
    async fn run(&mut self, _: u64) -> Result<()> {
        let found = self.0.get_bytes(&format!("bytes:{}", self.1)).await?;
        check("bytes of a value", found, self.1)
    }
}

/// SET of a large value.
#[derive(Clone)]
pub struct SetBytes<C>(pub C, pub Bytes);

impl<C: Client> Operation for SetBytes<C> {
    async fn run(&mut self, _: u64) -> Result<()> {
        self.0.set_bytes("written", &self.1).await
    }
}

/// LRANGE of a whole list.
#[derive(Clone)]
pub struct Lrange<C> {
    /// The client.
    pub client: C,
    /// How many elements the list has.
    pub elements: usize,
    /// Whether they are read as strings.
    pub strings: bool,
}

impl<C: Client> Operation for Lrange<C> {
    async fn run(&mut self, _: u64) -> Result<()> {
        let key = format!("list:{}", self.elements);
        let found = if self.strings {
            self.client.lrange_strings(&key).await?
        } else {
            self.client.lrange_bytes(&key).await?
        };
        check("elements of a list", found, self.elements)
    }
}

/// HGETALL of 100 fields.
#[derive(Clone)]
pub struct Hgetall<C> {
    /// The client.
    pub client: C,
    /// Whether it is read into a map, not into a struct.
    pub map: bool,
}

impl<C: Client> Operation for Hgetall<C> {
    async fn run(&mut self, _: u64) -> Result<()> {
        if self.map {
            let found = self.client.hgetall_map("hash").await?;
            check("fields of a hash", found, 100)
        } else {
            let found = self.client.hgetall_struct("hash").await?;
            check("bytes of a field", found, 16)
        }
    }
}

/// MGET of many keys.
#[derive(Clone)]
pub struct Mget<C>(pub C, pub Names);

impl<C: Commands> Operation for Mget<C> {
    async fn run(&mut self, _: u64) -> Result<()> {
        let found = self.0.mget(&self.1).await?;
        check("values of MGET", found, self.1.len())
    }
}
