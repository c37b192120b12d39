//! Work shared among the consumers of a stream's group: [`Worker`].
//!
//! # Layout
//!
//! - `worker/settings.rs`: the settings of a worker
//! - `worker/give_back.rs`: entries that were read and not begun
//! - `worker/stop.rs`: waiting for work and for the stop signal at the same time

use std::future::Future;
use std::time::{Duration, Instant};

use bytes::Bytes;
use typedis_core::{
    AllowsBlocking, AnyClient, Backoff, Client, Error, ErrorKind, FromRedis, Phase, Result, Run,
    cmd,
};

use crate::args::StreamId;
use crate::commands::traits::StreamCommands;
use crate::replies::{EntryFields, EntryId, StreamEntry};

mod give_back;
mod settings;
mod stop;

use settings::Settings;
pub use settings::{Acknowledge, WorkerEvent};
use stop::Stop;

/// A consumer of a stream's group: it takes entries, passes each to a function, and acknowledges those that succeed.
///
/// - An entry whose function fails stays pending. After [`claim_after`](Self::claim_after), this worker or another
///   one of the group takes it again. The same happens to entries of a worker that died.
/// - After a number of deliveries an entry is moved to a [`dead_letter`](Self::dead_letter) stream, if one is
///   set.
/// - If the connection is lost or the server restarts, the worker waits and goes on.
/// - [`run_until`](Self::run_until) ends when it is told to: the current entry is finished, others are given back.
///
/// An entry may be delivered more than once (unless it is [acknowledged](Acknowledge) beforehand), so the function
/// must do no harm when it is called again for the same entry. A worker does one thing at a time. To work on several
/// entries at the same time, run several workers with different consumer names.
///
/// ```no_run
/// # #[tokio::main] async fn main() -> typedis::Result<()> {
/// use std::time::Duration;
/// use typedis::prelude::*;
/// use typedis::Worker;
///
/// #[derive(FromRedis, ToRedis)]
/// struct Mail {
///     to: String,
///     subject: String,
/// }
///
/// let pool = typedis::pool("redis://localhost").await?;
/// pool.xadd("mails", "*", Mail { to: "ada@example.org".into(), subject: "Hello".into() }).await?;
///
/// let tally = Worker::new(&pool, "mails", "senders", "sender-1")
///     .claim_after(Duration::from_secs(60))
///     .dead_letter("mails:dead", 5)
///     .run_until(tokio::signal::ctrl_c(), |job: typedis::Job<Mail>| async move {
///         println!("to {}: {}", job.fields.to, job.fields.subject);
///         Ok::<(), std::io::Error>(())
///     })
///     .await?;
/// println!("{} mails were sent", tally.done);
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "a worker does nothing until it is run"]
pub struct Worker {
    client: AnyClient,
    stream: String,
    group: String,
    consumer: String,
    settings: Settings,
}

/// An entry that is to be worked on.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Job<T> {
    /// The id of the entry.
    pub id: EntryId,
    /// How often it was delivered, with this time.
    pub deliveries: u64,
    /// Its fields.
    pub fields: T,
}

/// What a worker has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Tally {
    /// Entries whose function succeeded.
    pub done: u64,
    /// Failures of the function.
    pub failed: u64,
    /// Entries that were taken over, because they were pending for too long.
    pub claimed: u64,
    /// Entries that were moved to the dead-letter stream.
    pub dead: u64,
}

/// How long a read waits at least.
const SHORTEST: Duration = Duration::from_millis(1);

/// How long a read waits at most, because a stop has to wait for it.
const LONGEST: Duration = Duration::from_secs(1);

/// An entry as it was read.
type Entry<T> = StreamEntry<Option<EntryFields<T>>>;

impl Worker {
    /// A worker that reads `stream` as `consumer` of `group`, on a [`Pool`](crate::Pool) or a
    /// [`Cluster`](crate::Cluster). Both stream and group are created if they are missing.
    pub fn new<C>(
        client: &C,
        stream: impl Into<String>,
        group: impl Into<String>,
        consumer: impl Into<String>,
    ) -> Self
    where
        C: Client + Clone + 'static,
        for<'c> &'c C: AllowsBlocking,
    {
        Self {
            client: AnyClient::new(client.clone()),
            stream: stream.into(),
            group: group.into(),
            consumer: consumer.into(),
            settings: Settings::default(),
        }
    }

