//! Commands of a [`Scatter`] that have no reply: each is sent again, or fails.

use std::collections::BTreeSet;

use super::Scatter;
use crate::chain::routing::Singles;
use crate::cluster::bundle::{Bundle, Member};
use crate::cluster::detour::{after_loss, is_loss, is_unsent};
use crate::cluster::gather::Outcome;
use crate::engine::inflight::Failure;
use crate::error::{Error, Phase};
use crate::runtime::planted::Planted;

impl Scatter<'_> {
    /// There are no replies to the commands from the one at place `first` on. The first `whole` of the bundle were written.
    pub(super) fn judge_losses(
        &mut self,
        bundle: &Bundle,
        first: usize,
        whole: Option<usize>,
        failure: Option<&Failure>,
    ) {
        let end = whole.unwrap_or(bundle.members.len());
        let written = bundle.members.get(first..end).unwrap_or_default();
        let overtaken = overtaken(&self.singles, written);
        for (place, member) in bundle.members.iter().enumerate().skip(first) {
            let unsent = |failure: &Failure| failure.in_phase(Phase::NotSent);
            let unsent = failure.filter(|_| place >= end).map(unsent);
            let may_go_again = !overtaken.contains(&member.single);
            self.judge_loss(member.single, unsent.as_ref().or(failure), may_go_again);
        }
    }

    /// There is no reply. A command that was not sent, or may be repeated, is sent to the owner that is known after
    /// a pause. Nothing that was sent is repeated unless it `may_go_again`.
    fn judge_loss(&mut self, single: usize, failure: Option<&Failure>, may_go_again: bool) {
        let Some(failure) = failure else {
            let error = Error::protocol("there are fewer replies than commands");
            return self.gather.settle(single, Outcome::Failed(error));
        };
        if failure.was_sent() {
            self.lost.insert(single);
        }
        let mut known = after_loss(failure, self.lost.contains(&single));
        if let Some(refused) = self.refused.get(&single) {
            refused.explain(&mut known);
        }
        let outcome = Outcome::Failed(known.into());
        let is_idempotent = || {
            self.singles
                .get(single)
                .is_some_and(|single| single.idempotent)
        };
        let may_go_again =
            || (may_go_again && is_idempotent()) || Planted::RepeatedElsewhere.is_here();
        if !self.is_over && is_loss(failure) && (is_unsent(failure) || may_go_again()) {
            self.shared.want_refresh();
            self.pause(single, outcome);
        } else {
            self.gather.settle(single, outcome);
        }
    }
}

/// Which of the commands, which were written to one node and have no replies, must not be repeated: a later one of them may have changed
/// what they see. Keys of different slots are different keys.
fn overtaken(singles: &Singles, written: &[Member]) -> BTreeSet<usize> {
    let (mut overtaken, mut slots) = (BTreeSet::new(), BTreeSet::new());
    let (mut any, mut all) = (false, false);
    for Member { single: number, .. } in written.iter().rev() {
        let Some(single) = singles.get(*number) else {
            continue;
        };
        let slot = single.only_slot();
        if all || slot.map_or(any, |slot| slots.contains(&slot)) {
            overtaken.insert(*number);
        }
        if !single.info.readonly {
            any = true;
            all |= slot.is_none();
            slots.extend(slot);
        }
    }
    overtaken
}
