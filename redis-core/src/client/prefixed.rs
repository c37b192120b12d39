//! A handle that puts a prefix before all names: [`Prefixed`].

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::bound::{Client, InFlight, Surface};
use crate::chain::watch::{Commit, watch_of};
use crate::chain::{Watch, Watched};
use crate::codec::prefixed::ReplyNames;
use crate::command::prefix::Prefix;
use crate::command::{Args, Keys, ToArgs};
use crate::error::{Error, Result};
use crate::handle::{Exclusive, Pool};
use crate::reply::{Frame, FromRedis, described};
use crate::request::{AllowsBlocking, Target};

/// Makes views of handles in which every key has a prefix; every [`Client`] that can be cloned has it.
pub trait WithPrefix: Client + Clone {
    /// The same handle, where every key of every command gets a prefix: see [`Prefixed`].
    ///
    /// ```no_run
    /// # extern crate typedis_core as typedis;
    /// use typedis::{Result, Run, WithPrefix, raw};
    ///
    /// # async fn example(conn: typedis::Connection) -> Result<()> {
    /// let app = conn.with_prefix("app:");
    /// let visits: i64 = app.run(raw("INCR").key("visits").reply()).await?; // INCR app:visits
    /// # Ok(()) }
    /// ```
    fn with_prefix(&self, prefix: impl AsRef<[u8]>) -> Prefixed<Self> {
        Prefixed::new(self.clone(), prefix)
    }
}

impl<C: Client + Clone> WithPrefix for C {}

/// A view of a handle in which every key has a prefix, which the program does not see.
///
/// [`WithPrefix::with_prefix`] makes it from any handle. It has all commands, and is a [`Client`] itself, so functions over any
/// handle take it too; its pipelines, transactions, batches and streams have the prefix as well.
///
/// - Every key of a command gets the prefix before it is sent: also keys in lists behind their number, those of scripts
///   (`KEYS`), those of STORE, and patterns of SORT. In a cluster the slot is that of the whole key, so a prefix with a hash
///   tag (`{app}:`) keeps all keys in one slot.
/// - KEYS and SCAN find only keys with the prefix. A pattern is one for the rest of the name.
/// - Names of keys in replies come without the prefix: those of scans, of BLPOP, XREAD and others.
/// - Channels have no prefix, unless [`channels`](Self::channels) asks for one.
///
/// What cannot keep to the prefix is refused before anything is sent. These are commands that concern keys which they do not
/// name (FLUSHALL, DBSIZE, the search and the time series by labels), and raw commands of whose words nothing says which are keys.
/// [`inner`](Self::inner) is the handle without the prefix.
///
/// A server reports errors, slow commands, and invalidations with the whole names. A script can touch keys that it was not given, and
/// RANDOMKEY fails if the server chose a key without the prefix.
///
/// ```no_run
/// # extern crate typedis_core as typedis;
/// use typedis::{Client, Connection, Result, Run, WithPrefix, raw};
///
/// # async fn example() -> Result<()> {
/// let conn = Connection::open("redis://localhost").await?;
/// let app = conn.with_prefix("app:");
/// app.run(raw("SET").key("name").arg("Ada").reply::<()>()).await?; // SET app:name Ada
/// let (name, n) = app
///     .pipeline()
///     .run(raw("GET").key("name").reply::<String>())
///     .run(raw("INCR").key("visits").reply::<i64>())
///     .await?;
/// # Ok(()) }
/// ```
///
/// It costs one pass over the bytes of each command, and one over replies with names. A handle without a prefix pays nothing.
#[derive(Clone)]
pub struct Prefixed<C> {
    client: C,
    /// What is put before the names here.
    own: Arc<Prefix>,
    /// The same behind the prefix that the handle beneath has.
    whole: Arc<Prefix>,
}

impl<C: Client> Prefixed<C> {
    /// A view of this handle with a prefix. [`WithPrefix::with_prefix`] does the same for a clone of the handle.
    pub fn new(client: C, prefix: impl AsRef<[u8]>) -> Self {
        Self::with(client, Prefix::new(prefix.as_ref()))
    }

    fn with(client: C, own: Prefix) -> Self {
        let beneath = client.surface().prefix;
        let whole = beneath.map_or_else(|| own.clone(), |beneath| beneath.before(&own));
        Self {
            client,
            own: Arc::new(own),
            whole: Arc::new(whole),
        }
    }

