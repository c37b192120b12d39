//! A pool of two lanes, of which one hangs: [`Forked`].

use std::time::Duration;

use tokio::task::JoinHandle;
use typedis::Pool;
use typedis::prelude::*;
use typedis_testkit::proxy::{Cut, Proxy};

use crate::support::*;

/// A pool of two lanes. One of them goes through `slow`, too.
pub(crate) struct Forked {
    pub(crate) pool: Pool,
    /// In front of both lanes.
    front: Proxy,
    /// On the way of one of them.
    slow: Proxy,
    /// Around both.
    direct: Connection,
}

impl Forked {
    pub(crate) async fn start(bench: &Bench) -> Self {
        let server = bench.database.server().addr();
        let slow = Proxy::start(server).await.unwrap();
        let front = Proxy::start(slow.addr()).await.unwrap();
        let url = format!("{}/{}", front.url(), bench.database.number());
        // The lane that hangs is not given up, nor what was sent over it.
        let config = config(&url).lanes(2).liveness(None);
        let pool = typedis::pool(config.command_timeout(FOR_EVER))
            .await
            .unwrap();
        slow.wait_for_open(2, LONG).await.unwrap();
        // One of the two is cut, and comes back another way.
        front.set_upstream(server);
        slow.to_server().cut_after(0, Cut::Reset);
        let is_forked = async || {
            // It may be lost, or over the other lane.
            let _ = pool.ping().await;
            front.accepted() > 2 && slow.open() == 1 && front.open() == 2
        };
        until("one lane takes another way", is_forked).await;
        Self {
            pool,
            front,
            slow,
            direct: bench.direct.clone(),
        }
    }

    /// From now on, what goes over one of the lanes does not arrive.
    pub(crate) fn hang(&self) {
        self.slow.to_server().hold();
    }

    /// From now on, no reply arrives over either lane.
    pub(crate) fn silence(&self) {
        self.front.to_client().hold();
    }

    /// Lets replies arrive again.
    pub(crate) fn answer(&self) {
        self.front.to_client().resume();
    }

    /// Makes two calls at once, one over each lane, and drops the one whose lane hangs. The server is told that it was given up, and then the call
    /// arrives and is refused. Returns which it was, and what the other one got.
    pub(crate) async fn drop_one<F>(&self, call: impl Fn(usize) -> F) -> (usize, F::Output)
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.hang();
        let [mut one, mut other] = [0, 1].map(|number| tokio::spawn(call(number)));
        // The second takes the lane on which the first is not.
        let first = async {
            tokio::select! {
                got = &mut one => (1, got),
                got = &mut other => (0, got),
            }
        };
        let (number, got) = soon("one of them gets an answer", first).await;
        let stuck = [one, other].into_iter().nth(number).unwrap();
        cancel(stuck).await;
        let key = soon("the server is told", self.given_up()).await;
        let mut seen = self.direct.monitor().await.unwrap();
        self.slow.heal();
        // Only the script that arrives late looks for the key.
        let refused = async {
            loop {
                let entry = seen.next().await.unwrap().unwrap();
                if entry.client == "lua" && entry.words == ["EXISTS", key.as_str()] {
                    break;
                }
            }
        };
        soon("the call arrives", refused).await;
        (number, got.unwrap())
    }

    /// The key that says that a call was given up, as soon as it is there.
    async fn given_up(&self) -> String {
        loop {
            let keys = raw("KEYS").arg("*:given-up:*");
            let found: Vec<String> = self.direct.run(keys.reply()).await.unwrap();
            if let Some(key) = found.into_iter().next() {
                return key;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Drops a call that cannot end.
pub(crate) async fn cancel<T>(call: JoinHandle<T>) {
    call.abort();
    assert!(call.await.is_err_and(|error| error.is_cancelled()));
}
