//! Scans: each key that is there from the beginning to the end is found.

use std::collections::HashSet;
use std::time::Duration;

use typedis::prelude::*;

use super::watching::Lender;
use super::{Load, Works, ask_at_rest};
use crate::calls::{Caller, Outcome};
use crate::tally::Rule;

/// How many keys there are to be found.
const KEYS: usize = 300;

/// How long all pages together may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Scans for keys that were set in the first rest and never change.
pub(crate) struct Scans {
    caller: Caller,
    lender: Lender,
    keys: HashSet<String>,
    pattern: String,
    prepared: bool,
}

impl Scans {
    pub(crate) fn new(works: &Works, name: &str, lender: &Lender) -> Self {
        let key = |number| format!("scanned:{name}:{number}");
        Self {
            caller: works.caller("scans").within(LIMIT),
            lender: lender.clone(),
            keys: (0..KEYS).map(key).collect(),
            pattern: format!("scanned:{name}:*"),
            prepared: false,
        }
    }

    async fn set_all(&self) -> typedis::Result<()> {
        let pairs: Vec<(&String, i64)> = self.keys.iter().map(|key| (key, 1)).collect();
        match &self.lender {
            Lender::Pool(pool) => pool.mset(pairs).await,
            Lender::Cluster(cluster) => cluster.mset(pairs).await,
        }
    }

    async fn scan(&self) -> typedis::Result<HashSet<String>> {
        match &self.lender {
            Lender::Pool(pool) => {
                let scan = pool.scan::<String>(0).matching(&self.pattern).count(200);
                scan.stream().try_collect().await
            }
            Lender::Cluster(cluster) => {
                let scan = cluster.scan::<String>(0).matching(&self.pattern).count(200);
                scan.stream().try_collect().await
            }
        }
    }

    fn check(&self, found: &HashSet<String>) {
        let missing: Vec<&String> = self.keys.difference(found).take(5).collect();
        let foreign: Vec<&String> = found.difference(&self.keys).take(5).collect();
        if !missing.is_empty() || !foreign.is_empty() {
            let text = format!(
                "a scan for {} found {} of {KEYS} keys: without {missing:?}, with {foreign:?}",
                self.pattern,
                found.len()
            );
            self.caller.tally.broke(Rule::Wrong, text);
        }
    }
}

impl Load for Scans {
    async fn step(&mut self) {
        if self.prepared
            && let Outcome::Done(found) = self.caller.call(10, self.scan()).await
        {
            self.check(&found);
        }
    }

    async fn at_rest(&mut self) {
        if !self.prepared {
            let set = ask_at_rest(&self.caller, "setting keys", || self.set_all()).await;
            self.prepared = set.is_some();
        } else if let Some(found) = ask_at_rest(&self.caller, "a scan", || self.scan()).await {
            self.check(&found);
        }
    }
}
