//! Commands, pipelines, transactions and batches on the handles that share their sockets.

use std::time::Duration;

use tokio::time::sleep;
use typedis_core::cluster::Cluster;
use typedis_core::{Connection, ErrorKind, Pool, Result, Run, Value};

use super::Scene;
use super::call::Call;
use super::record::{record, record_all, record_transaction};
use crate::simulation::plan::Act;

/// The same code for all handles, which have no trait in common for all of it.
macro_rules! plain {
    ($name:ident, $handle:ty) => {
        pub(super) async fn $name(
            scene: Scene,
            handle: $handle,
            act: Act,
            calls: Vec<Call>,
            deadline: Option<Duration>,
        ) {
            match (&act, &calls[..]) {
                (Act::Single(_), [call]) => {
                    let result = handle.run(call.request(deadline)).await;
                    check_repeated(&scene, *call, &result);
                    record(&scene, *call, result);
                }
                (Act::Pipeline(_), [a, b, c]) => {
                    let result = handle
                        .pipeline()
                        .run(a.request(deadline))
                        .attempt()
                        .run(b.request(deadline))
                        .attempt()
                        .run(c.request(deadline))
                        .attempt()
                        .await;
                    record_all(&scene, &calls, result.map(|(a, b, c)| vec![a, b, c]));
                }
                (Act::Transaction(_), [a, b, c]) => {
                    let result = handle
                        .transaction()
                        .run(a.request(deadline))
                        .run(b.request(deadline))
                        .run(c.request(deadline))
                        .await;
                    record_transaction(&scene, &calls, result.map(|(a, b, c)| vec![a, b, c]));
                }
                (Act::Each(..), calls) => {
                    let commands = calls.iter().map(|call| call.request(deadline));
                    let result = handle
                        .pipeline_each(commands, |_, command| command)
                        .await
                        .map(|values| values.into_iter().map(Ok).collect());
                    record_all(&scene, calls, result);
                }
                (Act::Together(_), calls) => {
                    let mut sent = Vec::new();
                    for call in calls {
                        sent.push(handle.run(call.request(deadline)).send());
                        sleep(between(*call)).await;
                    }
                    together(&scene, calls, sent).await;
                }
                (_, calls) => {
                    let mut batch = handle.batch();
                    let handles: Vec<_> = calls
                        .iter()
                        .map(|call| batch.push(call.request(deadline)))
                        .collect();
                    let result = batch.execute().await.map(|mut replies| {
                        let taken = handles.into_iter().map(|handle| replies.take(handle));
                        taken.collect()
                    });
                    record_all(&scene, calls, result);
                }
            }
        }
    };
}

plain!(on_connection, Connection);
plain!(on_pool, Pool);
plain!(on_cluster, Cluster);

/// A loss is no failure of what may be sent again.
fn check_repeated(scene: &Scene, call: Call, result: &Result<Value>) {
    if let Err(error) = result
        && matches!(error.kind(), ErrorKind::ConnectionLost(_))
        && call.is_repeatable()
        && scene.loses_once
        && !scene.may_close
    {
        let text = format!("{call}: {error}");
        scene
            .world
            .violate("what may be repeated is repeated", text);
    }
}

/// How long to wait until the next command is sent: not at all, or a little.
pub(super) fn between(call: Call) -> Duration {
    Duration::from_millis(call.token % 3)
}

/// Waits for all at once, and notes each when it ends.
async fn together<F>(scene: &Scene, calls: &[Call], futures: Vec<F>)
where
    F: Future<Output = Result<Value>> + Unpin,
{
    let mut open: Vec<Option<F>> = futures.into_iter().map(Some).collect();
    std::future::poll_fn(|cx| {
        let mut pending = false;
        for (slot, call) in open.iter_mut().zip(calls) {
            let Some(future) = slot else { continue };
            match std::pin::Pin::new(future).poll(cx) {
                std::task::Poll::Ready(result) => {
                    *slot = None;
                    record(scene, *call, result);
                }
                std::task::Poll::Pending => pending = true,
            }
        }
        if pending {
            std::task::Poll::Pending
        } else {
            std::task::Poll::Ready(())
        }
    })
    .await;
}
