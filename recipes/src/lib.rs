//! What services build on Redis or Valkey again and again, as small objects on top of [`typedis`].
//!
//! ```
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let database = typedis_testkit::database(typedis_testkit::ServerKind::default());
//! # let url = database.url();
//! use typedis_recipes::Lock;
//!
//! let conn = typedis::connect(url).await?;
//! let guard = Lock::new(&conn, "report").acquire().await?;
//! println!("only one writes the report: {}", guard.token());
//! guard.release().await?;
//! # Ok(()) }
//! ```
//!
//! Every recipe works on any handle that can be cloned: [`Connection`](typedis::Connection), [`Pool`](typedis::Pool),
//! [`Cluster`](typedis::Cluster), [`AnyClient`](typedis::AnyClient). All keys of one thing share a hash tag, so they are in one slot of a
//! cluster. What a recipe decides is decided by one script, by the clock of the server. No recipe compares the clocks of clients.
//!
//! A time that is set counts as 100 years if it is longer. So `Duration::MAX` can be set where nothing is to end.
//!
//! Each recipe has a page in the [guide](https://github.com/typedis/typedis/tree/main/docs/guide/recipes) that says what it guarantees when
//! connections are lost and servers fail over, and what it does not.
//!
//! # Layout
//!
//! - [`Lock`] (`lock`): one caller at a time, with a token that grows
//! - [`Semaphore`] (`semaphore`): a limited number of callers at a time
//! - [`Gcra`], [`SlidingWindow`] (`rate_limit`): a limited number of calls in a time
//! - [`CacheAside`] (`cache_aside`): values that are loaded once for all callers, and refreshed before they end
//! - [`Election`] (`election`): one leader among candidates
//! - [`Queue`] (`queue`): jobs that are due later, delivered until they are done
//! - [`Idempotency`] (`idempotency`): a request that is made twice is carried out once
//! - `lease`: what is held for a time and renewed in the background; `guard`: what locks, semaphores and elections have in common for their callers
//! - `error`: what can go wrong, and what is said when something is lost
//! - `keys`: the names of keys; `scripts`: the Lua scripts as methods, and what they are given

/// The code of the guide's pages, which the documentation tests compile.
#[cfg(doctest)]
mod guide {
    #[doc = include_str!("../../docs/guide/recipes/cache-aside.md")]
    struct CacheAside;
    #[doc = include_str!("../../docs/guide/recipes/election.md")]
    struct Election;
    #[doc = include_str!("../../docs/guide/recipes/idempotency.md")]
    struct Idempotency;
    #[doc = include_str!("../../docs/guide/recipes/queue.md")]
    struct Queue;
    #[doc = include_str!("../../docs/guide/recipes/lock.md")]
    struct Lock;
    #[doc = include_str!("../../docs/guide/recipes/rate-limit.md")]
    struct RateLimit;
    #[doc = include_str!("../../docs/guide/recipes/semaphore.md")]
    struct Semaphore;
}

mod cache_aside;
mod election;
mod error;
mod guard;
mod idempotency;
mod keys;
mod lease;
mod lock;
mod queue;
mod rate_limit;
mod scripts;
mod semaphore;

pub use cache_aside::{CacheAside, CacheError};
pub use election::{Election, ElectionEvent, ElectionEvents, Leadership};
pub use error::{Error, LossCause, Lost, Result};
pub use idempotency::{Begun, Idempotency, RequestRun};
pub use lock::{Lock, LockGuard};
pub use queue::{DeadJob, Job, Queue, Retry};
pub use rate_limit::{Gcra, SlidingWindow, Verdict};
pub use semaphore::{Permit, Semaphore};
