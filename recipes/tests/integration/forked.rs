//! A pool of two lanes, of which one hangs: [`Forked`].

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
}

impl Forked {
    pub(crate) async fn start(bench: &Bench) -> Self {
        let server = bench.database.server().addr();
        let slow = Proxy::start(server).await.unwrap();
        let front = Proxy::start(slow.addr()).await.unwrap();
        let url = format!("{}/{}", front.url(), bench.database.number());
        let pool = typedis::pool(config(&url).lanes(2)).await.unwrap();
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
        Self { pool, front, slow }
    }

    /// From now on, what goes over one of the lanes does not arrive.
    pub(crate) fn hang(&self) {
        self.slow.to_server().hold();
    }

    /// Makes two calls at once, one over each lane, and drops the one whose lane hangs. What it takes is given back over the other lane, and then the call
    /// arrives. Returns which it was, and what the other one got.
    pub(crate) async fn drop_one<F>(&self, call: impl Fn(usize) -> F) -> (usize, F::Output)
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.hang();
        let [mut one, mut other] = [0, 1].map(|number| tokio::spawn(call(number)));
        // The second takes the lane on which the first is not.
        let (number, stuck, got) = tokio::select! {
            got = &mut one => (1, other, got),
            got = &mut other => (0, one, got),
        };
        let replies = self.front.to_client().passed();
        cancel(stuck).await;
        let is_given_back = async || self.front.to_client().passed() > replies;
        until("it is given back", is_given_back).await;
        let late = self.slow.to_client().passed();
        self.slow.heal();
        let has_arrived = async || self.slow.to_client().passed() > late;
        until("the call arrives", has_arrived).await;
        (number, got.unwrap())
    }
}

/// Drops a call that cannot end.
async fn cancel<T>(call: JoinHandle<T>) {
    call.abort();
    assert!(call.await.is_err_and(|error| error.is_cancelled()));
}