    /// Works until it fails.
    ///
    /// # Errors
    /// The same as for [`run_until`](Self::run_until).
    pub async fn run<T, H, W, E>(self, handler: H) -> Result<Tally>
    where
        T: FromRedis,
        H: FnMut(Job<T>) -> W,
        W: Future<Output = Result<(), E>>,
        E: std::fmt::Display,
    {
        self.run_until(std::future::pending::<()>(), handler).await
    }

    /// Works until `stop` is ready, whatever its value is. The current entry is finished first; entries that were
    /// read and not begun are given back, and other workers can take them at once. What is [acknowledged on
    /// delivery](Acknowledge::OnDelivery) cannot be given back: all that were read are finished first.
    ///
    /// A read that waits for entries ends before the worker does. This takes a second at most, unless the server does not
    /// answer.
    ///
    /// # Errors
    /// A refusal of the server that will not go away, such as a wrong type or a missing permission, or that the handle was
    /// closed.
    pub async fn run_until<T, H, W, E>(self, stop: impl Future, mut handler: H) -> Result<Tally>
    where
        T: FromRedis,
        H: FnMut(Job<T>) -> W,
        W: Future<Output = Result<(), E>>,
        E: std::fmt::Display,
    {
        let mut stop = std::pin::pin!(Stop::new(stop));
        let mut shift = Shift {
            worker: &self,
            tally: Tally::default(),
            sweep: Some(EntryId::default()),
            swept: Instant::now(),
            begun: false,
        };
        let mut failures = 0;
        loop {
            let round = shift.round(stop.as_mut(), &mut handler).await;
            match round {
                Ok(true) => failures = 0,
                Ok(false) => return Ok(shift.tally),
                Err(error) if passes(&error) => {
                    shift.begun &= !is_no_group(&error);
                    self.settings.tell(&WorkerEvent::Interrupted(&error));
                    let pause = tokio::time::sleep(Backoff::default().pause(failures));
                    failures += 1;
                    if stop.as_mut().or(pause).await.is_none() {
                        return Ok(shift.tally);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Whether the same call may succeed later. A handle that was closed by its owner stays so.
fn passes(error: &Error) -> bool {
    let is_over = matches!(error.kind(), ErrorKind::Closed | ErrorKind::RuntimeEnded);
    let may_pass = error.is_connection() || error.is_timeout() || error.is_retryable();
    (may_pass && !is_over) || is_no_group(error)
}

/// Whether the stream or the group was deleted.
fn is_no_group(error: &Error) -> bool {
    error
        .server()
        .is_some_and(|error| error.code() == "NOGROUP")
}

/// A worker that is running.
struct Shift<'w> {
    worker: &'w Worker,
    tally: Tally,
    /// Where to go on with the search for entries that are pending for too long; `None` between two searches.
    sweep: Option<EntryId>,
    swept: Instant,
    /// Whether the group is known to exist.
    begun: bool,
}

impl Shift<'_> {
    /// Works on stale entries and on new ones; returns `false` when it is told to stop.
    async fn round<T, W, E>(
        &mut self,
        mut stop: std::pin::Pin<&mut Stop<impl Future>>,
        handler: &mut impl FnMut(Job<T>) -> W,
    ) -> Result<bool>
    where
        T: FromRedis,
        W: Future<Output = Result<(), E>>,
        E: std::fmt::Display,
    {
        if stop.as_mut().is_over().await {
            return Ok(false);
        }
        if !self.begun {
            self.create_group().await?;
            self.begun = true;
        }
        if self.swept.elapsed() >= self.worker.settings.sweep_interval() {
            self.sweep.get_or_insert_default();
        }
        if let Some(from) = self.sweep {
            let entries = self.claim(from).await?;
            self.work(stop.as_mut(), entries, handler).await?;
        }
        if stop.as_mut().is_over().await {
            return Ok(false);
        }
        // What a read brings that nobody waits for would count as delivered.
        let entries = stop.as_mut().beside(self.read()).await?;
        let entries = entries.into_iter().map(|entry| (entry, 1)).collect();
        self.work(stop, entries, handler).await?;
        Ok(true)
    }

    async fn create_group(&self) -> Result<()> {
        let worker = self.worker;
        let created = worker
            .client
            .xgroup_create(&worker.stream, &worker.group, &worker.settings.start)
            .mkstream();
        match created.await {
            Err(error) if error.server().is_some_and(|e| e.code() == "BUSYGROUP") => Ok(()),
            outcome => outcome,
        }
    }

    /// Some of the entries that are pending for too long, each with the number of its deliveries.
    async fn claim<T: FromRedis>(&mut self, from: EntryId) -> Result<Vec<(Entry<T>, u64)>> {
        let worker = self.worker;
        let (stream, group) = (&worker.stream, &worker.group);
        let after = worker.settings.claim_after;
        let claimed = worker
            .client
            .xautoclaim::<Option<EntryFields<T>>>(stream, group, &worker.consumer, after, from)
            .count(worker.settings.batch)
            .await?;
        self.sweep = (!claimed.is_complete()).then_some(claimed.next);
        self.swept = Instant::now();
        self.tally.claimed += claimed.entries.len() as u64;
        let ids = claimed.entries.iter().map(|entry| entry.id);
        let pending = worker
            .client
            .pipeline_each(ids, |cmd, id| cmd.xpending_range(stream, group, id, id, 1))
            .await?;
        if worker.settings.is_final() && !claimed.entries.is_empty() {
            self.acknowledge_all(&claimed.entries).await?;
        }
        let deliveries = pending.iter().map(|pending| {
            let pending = pending.first();
            pending.map_or(1, |pending| pending.deliveries)
        });
        Ok(claimed.entries.into_iter().zip(deliveries).collect())
    }

    /// Acknowledges entries that were taken over where delivery acknowledges. They are pending since before this was the setting, and
    /// would be taken over again and again.
    async fn acknowledge_all<T>(&self, entries: &[Entry<T>]) -> Result<()> {
        let worker = self.worker;
        let ids = entries.iter().map(|entry| StreamId::from(entry.id));
        let ids: Vec<StreamId> = ids.collect();
        let acknowledged = worker.client.xack(&worker.stream, &worker.group, &ids);
        match acknowledged.await {
            // If it was carried out, nobody else gets them.
            Err(error) if error.phase() == Phase::MaybeApplied => {
                worker.settings.tell(&WorkerEvent::Interrupted(&error));
                Ok(())
            }
            outcome => outcome.map(drop),
        }
    }

    /// How long a read may wait: until the next search for stale entries, and no longer than a stop may.
    fn rest(&self) -> Duration {
        let interval = self.worker.settings.sweep_interval();
        interval.saturating_sub(self.swept.elapsed()).min(LONGEST)
    }

    /// Waits for new entries, for a while.
    async fn read<T: FromRedis>(&self) -> Result<Vec<Entry<T>>> {
        let worker = self.worker;
        let wait = match self.sweep {
            Some(_) => SHORTEST,
            None => self.rest().max(SHORTEST),
        };
        let read = cmd()
            .xreadgroup::<Option<EntryFields<T>>>(
                &worker.group,
                &worker.consumer,
                [(&worker.stream, StreamId::UNDELIVERED)],
            )
            .count(worker.settings.batch)
            .block(wait);
        let read = match worker.settings.acknowledge {
            Acknowledge::OnDelivery => worker.client.run(read.no_ack()).await?,
            Acknowledge::OnSuccess | Acknowledge::Always => worker.client.run(read).await?,
        };
        Ok(read
            .unwrap_or_default()
            .into_iter()
            .flat_map(|(_, entries)| entries)
            .collect())
    }

    /// Works on entries in their order, until it is told to stop; the others are given back then. Nobody else can have entries whose
    /// delivery was final: all of them are worked on, whatever happens.
    async fn work<T, W, E>(
        &mut self,
        mut stop: std::pin::Pin<&mut Stop<impl Future>>,
        entries: Vec<(Entry<T>, u64)>,
        handler: &mut impl FnMut(Job<T>) -> W,
    ) -> Result<()>
    where
        T: FromRedis,
        W: Future<Output = Result<(), E>>,
        E: std::fmt::Display,
    {
        let is_final = self.worker.settings.is_final();
        let mut failure = None;
        let mut entries = entries.into_iter();
        while let Some((entry, deliveries)) = entries.next() {
            let id = entry.id;
            if !is_final && stop.as_mut().is_over().await {
                let others = entries.map(|(entry, _)| entry.id);
                let rest = std::iter::once(id).chain(others).collect();
                return self.give_back(rest).await;
            }
            let outcome = match entry.fields {
                // The entry was deleted while it was pending.
                None => self.acknowledge(id).await,
                Some(fields) => self.work_on(id, deliveries, fields, handler).await,
            };
            if is_final {
                failure = failure.or(outcome.err());
            } else {
                outcome?;
            }
        }
        failure.map_or(Ok(()), Err)
    }

    async fn work_on<T, W, E>(
        &mut self,
        id: EntryId,
        deliveries: u64,
        fields: EntryFields<T>,
        handler: &mut impl FnMut(Job<T>) -> W,
    ) -> Result<()>
    where
        T: FromRedis,
        W: Future<Output = Result<(), E>>,
        E: std::fmt::Display,
    {
        let settings = &self.worker.settings;
        let outcome = match fields.decoded {
            // It was delivered too often before: its last worker has probably died from it.
            Ok(_) if settings.is_worn_out(deliveries.saturating_sub(1)) => {
                Err("it was delivered too often".to_owned())
            }
            Ok(fields) => handler(Job {
                id,
                deliveries,
                fields,
            })
            .await
            .map_err(|error| error.to_string()),
            Err(error) => Err(format!("its fields do not fit: {error}")),
        };
        match outcome {
            Ok(()) => {
                self.tally.done += 1;
                self.acknowledge(id).await
            }
            Err(reason) => {
                self.tally.failed += 1;
                settings.tell(&WorkerEvent::Failed {
                    id,
                    deliveries,
                    reason: &reason,
                });
                self.failed(id, deliveries, fields.raw, reason).await
            }
        }
    }

    async fn failed(
        &mut self,
        id: EntryId,
        deliveries: u64,
        fields: Vec<(Bytes, Bytes)>,
        reason: String,
    ) -> Result<()> {
        let settings = &self.worker.settings;
        if settings.is_worn_out(deliveries) {
            return self.bury(id, deliveries, fields, reason).await;
        }
        match settings.acknowledge {
            Acknowledge::Always => self.acknowledge(id).await,
            Acknowledge::OnSuccess | Acknowledge::OnDelivery => Ok(()),
        }
    }

    async fn acknowledge(&self, id: EntryId) -> Result<()> {
        let worker = self.worker;
        if !worker.settings.is_final() {
            let id = StreamId::from(id);
            worker
                .client
                .xack(&worker.stream, &worker.group, id)
                .await?;
        }
        Ok(())
    }

    /// Moves an entry to the dead-letter stream, with the reason of its failure.
    async fn bury(
        &mut self,
        id: EntryId,
        deliveries: u64,
        mut fields: Vec<(Bytes, Bytes)>,
        reason: String,
    ) -> Result<()> {
        let worker = self.worker;
        let Some((dead, _)) = &worker.settings.dead_letter else {
            return Ok(());
        };
        let notes = [
            ("dead:stream", worker.stream.clone()),
            ("dead:id", id.to_string()),
            ("dead:deliveries", deliveries.to_string()),
            ("dead:reason", reason),
        ];
        fields
            .extend(notes.map(|(name, value)| (Bytes::from_static(name.as_bytes()), value.into())));
        let buried = worker
            .client
            .transaction()
            .xadd(dead, StreamId::AUTO, &fields);
        buried
            .xack(&worker.stream, &worker.group, StreamId::from(id))
            .await?;
        self.tally.dead += 1;
        worker
            .settings
            .tell(&WorkerEvent::Buried { id, deliveries });
        Ok(())
    }
}
