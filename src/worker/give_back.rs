//! Entries that were read and not begun: others get them at once, as if they were pending for long enough.

use std::collections::BTreeMap;
use std::time::Duration;

use typedis_core::{Client, Result};

use super::Shift;
use crate::args::StreamId;
use crate::commands::traits::StreamCommands;
use crate::replies::{EntryId, PendingEntry};

/// Entries that were delivered equally often.
struct Group {
    ids: Vec<StreamId>,
    /// The least time for which one of them has been pending.
    idle: Duration,
}

impl Shift<'_> {
    /// Gives back entries that were not begun. What others have taken over meanwhile is left to them.
    pub(super) async fn give_back(&self, ids: Vec<EntryId>) -> Result<()> {
        let worker = self.worker;
        let (stream, group, consumer) = (&worker.stream, &worker.group, &worker.consumer);
        let pending = worker
            .client
            .pipeline_each(ids, |cmd, id| cmd.xpending_range(stream, group, id, id, 1))
            .await?;
        let own = pending.into_iter().flatten();
        let own = own.filter(|entry| entry.consumer.as_bytes() == consumer.as_bytes());
        for (deliveries, Group { ids, idle }) in by_deliveries(own) {
            // Whoever has taken one over since has had it for a shorter time.
            let claim = worker
                .client
                .xclaim_justid(stream, group, consumer, idle, &ids)
                .idle(worker.settings.claim_after);
            // That it was read does not count as a delivery.
            claim.retry_count(deliveries.saturating_sub(1)).await?;
        }
        Ok(())
    }
}

fn by_deliveries(entries: impl Iterator<Item = PendingEntry>) -> BTreeMap<u64, Group> {
    let mut groups = BTreeMap::<u64, Group>::new();
    for entry in entries {
        let idle = Duration::from_millis(u64::try_from(entry.idle).unwrap_or_default());
        let group = groups.entry(entry.deliveries).or_insert_with(|| Group {
            ids: Vec::new(),
            idle,
        });
        group.idle = group.idle.min(idle);
        group.ids.push(entry.id.into());
    }
    groups
}
