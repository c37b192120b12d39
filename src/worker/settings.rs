//! The settings of a worker.

use std::fmt;
use std::time::Duration;

use typedis_core::Error;

use super::Worker;
use crate::args::StreamId;
use crate::replies::EntryId;

/// When an entry counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Acknowledge {
    /// When its function has succeeded; an entry that fails is delivered again.
    #[default]
    OnSuccess,
    /// When its function has ended, also with a failure; entries of a worker that died are delivered again.
    Always,
    /// When it is delivered; nothing is ever delivered again. Entries that were read when the worker is told to stop are finished
    /// first. Some are lost: those of a worker that dies, those of a read whose reply is lost with its connection, and
    /// one that fails, unless [`dead_letter(.., 1)`](Worker::dead_letter) moves it. With a higher number than 1,
    /// an entry that fails is not moved, because it does not come again.
    ///
    /// Entries that are pending already, as those of a worker with another setting, are taken over and acknowledged before they
    /// are worked on. If the reply to that is lost, they are worked on as well, and may come once more.
    OnDelivery,
}

/// What a worker reports to its listener.
#[derive(Debug)]
#[non_exhaustive]
pub enum WorkerEvent<'a> {
    /// The function failed on an entry, or the entry's fields do not fit.
    Failed {
        /// The id of the entry.
        id: EntryId,
        /// How often it was delivered.
        deliveries: u64,
        /// What went wrong.
        reason: &'a str,
    },
    /// An entry was moved to the dead-letter stream.
    Buried {
        /// Its id in the stream that it was moved from.
        id: EntryId,
        /// How often it was delivered.
        deliveries: u64,
    },
    /// The server could not be asked, or its reply was lost. The worker goes on, after a pause if it has to ask again.
    Interrupted(&'a Error),
}

type Listener = Box<dyn Fn(&WorkerEvent<'_>) + Send + Sync>;

pub(super) struct Settings {
    pub(super) start: StreamId,
    pub(super) batch: u64,
    pub(super) claim_after: Duration,
    pub(super) acknowledge: Acknowledge,
    /// The stream, and the number of deliveries after which entries are moved to it.
    pub(super) dead_letter: Option<(String, u64)>,
    listener: Option<Listener>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            start: StreamId::from("0"),
            batch: 10,
            claim_after: Duration::from_secs(60),
            acknowledge: Acknowledge::default(),
            dead_letter: None,
            listener: None,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("start", &self.start)
            .field("batch", &self.batch)
            .field("claim_after", &self.claim_after)
            .field("acknowledge", &self.acknowledge)
            .field("dead_letter", &self.dead_letter)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// How often to look for stale entries.
    pub(super) fn sweep_interval(&self) -> Duration {
        (self.claim_after / 2).clamp(Duration::from_millis(10), Duration::from_secs(30))
    }

    /// Whether an entry is not pending once it is delivered, so that nobody gets it a second time.
    pub(super) fn is_final(&self) -> bool {
        self.acknowledge == Acknowledge::OnDelivery
    }

    /// Whether an entry must not be delivered again.
    pub(super) fn is_worn_out(&self, deliveries: u64) -> bool {
        let limit = self.dead_letter.as_ref();
        limit.is_some_and(|(_, limit)| deliveries >= *limit)
    }

    pub(super) fn tell(&self, event: &WorkerEvent<'_>) {
        if let Some(listener) = &self.listener {
            listener(event);
        }
    }
}

impl Worker {
    /// Where a new group begins: at the stream's beginning by default. A group that exists already goes on from its
    /// place.
    pub fn start(mut self, id: impl Into<StreamId>) -> Self {
        self.settings.start = id.into();
        self
    }

    /// How many entries are read at once, at least 1; 10 by default.
    pub fn batch(mut self, entries: u64) -> Self {
        self.settings.batch = entries.max(1);
        self
    }

    /// After how long a pending entry is taken over from any consumer; a minute by default. It should be longer than
    /// the work on a batch takes, because an entry that takes longer is worked on twice.
    pub fn claim_after(mut self, idle: Duration) -> Self {
        self.settings.claim_after = idle;
        self
    }

    /// When an entry counts as done: by default when its function has succeeded.
    pub fn acknowledge(mut self, when: Acknowledge) -> Self {
        self.settings.acknowledge = when;
        self
    }

    /// Moves an entry to another stream when it has failed after this many deliveries, at least 1, with fields that say why.
    /// Without this setting an entry is delivered until it succeeds.
    ///
    /// The server counts deliveries, also of entries that no function got to see: because the connection was lost, or the
    /// worker died with a batch. After 1 delivery such an entry is moved without having been worked on; take 2 or more if
    /// that matters.
    ///
    /// On a cluster, both streams must be in one slot (`{mails}` and `{mails}:dead`).
    pub fn dead_letter(mut self, stream: impl Into<String>, after_deliveries: u64) -> Self {
        self.settings.dead_letter = Some((stream.into(), after_deliveries.max(1)));
        self
    }

    /// Calls a function for each failure, for logs.
    pub fn on_event(mut self, listener: impl Fn(&WorkerEvent<'_>) + Send + Sync + 'static) -> Self {
        self.settings.listener = Some(Box::new(listener));
        self
    }
}
