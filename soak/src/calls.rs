//! One call, checked: [`Caller`] waits for it in a random manner, and says what is known of it afterwards.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::time::timeout;
use typedis::{Error, ErrorKind, Phase};

use crate::stalls::Stalls;
use crate::tally::{Rule, Tally};

/// The deadline of each command, by the configuration of all handles.
pub(crate) const DEADLINE: Duration = Duration::from_secs(3);

/// How late an answer may be, besides the time in which this program itself did not run.
const SLACK: Duration = Duration::from_millis(500);

/// After this time a call is given up, and counts as hanging.
const HANGS: Duration = Duration::from_secs(15);

/// What is known of a call.
#[derive(Debug)]
pub(crate) enum Outcome<T> {
    Done(T),
    /// It was sent, and may have been carried out.
    Unsure,
    /// It was certainly not carried out.
    NotDone,
}

/// How a caller waits.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Manner {
    /// Until there is an answer.
    Patient,
    /// Not longer than this; then the call is dropped.
    Impatient(Duration),
    /// Polls this many times, then drops the call.
    Polls(u32),
}

impl Manner {
    /// Most callers are patient.
    pub(crate) fn any() -> Self {
        match fastrand::u32(0..100) {
            0..8 => Self::Impatient(Duration::from_micros(fastrand::u64(0..5_000))),
            8..12 => Self::Polls(fastrand::u32(1..3)),
            _ => Self::Patient,
        }
    }
}

/// Makes the calls of a load.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) load: &'static str,
    pub(crate) tally: Arc<Tally>,
    pub(crate) stalls: Arc<Stalls>,
    /// How long a call may take.
    limit: Duration,
    /// No call times out sooner.
    deadline: Duration,
}

impl Caller {
    pub(crate) fn new(load: &'static str, tally: &Arc<Tally>, stalls: &Arc<Stalls>) -> Self {
        Self {
            load,
            tally: Arc::clone(tally),
            stalls: Arc::clone(stalls),
            limit: DEADLINE,
            deadline: DEADLINE,
        }
    }

    /// The same for calls that may take longer.
    pub(crate) fn within(&self, limit: Duration) -> Self {
        Self {
            limit,
            ..self.clone()
        }
    }

    /// The same for calls with a shorter deadline of their own.
    pub(crate) fn with_deadline(&self, deadline: Duration) -> Self {
        Self {
            deadline,
            ..self.clone()
        }
    }

    /// Waits patiently for a call of this many commands.
    pub(crate) async fn call<T>(
        &self,
        commands: u64,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Outcome<T> {
        self.call_as(Manner::Patient, commands, work).await
    }

    /// Waits for a call in this manner.
    pub(crate) async fn call_as<T>(
        &self,
        manner: Manner,
        commands: u64,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Outcome<T> {
        self.tally.commands(self.load, commands);
        let begin = Instant::now();
        let result = self.wait(manner, work).await;
        let took = begin.elapsed();
        self.tally.took(took);
        self.check_time(took, result.as_ref());
        let outcome = match result {
            Some(Ok(value)) => Outcome::Done(value),
            Some(Err(error)) => self.failed(&error),
            None => {
                self.tally.dropped();
                Outcome::Unsure
            }
        };
        if matches!(outcome, Outcome::Unsure) {
            self.tally.unsure(commands);
        }
        outcome
    }

    /// Checks that a call did not end after its deadline, nor timed out before it.
    fn check_time<T>(&self, took: Duration, result: Option<&Result<T, Error>>) {
        let late = took.saturating_sub(self.limit + SLACK);
        let stood = self.stalls.sum_of_late();
        if late > stood {
            let end = match result {
                Some(Ok(_)) => "was answered".to_owned(),
                Some(Err(error)) => format!("failed: {error}"),
                None => "was dropped".to_owned(),
            };
            let text = format!(
                "{}: a call took {took:?}, not {:?}, and {end}; timers were late by {stood:?}",
                self.load, self.limit
            );
            self.tally.broke(Rule::Late, text);
        }
        if let Some(Err(error)) = result
            && matches!(error.kind(), ErrorKind::Timeout)
            && took < self.deadline
        {
            let (load, deadline) = (self.load, self.deadline);
            let text = format!("{load}: a call ended after {took:?}, not {deadline:?}: {error}");
            self.tally.broke(Rule::Early, text);
        }
    }

    /// `None` if the call was dropped.
    async fn wait<T>(&self, manner: Manner, work: impl Future<Output = T>) -> Option<T> {
        match manner {
            Manner::Patient => {
                let result = timeout(self.limit + HANGS, work).await.ok();
                if result.is_none() {
                    let text = format!("{}: a call hangs", self.load);
                    self.tally.broke(Rule::Late, text);
                }
                result
            }
            Manner::Impatient(time) => timeout(time, work).await.ok(),
            Manner::Polls(count) => poll_times(count, work).await,
        }
    }

    /// Counts an error, and says what it leaves open.
    pub(crate) fn failed<T>(&self, error: &Error) -> Outcome<T> {
        self.tally.error(kind(error), error);
        if !has_cause(error) {
            let text = format!("{}: {error}: {:?}", self.load, error.kind());
            self.tally.broke(Rule::Unexplained, text);
        }
        match error.phase() {
            Phase::NotSent | Phase::Refused => Outcome::NotDone,
            _ => Outcome::Unsure,
        }
    }
}

async fn poll_times<T>(count: u32, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let mut left = count;
    std::future::poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match work.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// The name of an error in the report.
fn kind(error: &Error) -> String {
    let kind = match error.kind() {
        ErrorKind::Server(refusal) => format!("refused with {}", refusal.code()),
        ErrorKind::TransactionAborted(refusal) => {
            format!("transaction aborted by {}", refusal.code())
        }
        ErrorKind::Handshake(refusal) => format!("handshake refused with {}", refusal.code()),
        ErrorKind::Connect(_) => "not connected".to_owned(),
        ErrorKind::ConnectionLost(_) => "connection lost".to_owned(),
        ErrorKind::Timeout => "timeout".to_owned(),
        ErrorKind::WatchedKeyChanged => "watched key changed".to_owned(),
        ErrorKind::Sentinel(_) => "no usable server by the Sentinels".to_owned(),
        ErrorKind::Cluster(reason) => format!("cluster: {:?}", reason.cause()),
        ErrorKind::Tls(_) => "TLS".to_owned(),
        other => {
            let text = format!("{other:?}");
            let end = text.find(['(', ' ', '{']).unwrap_or(text.len());
            text.get(..end).unwrap_or_default().to_owned()
        }
    };
    let phase = match error.phase() {
        Phase::NotSent => "not sent",
        Phase::MaybeApplied => "maybe applied",
        Phase::Refused => "refused",
        _ => "applied",
    };
    format!("{kind}, {phase}")
}

/// Whether one of the faults of this program can be its cause.
fn has_cause(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Connect(_)
        | ErrorKind::ConnectionLost(_)
        | ErrorKind::Timeout
        | ErrorKind::WatchedKeyChanged
        | ErrorKind::Sentinel(_)
        | ErrorKind::Tls(_) => true,
        ErrorKind::Cluster(reason) => reason.is_transient(),
        ErrorKind::Server(refusal) | ErrorKind::TransactionAborted(refusal) => [
            "LOADING",
            "READONLY",
            "CLUSTERDOWN",
            "MASTERDOWN",
            "TRYAGAIN",
        ]
        .contains(&refusal.code()),
        ErrorKind::Handshake(refusal) => {
            ["WRONGPASS", "LOADING", "NOAUTH"].contains(&refusal.code())
        }
        _ => false,
    }
}