    /// The same view, where channels have the prefix too: those of PUBLISH, SPUBLISH and PUBSUB.
    ///
    /// ```no_run
    /// # extern crate typedis_core as typedis;
    /// # fn example(conn: typedis::Connection) {
    /// use typedis::WithPrefix;
    ///
    /// let app = conn.with_prefix("app:").channels();
    /// # }
    /// ```
    #[must_use]
    pub fn channels(self) -> Self {
        Self::with(self.client, Prefix::clone(&self.own).with_channels())
    }

    /// The handle without the prefix.
    #[must_use]
    pub fn inner(&self) -> &C {
        &self.client
    }

    /// The prefix.
    #[must_use]
    pub fn prefix(&self) -> &[u8] {
        &self.own.keys.text
    }

    pub(super) fn own(&self) -> &Arc<Prefix> {
        &self.own
    }

    pub(crate) fn whole(&self) -> &Arc<Prefix> {
        &self.whole
    }
}

impl<C: fmt::Debug> fmt::Debug for Prefixed<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prefixed")
            .field("client", &self.client)
            .field("prefix", &self.own.keys.text.escape_ascii().to_string())
            .finish()
    }
}

impl<C: Client> Client for Prefixed<C> {
    type InFlight<'a>
        = PrefixedPending<'a, C::InFlight<'a>>
    where
        Self: 'a;

    fn begin_command(&self, mut args: Box<Args>) -> Self::InFlight<'_> {
        let names = ReplyNames::of(&args, &self.own);
        args.put_prefix(&self.own);
        PrefixedPending {
            pending: self.client.begin_command(args),
            names: names.map(|names| (names, &*self.own)),
        }
    }

    fn noted_keys(&self) -> Keys {
        Keys::Noted
    }

    fn surface(&self) -> Surface<'_> {
        Surface {
            prefix: Some(&self.whole),
            ..self.client.surface()
        }
    }
}

impl Prefixed<Pool> {
    /// Runs a transaction that depends on what was read before, as [`Pool::watch`] does; all of its keys have the prefix.
    ///
    /// ```no_run
    /// # extern crate typedis_core as typedis;
    /// # async fn example(pool: typedis::Pool) -> typedis::Result<()> {
    /// use typedis::{Run, WithPrefix, raw};
    ///
    /// let shop = pool.with_prefix("shop:");
    /// let (sold,) = shop
    ///     .watch(["stock"], |tx| async move {
    ///         let stock: i64 = tx.run(raw("GET").key("stock").reply()).await?;
    ///         Ok(tx.transaction().run(raw("SET").key("stock").arg(stock - 1).reply::<()>()))
    ///     })
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub fn watch<K, F, Fut, T>(&self, keys: K, attempt: F) -> Watch<'_, F>
    where
        K: ToArgs,
        F: Fn(Watched) -> Fut,
        Fut: Future<Output = Result<T>>,
        T: Target,
        T::Sink: Commit,
    {
        let mut watch = watch_of(&keys, Keys::Noted);
        watch.put_prefix(&self.whole);
        let prefix = Some(self.whole.clone());
        Watch::new(Box::new(&self.client), watch, prefix, attempt)
    }
}

impl AllowsBlocking for &Prefixed<Pool> {}
impl AllowsBlocking for &Prefixed<&Exclusive> {}

impl Exclusive {
    /// A view of this handle in which every key has a prefix: see [`Prefixed`].
    pub fn with_prefix(&self, prefix: impl AsRef<[u8]>) -> Prefixed<&Self> {
        Prefixed::new(self, prefix)
    }
}

/// A command on its way over a [`Prefixed`] handle.
#[doc(hidden)]
#[derive(Debug)]
pub struct PrefixedPending<'a, P> {
    pending: P,
    /// The names in its reply, if it has some.
    names: Option<(ReplyNames, &'a Prefix)>,
}

impl<P: InFlight> InFlight for PrefixedPending<'_, P> {
    fn submit(&mut self) {
        self.pending.submit();
    }

    fn poll_decoded<R: FromRedis>(&mut self, cx: &mut Context<'_>) -> Poll<Result<R>> {
        match &self.names {
            None => self.pending.poll_decoded(cx),
            Some((names, prefix)) => {
                let outcome = ready!(self.pending.poll_frame(cx));
                let decoded = names.decode(outcome, prefix);
                Poll::Ready(described(decoded, |error| self.pending.explained(error)))
            }
        }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame>> {
        let outcome = ready!(self.pending.poll_frame(cx));
        Poll::Ready(match &self.names {
            None => outcome,
            Some((names, prefix)) => names.leave(outcome, prefix),
        })
    }

    fn explained(&self, error: Error) -> Error {
        self.pending.explained(error)
    }
}
