//! Jobs that are due later and delivered until they are done: [`Queue`].
//!
//! # Layout
//!
//! - this file: the settings, putting jobs in, taking them, and the dead ones
//! - `job`: a job that was taken
//! - `names`: the keys of a queue

use std::time::Duration;

use typedis::{AnyClient, Client, FromRedis, Result, ToArg};

use crate::scripts::{MOST, Scripts as _, jittered, micros, possible, unique};

mod job;
mod names;

pub use job::{Job, Retry};
use names::Names;

/// A queue of jobs, each due at its own time, delivered at least once.
///
/// A job that was taken is invisible for the [`visibility`](Self::visibility) timeout. If it is not [`done`](Job::done) by then, it is delivered again. A
/// job that was delivered too often is put aside: see [`max_deliveries`](Self::max_deliveries).
///
/// ```
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let database = typedis_testkit::database(typedis_testkit::ServerKind::default());
/// # let url = database.url();
/// use std::time::Duration;
/// use typedis_recipes::Queue;
///
/// let conn = typedis::connect(url).await?;
/// let mails = Queue::new(&conn, "mails").visibility(Duration::from_secs(60)).max_deliveries(5);
/// mails.push("to ada").await?;
/// mails.push_in("to grace, tomorrow", Duration::from_secs(24 * 3600)).await?;
///
/// let job = mails.next::<String>().await?; // waits until one is due
/// println!("{}, for the {}. time", job.payload, job.deliveries);
/// assert!(job.done().await?);
/// assert!(mails.take::<String>().await?.is_none(), "the other one is not due");
/// # Ok(()) }
/// ```
///
/// Jobs come in the order in which they are due. A worker that fails them, or dies, changes this order.
#[derive(Debug, Clone)]
#[must_use = "a queue does nothing until it is used"]
pub struct Queue {
    client: AnyClient,
    names: Names,
    visibility: Duration,
    retry_after: Duration,
    most: u64,
    poll: Duration,
}

/// A job that was delivered too often.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DeadJob<T> {
    /// Its name.
    pub id: String,
    /// Why the last delivery failed.
    pub reason: String,
    /// What was put into the queue.
    pub payload: T,
}

