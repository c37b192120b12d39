//! The rules for commands: what the servers did is held against their order, and against what callers were told.

use super::{Entry, Ledger, Outcome, Token, violation};
use crate::simulation::violation::Violation;

impl Ledger {
    /// The commands of one task on one wire are carried out in the order in which it issued them. One that was refused is
    /// sent again later.
    pub(super) fn check_order(&mut self, token: Token, wire: u64) -> Result<(), Violation> {
        let Some(entry) = self.get(token) else {
            return Ok(());
        };
        if entry.refused > 0 || entry.unordered || self.has_slots {
            return Ok(());
        }
        let task = entry.task;
        let last = self.last.entry((wire, task)).or_default();
        if *last > token {
            let text =
                format!("{token} of task {task} was carried out after {last} on wire {wire}");
            return Err(violation("commands of a task keep their order", text));
        }
        *last = token;
        Ok(())
    }

    /// The commands of a pipeline with one key are carried out in their order, also where nodes send them elsewhere. One that
    /// was refused for another reason, or lost, is sent again later. And a slot may come to a node after the node has sent
    /// one of them away, and before it gets to the next one on the same wire.
    pub(super) fn check_group(&self, token: Token) -> Result<(), Violation> {
        /// No pipeline has more commands.
        const LARGEST: usize = 16;
        let Some(entry) = self.get(token) else {
            return Ok(());
        };
        let is_first =
            entry.done.is_empty() && entry.hindered == 0 && entry.seen == entry.refused + 1;
        let Some(group) = entry.group.filter(|_| is_first) else {
            return Ok(());
        };
        let later = usize::try_from(token).unwrap_or(usize::MAX);
        let mut later = (token + 1..).zip(self.entries.iter().skip(later).take(LARGEST));
        let is_over = |other: &Entry| {
            let came_with_it = other.refused == 0
                && other
                    .done_on
                    .is_some_and(|wire| entry.sent_away_on.contains(&wire));
            other.group == Some(group) && !other.done.is_empty() && !came_with_it
        };
        let overtaken = later.find(|(_, other)| is_over(other));
        match overtaken {
            Some((other, _)) => {
                let text =
                    format!("{token} was carried out after {other} of the same pipeline and key");
                Err(violation("commands of a pipeline keep their order", text))
            }
            None => Ok(()),
        }
    }

    /// Checks everything once more, when nothing is under way any more.
    pub(crate) fn close(&self) -> Result<(), Violation> {
        for (index, entry) in self.entries.iter().enumerate() {
            entry.check(index as Token + 1)?;
            self.check_sent(entry, index as Token + 1)?;
            self.check_transaction(entry, index as Token + 1)?;
        }
        self.check_elements()
    }

    /// Where nothing is lost, what may have been carried out has come to a server.
    fn check_sent(&self, entry: &Entry, token: Token) -> Result<(), Violation> {
        let was_sent = entry.seen > 0 || !entry.shows_its_token;
        if self.is_calm && entry.outcome == Outcome::MaybeApplied && !was_sent {
            let text = format!("{} {token} came to no server", entry.what);
            return Err(violation("MaybeApplied means sent", text));
        }
        Ok(())
    }

    /// EXEC came to all commands of a transaction, or to none. One that then failed does not count less: EXEC carries out the
    /// others.
    fn check_transaction(&self, entry: &Entry, token: Token) -> Result<(), Violation> {
        let first = entry.transaction.and_then(|first| self.get(first));
        match first {
            Some(first) if first.times() != entry.times() => {
                let text = format!(
                    "{} {token} was carried out {} times, and the first command of its transaction {} times",
                    entry.what,
                    entry.times(),
                    first.times()
                );
                Err(violation("a transaction is carried out as a whole", text))
            }
            _ => Ok(()),
        }
    }

    /// Elements that were popped and that nobody received were handed to calls that ended without a reply, one to each.
    fn check_elements(&self) -> Result<(), Violation> {
        let mut uncertain = self.uncertain_pops.clone();
        for (entry, token) in self.entries.iter().zip(1..) {
            let received = usize::try_from(entry.received).unwrap_or(usize::MAX);
            for _ in received..entry.popped_by.len() {
                if !entry.popped_by.iter().any(|call| uncertain.remove(call)) {
                    return Err(lost(entry, token));
                }
            }
        }
        Ok(())
    }
}

fn lost(entry: &Entry, token: Token) -> Violation {
    let list = String::from_utf8_lossy(entry.key.as_deref().unwrap_or_default());
    let text = format!(
        "element {token} of {list} was popped {} times and received {} times, and the calls that it was handed to were answered",
        entry.popped_by.len(),
        entry.received
    );
    violation("no element is lost without an error", text)
}

impl Entry {
    /// How often it was carried out, with or without success.
    fn times(&self) -> usize {
        self.done.len() + self.failed as usize
    }

    /// Whether the server's record allows what the caller was told.
    pub(super) fn check(&self, token: Token) -> Result<(), Violation> {
        let what = self.what;
        match &self.outcome {
            Outcome::Answered(answer) if !self.done.contains(answer) => {
                let text = format!(
                    "{what} {token} of task {} got {answer:?}, the server answered {:?}",
                    self.task, self.done
                );
                Err(violation("replies belong to their callers", text))
            }
            Outcome::NotSent if !self.done.is_empty() || self.seen > self.refused => {
                let text = format!(
                    "{what} {token} of task {}: it was seen {} times and carried out {} times",
                    self.task,
                    self.seen,
                    self.done.len()
                );
                Err(violation("NotSent means not sent", text))
            }
            // One that may be repeated may have been carried out before the time that was refused.
            Outcome::Refused if !self.done.is_empty() && !self.repeatable => {
                let text = format!("{what} {token} of task {}: it was carried out", self.task);
                Err(violation("what was refused was not carried out", text))
            }
            _ => Ok(()),
        }
    }
}
