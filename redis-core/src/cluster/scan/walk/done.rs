//! Which slots are done at the end of a stretch.

use super::super::position::Stretch;
use super::super::slot_set::SlotSet;
use super::super::snapshot::Snapshot;
use super::Walker;
use crate::command::SLOTS;
use crate::error::Result;

use tokio::time::Instant;

/// Without any progress, slots that came to a node during its stretch are not doubted any more.
const DOUBTS: u32 = 3;

impl Walker {
    /// Asks the node again, and counts the slots before `upto` as done that were there the whole time. Where slots do not come
    /// in order, `upto` is 0 before the end.
    pub(super) async fn close(&mut self, upto: u16) -> Result<()> {
        let (Some(visit), Some(stretch)) = (&mut self.visit, &mut self.position.stretch) else {
            return Ok(());
        };
        let end = Snapshot::of(&visit.node).await?;
        let begin = std::mem::replace(&mut visit.begin, end.clone());
        (visit.since, visit.pages) = (Instant::now(), 0);
        if end.run != stretch.run || end.id != stretch.node {
            // Another process: its cursors and its slots have nothing to do with what was seen before.
            self.leave();
            return Ok(());
        }
        let passed = match (end.ordered, upto) {
            (true, upto) => stretch.base..upto,
            (false, SLOTS) => 0..SLOTS,
            (false, _) => 0..0,
        };
        let got_slots = end.epoch != stretch.epoch;
        let stable = stretch.stable.clone();
        let in_doubt = (got_slots || stretch.is_doubtful) && (end.ordered || self.rounds < DOUBTS);
        renew(stretch, &end, upto, got_slots);
        let is_doubtful = stretch.is_doubtful;
        let before = self.progress();
        let stayed = |slot: &u16| !in_doubt && stable.has(*slot) && end.owns(*slot);
        let done = passed.clone().filter(stayed);
        done.for_each(|slot| self.position.done.insert(slot));
        if !got_slots {
            self.note_halves(&begin, &passed, is_doubtful);
        }
        self.finish_halves(&begin, &end, &passed).await?;
        if self.progress() > before {
            (self.stuck, self.rounds, self.trouble) = (None, 0, None);
        } else if upto == SLOTS {
            self.pause().await?;
        }
        Ok(())
    }
}

/// What is known of a stretch after its node was asked again.
fn renew(stretch: &mut Stretch, end: &Snapshot, upto: u16, got_slots: bool) {
    stretch.epoch = end.epoch;
    let own = end.own.clone().unwrap_or_else(SlotSet::new);
    if end.ordered {
        // A part of this slot was gone through already.
        let stayed = !got_slots && stretch.stable.has(upto);
        (stretch.base, stretch.stable) = (upto, own);
        if !stayed {
            stretch.stable.remove(upto);
        }
    } else {
        stretch.stable.retain(|slot| own.has(slot));
        stretch.is_doubtful |= got_slots;
    }
}
