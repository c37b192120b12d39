//! Sockets that are lent to one task: whatever it did to its socket, the next one finds nothing of it.

use typedis::prelude::*;

use super::{Load, Works, ask_at_rest};
use crate::calls::{Caller, Manner, Outcome};
use crate::tally::Rule;

/// A key that says in each database which one it is.
const WHERE: &str = "which-database";

/// Borrows sockets of a pool, changes their state, and goes away in the middle.
pub(crate) struct Leases {
    caller: Caller,
    pool: Pool,
    prepared: bool,
}

impl Leases {
    pub(crate) fn new(works: &Works, pool: &Pool) -> Self {
        Self {
            caller: works.caller("leases"),
            pool: pool.clone(),
            prepared: false,
        }
    }

    /// Leases a socket, checks that it is as new, and changes it.
    async fn borrow_one(pool: Pool, change: u32) -> typedis::Result<Option<i64>> {
        let lease = pool.exclusive().await?;
        let database = lease.get::<i64>(WHERE).await?;
        match change {
            0 => lease.select(1).await?,
            1 => {
                lease.multi().await?;
                let queued = lease.run(raw("INCR").key("never:executed").reply::<String>());
                queued.await?;
            }
            2 => lease.watch([WHERE]).await?,
            _ => {}
        }
        Ok(database)
    }
}

impl Load for Leases {
    async fn step(&mut self) {
        if !self.prepared {
            return;
        }
        let change = fastrand::u32(0..4);
        let work = Self::borrow_one(self.pool.clone(), change);
        if let Outcome::Done(database) = self.caller.call_as(Manner::any(), 3, work).await
            && database != Some(0)
        {
            let text = format!("a leased socket is in the database {database:?}");
            self.caller.tally.broke(Rule::Wrong, text);
        }
    }

    async fn at_rest(&mut self) {
        let prepare = || async {
            let lease = self.pool.exclusive().await?;
            for database in [0, 1] {
                lease.select(database).await?;
                lease.set(WHERE, database).await?;
            }
            self.pool.get::<i64>("never:executed").await
        };
        let found = ask_at_rest(&self.caller, "a lease", prepare).await;
        self.prepared |= found.is_some();
        if let Some(Some(value)) = found {
            let text = format!("a transaction without EXEC was executed {value} times");
            self.caller.tally.broke(Rule::Wrong, text);
        }
    }
}
