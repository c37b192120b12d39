//! The handle that users hold: [`Cached`].

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::task::coop;

use super::counts::CacheStats;
use super::dropped::Dropped;
use super::inner::Inner;
use super::origin::{Origin, Sources};
use super::pending::CachedPending;
use super::reporting::keep_reporting;
use super::settings::Cache;
use super::shared::Shared;
use super::shared_read::SharedReads;
use crate::chain::touched::{Touched, Witness};
use crate::client::{Client, Surface};
#[cfg(feature = "cluster")]
use crate::cluster::Cluster;
use crate::command::{Args, CommandInfo, Keys};
use crate::error::Result;
use crate::handle::{Connection, Pool};
use crate::reply::KeptReply;
use crate::request::AllowsBlocking;

/// A handle that keeps replies in memory, and has the server report when they are no longer current; cheap to clone.
///
/// It has all commands of the handle that it was made from. A reply is kept if it depends on nothing but the keys of its
/// command, which the server knows to report; the documentation of a command says whether that is so (`cacheable`). All
/// other commands go to the server as before. What is written through this handle is forgotten at once: the keys that a
/// command names, or everything if it names none. So name all keys of a script or a raw command: of others that it changes,
/// the handle learns only by the server's report.
///
/// Replies are kept as the bytes that came, and decoded each time, so the same entry serves every type. The same read that
/// many ask for at once is sent once.
///
/// # What is promised
///
/// - Once the report of a change has been read, no reply from before the change is served: neither one that was kept, nor
///   one that was on its way. Reports are applied in the order in which they came, before later replies are handed out.
/// - What was read over a socket is not served once the socket is lost.
/// - A reply is not served if the server has answered no read for longer than [`Cache::max_unheard`].
///
/// Between the change and the report there is the time that the report needs to arrive. SWAPDB and a change of the access
/// rights of the user are not reported at all; [`Cache::ttl`] bounds how long these go unseen.
///
/// Pipelines, transactions and batches of this handle go to the server, and keep nothing. What they read may be newer than
/// what is kept: on a pool or cluster, in RESP2 and in the broadcasting mode, replies about the keys that they read are
/// forgotten when they end.
///
/// ```no_run
/// # extern crate typedis_core as typedis;
/// use std::time::Duration;
///
/// use typedis::{Cache, Connection, Result, Run, raw};
///
/// # async fn example() -> Result<()> {
/// let conn = Connection::open("redis://localhost").await?;
/// let cache = conn.cached(Cache::default().max_bytes(64 << 20).ttl(Duration::from_secs(60)))?;
/// // The crate `typedis` has a method for each command; `cache.get("user:1")` is kept until the key is changed. Of raw
/// // commands nothing is known, so they go to the server.
/// let user: Option<String> = cache.run(raw("GET").key("user:1").reply()).await?;
/// # Ok(()) }
/// ```
pub struct Cached<C> {
    client: C,
    inner: Arc<Inner>,
}

impl<C: Origin> Cached<C> {
    pub(super) fn new(client: C, settings: Cache) -> Result<Self> {
        settings.check()?;
        let lines = client.lines();
        let shared = Arc::new(Shared::new(settings, lines.have_slots(), lines.most()));
        let sources = Sources::new(lines, &shared)?;
        let inner = Arc::new(Inner {
            shared,
            reads: Arc::new(SharedReads::default()),
            sources,
        });
        Ok(Self { client, inner })
    }

    /// The handle beneath, whose reads go to the server.
    #[must_use]
    pub fn uncached(&self) -> &C {
        &self.client
    }

    /// The keys that the server reports as changed, from here on: for caches of one's own. Only keys that were read through
    /// this handle are reported, unless it broadcasts ([`Cache::broadcast`]). With [`Cache::no_loop`] the keys that the handle writes
    /// itself are among them.
    ///
    /// [`Invalidation::All`](crate::pubsub::Invalidation::All) comes where reports may have been missed: the socket was lost,
    /// the server does not report any more, or a slot of a cluster moved. The handle learns of a slot that moved when it is asked for
    /// something that it may keep. Where it broadcasts, `All` also comes when a server begins to report. Each server is told to, also while
    /// nothing is read: of a cluster each primary, and a new one within a second from when the cluster's map names it. Their sockets stay
    /// open meanwhile.
    ///
    /// ```no_run
    /// # extern crate typedis_core as typedis;
    /// # async fn example(cache: typedis::Cached<typedis::Connection>) {
    /// use typedis::pubsub::Invalidation;
    ///
    /// let mut dropped = cache.dropped();
    /// while let Some(changed) = dropped.next().await {
    ///     match changed {
    ///         Invalidation::Keys(keys) => println!("{keys:?}"),
    ///         Invalidation::All => println!("anything"), // the socket was lost, the server was flushed, or you read too slowly
    ///     }
    /// }
    /// # }
    /// ```
    pub fn dropped(&self) -> Dropped {
        let dropped = self.inner.shared.listeners.listen();
        keep_reporting(&self.inner);
        dropped
    }

    pub(super) fn inner(&self) -> &Inner {
        &self.inner
    }

    /// What happened so far, and what is kept now.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        let Inner {
            shared, sources, ..
        } = &*self.inner;
        let (replies, bytes) = shared.store.size();
        CacheStats {
            replies,
            bytes,
            evictions: shared.store.evictions(),
            tracking: sources.tracking(),
            ..shared.counts.read()
        }
    }
}

