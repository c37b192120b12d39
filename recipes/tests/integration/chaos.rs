//! Faults between a load and its server: [`Chaos`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use typedis::Connection;
use typedis_testkit::proxy::{Cut, Proxy};

use crate::support::{Bench, LONG, soon};

/// A proxy that cuts, delays and loses what goes through it, until it is told to end.
pub(crate) struct Chaos {
    proxy: Arc<Proxy>,
    is_over: Arc<AtomicBool>,
    faults: Faults,
    task: JoinHandle<()>,
}

/// How many faults there were.
#[derive(Clone, Default)]
pub(crate) struct Faults(Arc<AtomicUsize>);

impl Faults {
    fn are_enough(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= 5
    }

    /// Waits until there were some. Each load does so before its end: otherwise it could be over before them on a fast machine.
    pub(crate) async fn come(&self) {
        let come = async {
            while !self.are_enough() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        soon("there are faults", come).await;
    }
}

impl Chaos {
    /// Begins, and opens connections that go through it.
    pub(crate) async fn start(bench: &Bench, connections: usize) -> (Self, Vec<Connection>) {
        let proxy = Arc::new(Proxy::start(bench.database.server().addr()).await.unwrap());
        let mut handles = Vec::new();
        for _ in 0..connections {
            handles.push(bench.through(&proxy).await);
        }
        let is_over = Arc::new(AtomicBool::new(false));
        let faults = Faults::default();
        let causing = cause_faults(Arc::clone(&proxy), Arc::clone(&is_over), faults.clone());
        let this = Self {
            proxy,
            is_over,
            faults,
            task: tokio::spawn(causing),
        };
        (this, handles)
    }

    pub(crate) fn faults(&self) -> Faults {
        self.faults.clone()
    }

    /// Ends it. It must have done something.
    pub(crate) async fn end(self) {
        self.is_over.store(true, Ordering::Relaxed);
        soon("the last fault", self.task).await.unwrap();
        assert!(self.faults.are_enough(), "the load did not wait for them");
        assert!(
            self.proxy.accepted() > 5,
            "only {} connections",
            self.proxy.accepted()
        );
    }
}

async fn cause_faults(proxy: Arc<Proxy>, is_over: Arc<AtomicBool>, faults: Faults) {
    while !is_over.load(Ordering::Relaxed) {
        // Some calls succeed in between, or the load would not come to an end.
        progress(&proxy, 3_000).await;
        match fastrand::u8(0..6) {
            0 => proxy.cut_all(Cut::Reset),
            1 => proxy.cut_all(Cut::Close),
            2 => proxy
                .to_server()
                .cut_after(fastrand::u64(0..400), Cut::Reset),
            3 => proxy
                .to_client()
                .cut_after(fastrand::u64(0..200), Cut::Reset),
            4 => proxy
                .to_client()
                .delay(Duration::ZERO, Duration::from_millis(fastrand::u64(0..3))),
            _ => lose_replies(&proxy).await,
        }
        faults.0.fetch_add(1, Ordering::Relaxed);
    }
    proxy.to_client().delay(Duration::ZERO, Duration::ZERO);
    proxy.heal();
}

/// What is sent meanwhile is carried out, and nobody gets the replies.
async fn lose_replies(proxy: &Proxy) {
    proxy.to_client().black_hole();
    progress(proxy, 500).await;
    // A connection that lives on after that would take later replies for those that are lost.
    proxy.refuse(true);
    proxy.cut_all(Cut::Reset);
    proxy.wait_for_open(0, LONG).await.unwrap();
    proxy.to_client().resume();
    proxy.refuse(false);
}

/// Waits until some bytes have gone to the server; not for ever, because clients may be waiting for replies.
async fn progress(proxy: &Proxy, bytes: u64) {
    let goal = proxy.to_server().passed() + bytes;
    for _ in 0..50 {
        if proxy.to_server().passed() >= goal {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
