//! One thing of each kind of server for all tests of a process, made by the first that asks: [`PerKind`].

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::Result;
use crate::servers::ServerKind;

/// What tests share: one `T` for each kind.
pub(crate) struct PerKind<T> {
    places: [Place<T>; 7],
}

struct Place<T> {
    made: OnceLock<Result<T, String>>,
    next: AtomicU32,
}

impl<T> PerKind<T> {
    /// Nothing is made yet.
    pub(crate) const fn new() -> Self {
        Self {
            places: [const {
                Place {
                    made: OnceLock::new(),
                    next: AtomicU32::new(0),
                }
            }; 7],
        }
    }

    fn place(&self, kind: ServerKind) -> &Place<T> {
        let [
            valkey9,
            redis8,
            redis8_10,
            redis_stack,
            valkey8,
            redis6,
            system,
        ] = &self.places;
        match kind {
            ServerKind::Valkey9 => valkey9,
            ServerKind::Redis8 => redis8,
            ServerKind::Redis8_10 => redis8_10,
            ServerKind::RedisStack => redis_stack,
            ServerKind::Valkey8 => valkey8,
            ServerKind::Redis6 => redis6,
            ServerKind::SystemRedis => system,
        }
    }

    /// The one of this kind.
    ///
    /// # Panics
    ///
    /// If it could not be made, by this call or an earlier one.
    #[track_caller]
    pub(crate) fn get(&self, kind: ServerKind, make: impl FnOnce() -> Result<T>) -> &T {
        let make = || make().map_err(|error| error.to_string());
        match self.place(kind).made.get_or_init(make) {
            Ok(made) => made,
            #[expect(
                clippy::panic,
                reason = "a test without its server fails, and says why"
            )]
            Err(error) => panic!("{error}"),
        }
    }

    /// The number of a part of it that no other test has: 0, 1, 2 …
    pub(crate) fn next_part(&self, kind: ServerKind) -> u32 {
        self.place(kind).next.fetch_add(1, Ordering::Relaxed)
    }
}
