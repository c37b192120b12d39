//! How a step is waited for, and how it is given up.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::Scene;
use crate::simulation::plan::Manner;

/// What a step does, before it is waited for.
pub(super) type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Timers count whole milliseconds: one is lost where a deadline is set, and one where it is checked. A millisecond more
/// is for the timer of this check.
pub(super) const SLACK: Duration = Duration::from_millis(3);

/// Waits in this manner. The work is dropped if it did not end.
pub(super) async fn wait(scene: &Scene, manner: Manner, limit: Limited, work: Work) {
    let work = guarded(scene.clone(), limit, work);
    match manner {
        Manner::Wait | Manner::Deadline(_) => work.await,
        Manner::Timeout(time) => drop(timeout(time, work).await),
        Manner::Polls(count) => poll_times(count, Box::pin(work)).await,
        Manner::Abort(time) => {
            let task = tokio::spawn(work);
            sleep(time).await;
            task.abort();
            if let Err(error) = task.await
                && error.is_panic()
            {
                scene.world.violate("nothing panics", error.to_string());
            }
        }
    }
}

/// How long something may take, and what it is.
#[derive(Debug)]
pub(super) struct Limited {
    pub(super) limit: Duration,
    pub(super) what: String,
}

async fn guarded(scene: Scene, limited: Limited, work: Work) {
    if timeout(limited.limit + SLACK, work).await.is_err() {
        scene.world.violate(
            "nothing waits past its deadline",
            format!("{} took longer than {:?}", limited.what, limited.limit),
        );
    }
}

async fn poll_times(count: usize, mut work: Pin<Box<impl Future<Output = ()>>>) {
    let mut left = count;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        match work.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending if left == 0 => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        }
    })
    .await;
}