impl<C: Clone> Clone for Cached<C> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            inner: self.inner.clone(),
        }
    }
}

impl<C: fmt::Debug> fmt::Debug for Cached<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cached").field(&self.client).finish()
    }
}

impl<C: Origin> Client for Cached<C> {
    type InFlight<'a>
        = Box<CachedPending<'a, C>>
    where
        Self: 'a;

    #[inline]
    fn begin_command(&self, args: Box<Args>) -> Box<CachedPending<'_, C>> {
        Box::new(CachedPending::begin(&self.client, &self.inner, args))
    }

    fn begin_unknown(&self, args: Box<Args>) -> Box<CachedPending<'_, C>> {
        let unknown = CachedPending::begin_unknown(&self.client, &self.inner, args);
        Box::new(unknown)
    }

    #[inline(always)]
    fn poll_known(&self, args: &Args, cx: &mut Context<'_>) -> Poll<Option<KeptReply>> {
        // Whoever reads from memory only gives other tasks their turn all the same, such as the one that reads reports.
        let turn = ready!(coop::poll_proceed(cx));
        let kept = self.inner.find(args);
        if kept.is_some() {
            turn.made_progress();
            self.inner.shared.counts.hit();
        }
        Poll::Ready(kept)
    }

    fn noted_keys(&self) -> Keys {
        Keys::Noted
    }

    /// As a call: then command methods are short enough that the compiler puts them where they are called, and their requests need
    /// not be moved. That is a tenth of the time of a read from memory.
    #[inline(never)]
    fn start_command(&self, info: &'static CommandInfo) -> Box<Args> {
        Args::lease(info, Keys::Noted)
    }

    fn surface(&self) -> Surface<'_> {
        let Surface { carrier, prefix } = self.client.surface();
        Surface {
            carrier: carrier.told_to(self),
            prefix,
        }
    }
}

/// Pipelines go where those of the handle beneath go. What they write is forgotten, and what they may have shown newer than
/// it is kept.
impl<C: Origin> Witness for Cached<C> {
    fn hears_reads(&self) -> bool {
        self.inner.may_show_newer()
    }

    fn begins(&self, touched: &Touched) {
        self.forget_written(touched);
    }

    fn ended(&self, touched: &Touched) {
        self.forget_written(touched);
        self.tell_written(touched);
        if touched.reads_any {
            self.inner.shared.forget_all();
        }
        let read = touched.read.iter().flatten();
        read.for_each(|key| self.inner.forget_read(key));
    }
}

impl<C> Cached<C> {
    fn forget_written(&self, touched: &Touched) {
        let shared = &self.inner.shared;
        // Others than those that a command names are reported, unless the server leaves own changes out.
        if touched.writes_any || (touched.writes_more && shared.settings.no_loop) {
            shared.forget_all();
        }
        let written = touched.written.iter();
        written.for_each(|key| shared.changed(key));
    }

    /// Tells those who listen what the server does not report.
    fn tell_written(&self, touched: &Touched) {
        let shared = &self.inner.shared;
        let written = touched.written.iter().map(Vec::as_slice);
        let may_be_any = touched.writes_any || touched.writes_more;
        if let Some(unreported) = shared.unreported(written, may_be_any) {
            shared.tell_now(&unreported);
        }
    }
}

// Not for every client that allows it: the compiler would look for ever among caches of caches.
impl AllowsBlocking for &Cached<Pool> {}

#[cfg(feature = "cluster")]
impl AllowsBlocking for &Cached<Cluster> {}

impl Connection {
    /// A handle that keeps replies in memory, as `settings` say, and has the server report changes.
    ///
    /// It is made from this connection and uses its socket: the server pushes its reports on it, in RESP3. There is one such
    /// handle for a connection at a time; clone it to share it.
    ///
    /// ```no_run
    /// # extern crate typedis_core as typedis;
    /// # async fn example(conn: typedis::Connection) -> typedis::Result<()> {
    /// use typedis::Cache;
    ///
    /// let cache = conn.cached(Cache::default())?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// There is a caching handle of this connection already, the settings contradict each other, or the connection has
    /// ended.
    pub fn cached(&self, settings: Cache) -> Result<Cached<Self>> {
        Cached::new(self.clone(), settings)
    }
}

impl Pool {
    /// A handle that keeps replies in memory, as `settings` say, and has the server report changes.
    ///
    /// All reads of one key go over the same one of the lanes that are kept open, whose server-side connection tracks it;
    /// other commands go as on the pool. There is one such handle for a pool at a time; clone it to share it.
    ///
    /// # Errors
    /// There is a caching handle of this pool already, the settings contradict each other, or a lane has ended.
    pub fn cached(&self, settings: Cache) -> Result<Cached<Self>> {
        Cached::new(self.clone(), settings)
    }
}

#[cfg(feature = "cluster")]
impl Cluster {
    /// A handle that keeps replies in memory, as `settings` say, and has each node report changes of what was read from it.
    ///
    /// When a slot moves to another node, what was read in it is forgotten. There is one such handle for a cluster at a time;
    /// clone it to share it.
    ///
    /// # Errors
    /// There is a caching handle of this cluster already, the settings contradict each other, there are more than 2,048 primaries, or the cluster was
    /// closed.
    pub fn cached(&self, settings: Cache) -> Result<Cached<Self>> {
        Cached::new(self.clone(), settings)
    }
}
