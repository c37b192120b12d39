//! A job queue on a stream: the workers of a group share the jobs, failures are tried again, jobs that fail too
//! often are put aside, and Ctrl-C lets each worker finish its current job.
//!
//! `TYPEDIS_URL=redis://localhost cargo run --example job_queue`; `JOBS=100` ends it after 100 jobs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use typedis::prelude::*;
use typedis::replies::EntryId;
use typedis::{Job, Worker, WorkerEvent};

#[derive(Debug, FromRedis, ToRedis)]
struct Resize {
    image: String,
    width: u32,
}

/// Which jobs have ended. They are no mere counts, because a job is worked on twice if its worker stands still for so long that another one takes the job
/// over.
#[derive(Default)]
struct Ended {
    done: BTreeSet<EntryId>,
    put_aside: BTreeSet<EntryId>,
}

#[tokio::main]
async fn main() -> typedis::Result<()> {
    let url = std::env::var("TYPEDIS_URL").unwrap_or_else(|_| "redis://localhost".to_owned());
    let jobs: u64 = std::env::var("JOBS")
        .ok()
        .and_then(|jobs| jobs.parse().ok())
        .unwrap_or(u64::MAX);
    let pool = typedis::pool(&url).await?;
    pool.del(["resize", "resize:dead"]).await?;

    let (progress, stop) = watch::channel(Ended::default());
    let progress = Arc::new(progress);
    let workers: Vec<_> = (1..=3)
        .map(|number| {
            tokio::spawn(work(
                pool.clone(),
                number,
                progress.clone(),
                stopped(stop.clone(), jobs),
            ))
        })
        .collect();
    for n in 0..jobs.min(1_000) {
        let job = Resize {
            image: format!("{n}.png"),
            width: if n == 7 { 0 } else { 640 },
        };
        pool.xadd("resize", "*", job).await?;
    }

    for worker in workers {
        worker.await.map_err(typedis::Error::custom)??;
    }
    let ended = progress.borrow();
    println!(
        "{} jobs are done, {} put aside",
        ended.done.len(),
        ended.put_aside.len()
    );
    Ok(())
}

/// Ready at Ctrl-C, or when this many jobs have ended.
async fn stopped(mut progress: watch::Receiver<Ended>, jobs: u64) {
    let all = |ended: &Ended| (ended.done.len() + ended.put_aside.len()) as u64 >= jobs;
    tokio::select! {
        _ = tokio::signal::ctrl_c() => println!("finishing what is in hand"),
        _ = progress.wait_for(all) => {}
    }
}

async fn work(
    pool: Pool,
    number: u32,
    progress: Arc<watch::Sender<Ended>>,
    stop: impl Future<Output = ()>,
) -> typedis::Result<()> {
    Worker::new(&pool, "resize", "resizers", format!("resizer-{number}"))
        .claim_after(Duration::from_millis(200))
        .dead_letter("resize:dead", 3)
        .on_event({
            let progress = progress.clone();
            move |event| match event {
                WorkerEvent::Buried { id, .. } => {
                    println!("{id} was put aside");
                    progress.send_modify(|ended| {
                        ended.put_aside.insert(*id);
                    });
                }
                WorkerEvent::Failed {
                    id,
                    deliveries,
                    reason,
                } => println!("{id} failed, attempt {deliveries}: {reason}"),
                other => println!("{other:?}"),
            }
        })
        .run_until(stop, |job: Job<Resize>| {
            let outcome = resize(&job.fields);
            if outcome.is_ok() {
                progress.send_modify(|ended| {
                    ended.done.insert(job.id);
                });
            }
            async move { outcome }
        })
        .await?;
    Ok(())
}

fn resize(job: &Resize) -> Result<(), String> {
    if job.width == 0 {
        return Err(format!("{} cannot be made so narrow", job.image));
    }
    Ok(())
}