impl Queue {
    /// The queue of this name. Its keys begin with `{queue:NAME}`: a sorted set of the times at which jobs are due, and hashes of payloads, deliveries
    /// and reasons.
    pub fn new<C: Client + Clone + 'static>(client: &C, name: impl AsRef<str>) -> Self {
        Self {
            client: AnyClient::new(client.clone()),
            names: Names::new(name.as_ref()),
            visibility: Duration::from_secs(30),
            retry_after: Duration::ZERO,
            most: 0,
            poll: Duration::from_secs(1),
        }
    }

    /// After which time a job that was taken and is not done is delivered again; 30 seconds by default. A job that takes longer is worked on twice, unless
    /// it is [extended](Job::extend).
    pub fn visibility(mut self, timeout: Duration) -> Self {
        self.visibility = timeout;
        self
    }

    /// After which time a job that [failed](Job::failed) is delivered again; at once by default.
    pub fn retry_after(mut self, pause: Duration) -> Self {
        self.retry_after = pause;
        self
    }

    /// Puts a job aside that was delivered this often and not done. Without this setting, or with 0, it is delivered until it is done.
    pub fn max_deliveries(mut self, deliveries: u64) -> Self {
        self.most = deliveries;
        self
    }

    /// The longest pause between two questions of [`next`](Self::next); a second by default. A new job may wait for as long.
    pub fn poll_every(mut self, pause: Duration) -> Self {
        self.poll = possible(pause);
        self
    }

    /// Puts a job in that is due now.
    ///
    /// # Errors
    /// The server could not be asked, or refused. With [`Phase::MaybeApplied`](typedis::Phase::MaybeApplied) the job may be in the queue: use
    /// [`push_as`](Self::push_as) to be able to repeat the call.
    pub async fn push(&self, payload: impl ToArg + Sync) -> Result<()> {
        self.push_in(payload, Duration::ZERO).await
    }

    /// Puts a job in that is due after some time, by the clock of the server.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub async fn push_in(&self, payload: impl ToArg + Sync, delay: Duration) -> Result<()> {
        self.push_as(&unique()?, payload, delay).await
    }

    /// Puts a job in that has a name. While a job of this name is in the queue or dead, nothing is changed, so the call may be repeated. If it is repeated
    /// after the job is done, the job is put in once more.
    ///
    /// # Errors
    /// The server could not be asked, or refused. With [`Phase::MaybeApplied`](typedis::Phase::MaybeApplied) the job may be in the queue, or be done.
    pub async fn push_as(
        &self,
        id: &str,
        payload: impl ToArg + Sync,
        delay: Duration,
    ) -> Result<()> {
        let names = &self.names;
        self.client
            .queue_push(&names.due, &names.payloads, id, &payload, micros(delay))
            .await
    }

    /// Takes a job that is due, or `None`.
    ///
    /// # Errors
    /// The server could not be asked, or refused. If the reply was lost, or the payload is no `T`, a job may have been taken: it is delivered again after the
    /// visibility timeout. The same holds for a call that is dropped.
    pub async fn take<T: FromRedis>(&self) -> Result<Option<Job<T>>> {
        Ok(self.ask().await?.ok())
    }

    /// Takes a job as soon as one is due.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub async fn next<T: FromRedis>(&self) -> Result<Job<T>> {
        loop {
            match self.ask().await? {
                Ok(job) => return Ok(job),
                Err(wait) => tokio::time::sleep(jittered(self.poll).min(wait)).await,
            }
        }
    }

    /// Takes a job, or says when the next one is due.
    async fn ask<T: FromRedis>(&self) -> Result<Result<Job<T>, Duration>> {
        let (names, receipt) = (&self.names, unique()?);
        let visibility = micros(self.visibility);
        let (wait, taken) = self
            .client
            .queue_take::<T>(
                &names.due,
                &names.payloads,
                &names.deliveries,
                &names.dead,
                &names.reasons,
                &receipt,
                visibility,
                self.most,
            )
            .await?;
        let Some((id, deliveries, payload)) = taken else {
            let wait = u64::try_from(wait).map_or(Duration::MAX, Duration::from_micros);
            return Ok(Err(wait));
        };
        let delivery = format!("{deliveries}:{receipt}");
        Ok(Ok(Job::new(
            id,
            deliveries,
            payload,
            delivery,
            self.clone(),
        )))
    }

    /// Jobs that were put aside, at most `count`, those that died first first.
    ///
    /// # Errors
    /// The server could not be asked, or refused; a payload is no `T`.
    pub async fn dead<T: FromRedis>(&self, count: u64) -> Result<Vec<DeadJob<T>>> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let (names, count) = (&self.names, count.min(MOST));
        let dead = self
            .client
            .queue_dead::<T>(&names.payloads, &names.dead, &names.reasons, count)
            .await?;
        let job = |(id, reason, payload)| DeadJob {
            id,
            reason,
            payload,
        };
        Ok(dead.into_iter().map(job).collect())
    }

    /// Makes a dead job due now, as if it had never been delivered; `false` if no dead job has this name.
    ///
    /// # Errors
    /// The server could not be asked, or refused.
    pub async fn revive(&self, id: &str) -> Result<bool> {
        let names = &self.names;
        self.client
            .queue_revive(
                &names.due,
                &names.deliveries,
                &names.dead,
                &names.reasons,
                id,
            )
            .await
    }

    /// Removes a dead job; `false` if no dead job has this name.
    ///
    /// # Errors
    /// The server could not be asked, or refused.
    pub async fn discard(&self, id: &str) -> Result<bool> {
        let names = &self.names;
        let (payloads, deliveries) = (&names.payloads, &names.deliveries);
        self.client
            .queue_discard(payloads, deliveries, &names.dead, &names.reasons, id)
            .await
    }
}
