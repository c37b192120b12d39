//! Replies that are kept as values: [`Decoded`].

use std::fmt;
use std::hash::BuildHasherDefault;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use quick_cache::Weighter;
use quick_cache::sync::{Cache as Values, DefaultLifecycle};
use tokio::task::coop;

use super::bounds::Bounds;
use super::changes::Hashes;
use super::handle::Cached;
use super::inner::Inner;
use super::origin::Origin;
use super::pending::CachedPending;
use super::settings::Cache;
use super::store::{self, AsIs, Command, CommandRef, Stamp, weight};
use crate::client::InFlight;
use crate::command::Args;
use crate::error::{Error, Result};
use crate::reply::{FromRedis, described};
use crate::request::{Detached, IntoRequest};

/// A caching handle that also keeps what replies were decoded into, so that a read from memory costs no decoding; cheap to
/// clone. See [`Cached::decoded`].
pub struct Decoded<C, T> {
    cache: Cached<C>,
    values: Arc<Values<Command, Value<T>, Weight, BuildHasherDefault<AsIs>>>,
}

/// A decoded reply.
struct Value<T> {
    value: Arc<T>,
    stamp: Stamp,
    bounds: Bounds,
    /// How long its reply is.
    len: usize,
}

impl<T> Clone for Value<T> {
    fn clone(&self) -> Self {
        Self {
            value: self.value.clone(),
            stamp: self.stamp.clone(),
            bounds: self.bounds,
            len: self.len,
        }
    }
}

#[derive(Debug, Clone)]
struct Weight;

impl<T> Weighter<Command, Value<T>> for Weight {
    fn weight(&self, command: &Command, value: &Value<T>) -> u64 {
        weight(command, value.len, &value.stamp)
    }
}

impl<C: Origin> Cached<C> {
    /// A handle that also keeps the values of the type `T` that replies are decoded into. All clones of it share one value.
    ///
    /// The values have the bound of the cache ([`Cache::max_bytes`](super::Cache::max_bytes)) once more for themselves, and
    /// each counts as many bytes as its reply.
    ///
    /// ```no_run
    /// # extern crate typedis_core as typedis;
    /// # async fn example(cache: typedis::Cached<typedis::Connection>) -> typedis::Result<()> {
    /// use std::collections::HashMap;
    ///
    /// use typedis::raw;
    ///
    /// // In the crate `typedis`: `users.get(cmd().hgetall("user:1"))`. A raw command is asked for each time.
    /// let users = cache.decoded::<HashMap<String, String>>();
    /// let user = users.get(raw("HGETALL").key("user:1").reply()).await?;
    /// println!("{:?}", user.get("name"));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn decoded<T>(&self) -> Decoded<C, T> {
        Decoded {
            values: Arc::new(values(&self.inner().shared.settings)),
            cache: self.clone(),
        }
    }
}

fn values<T>(settings: &Cache) -> Values<Command, Value<T>, Weight, BuildHasherDefault<AsIs>> {
    const AVERAGE: usize = 1024;
    let bounds @ (max_bytes, _) = (settings.max_bytes, settings.max_reply_bytes);
    let (hasher, lifecycle) = (BuildHasherDefault::default(), DefaultLifecycle::default());
    match store::options(bounds, AVERAGE, store::cores()).build() {
        Ok(options) => Values::with_options(options, Weight, hasher, lifecycle),
        // Both numbers are set.
        Err(_) => Values::with(1, max_bytes as u64, Weight, hasher, lifecycle),
    }
}

impl<C: Origin, T: FromRedis> Decoded<C, T> {
    /// The reply to a command, decoded, from memory if it is there.
    ///
    /// A command that a cache does not keep is sent each time, and so is one whose keys are kept one by one, such as MGET.
    ///
    /// # Errors
    /// As for the command on any other handle.
    pub async fn get(
        &self,
        command: impl IntoRequest<Sink = Detached, Reply = T>,
    ) -> Result<Arc<T>> {
        let args = command.into_request().into_args_box();
        if let Some(value) = std::future::poll_fn(|cx| self.poll_known(&args, cx)).await {
            args.retire();
            return Ok(value);
        }
        let (client, inner) = (self.cache.uncached(), self.cache.inner());
        let again = args.again();
        let mut pending = CachedPending::begin(client, inner, args);
        let frame = std::future::poll_fn(|cx| pending.poll_frame(cx)).await;
        let explained = |error: Error| pending.explained(error).of_command(again.name());
        // A failure without a reply may be a value too, which is not kept.
        let (decoded, frame) = match frame {
            Ok(frame) => (T::from_outcome(Ok(frame.borrowed())), Some(frame)),
            Err(error) => (T::from_outcome(Err(error)), None),
        };
        let value = Arc::new(described(decoded, explained)?);
        if let Some(frame) = frame {
            self.keep(inner, &again, frame.as_bytes(), &value);
        }
        Ok(value)
    }

    /// The value, if it is in memory. Whoever finds it there gives other tasks their turn all the same.
    fn poll_known(&self, args: &Args, cx: &mut Context<'_>) -> Poll<Option<Arc<T>>> {
        let turn = ready!(coop::poll_proceed(cx));
        let known = self.find(args);
        if known.is_some() {
            turn.made_progress();
        }
        Poll::Ready(known)
    }

    fn find(&self, args: &Args) -> Option<Arc<T>> {
        let inner = self.cache.inner();
        let (bytes, place) = args.cacheable()?;
        inner.sources.keep_up();
        let Hashes { key, command: hash } = inner.shared.changes.hashes(bytes, &place)?;
        let kept = self.values.get(&CommandRef { bytes, hash })?;
        let serves = inner.shared.serves(key, &kept.stamp, kept.bounds);
        if serves {
            inner.shared.counts.hit();
        }
        serves.then_some(kept.value)
    }

    /// Keeps a value for as long as the reply that it was decoded from.
    fn keep(&self, inner: &Inner, args: &Args, reply: &[u8], value: &Arc<T>) {
        let Some((bytes, key)) = args.cacheable() else {
            return;
        };
        let Some(Hashes { command: hash, .. }) = inner.shared.changes.hashes(bytes, &key) else {
            return;
        };
        let command = CommandRef { bytes, hash };
        // The value belongs to what is kept only if that is the same reply.
        if let Some(entry) = inner.shared.store.get(&command)
            && entry.reply.into_frame() == reply
            && let Some(command) = Command::new(command, key)
        {
            let value = Value {
                value: value.clone(),
                stamp: entry.stamp,
                bounds: entry.bounds,
                len: reply.len(),
            };
            self.values.insert(command, value);
        }
    }
}

impl<C: Clone, T> Clone for Decoded<C, T> {
    fn clone(&self) -> Self {
        Self {
            cache: self.cache.clone(),
            values: self.values.clone(),
        }
    }
}

impl<C: fmt::Debug, T> fmt::Debug for Decoded<C, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Decoded").field(&self.cache).finish()
    }
}
