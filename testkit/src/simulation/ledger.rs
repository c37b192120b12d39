//! What was issued, what the servers did, and what callers were told: [`Ledger`]. It holds the two sides against each
//! other.
//!
//! Each command carries a *token*, a number that no other command of the world has. So a server's record of a command
//! and the record of its caller can be brought together, whichever way the command took.

use std::collections::BTreeMap;

use super::answer::Answer;
use super::violation::Violation;

/// The number of a command.
pub(crate) type Token = u64;

/// All commands of a world.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: Vec<Entry>,
    /// How many calls that pop from a list ended without a reply.
    uncertain_pops: usize,
    /// The last command that was carried out, by wire and task.
    last: BTreeMap<(u64, usize), Token>,
    /// By channel, how many messages were published.
    published: BTreeMap<Vec<u8>, u64>,
}

/// One command.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) task: usize,
    what: &'static str,
    /// Whether it may be carried out more than once.
    repeatable: bool,
    /// The commands of one transaction have the same number.
    transaction: Option<Token>,
    /// How often a server read it.
    seen: u32,
    /// How often a server refused it before it did anything.
    refused: u32,
    /// The answer of each time that it was carried out.
    done: Vec<Answer>,
    outcome: Outcome,
    /// Where it stands among the messages of its channel, if it was published.
    place: Option<u64>,
    /// Who took the element that it pushed: a server for a caller, and the caller.
    popped: u32,
    received: u32,
}

/// What the caller of a command was told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Outcome {
    /// It has not ended yet.
    #[default]
    Open,
    Answered(Answer),
    NotSent,
    MaybeApplied,
    /// The server refused it.
    Refused,
    /// The caller went away.
    Gone,
    /// It belongs to a pipeline or transaction of which another command failed, or whose caller went away.
    Unknown,
}

fn violation(rule: &'static str, text: String) -> Violation {
    Violation { rule, text }
}

impl Ledger {
    /// Enters a command that a task is about to issue.
    pub(crate) fn issue(&mut self, task: usize, what: &'static str, repeatable: bool) -> Token {
        self.entries.push(Entry {
            task,
            what,
            repeatable,
            transaction: None,
            seen: 0,
            refused: 0,
            done: Vec::new(),
            outcome: Outcome::Open,
            place: None,
            popped: 0,
            received: 0,
        });
        // Tokens begin with 1.
        self.entries.len() as Token
    }

    /// Notes that these commands are one transaction.
    pub(crate) fn bind(&mut self, tokens: &[Token]) {
        let first = tokens.first().copied();
        for token in tokens {
            if let Some(entry) = self.entry(*token) {
                entry.transaction = first;
            }
        }
    }

    fn entry(&mut self, token: Token) -> Option<&mut Entry> {
        let index = usize::try_from(token).ok()?.checked_sub(1)?;
        self.entries.get_mut(index)
    }

    pub(crate) fn get(&self, token: Token) -> Option<&Entry> {
        let index = usize::try_from(token).ok()?.checked_sub(1)?;
        self.entries.get(index)
    }

    // ---- the servers' side ----

    /// A server read the whole command.
    pub(crate) fn seen(&mut self, token: Token) -> Result<(), Violation> {
        let Some(entry) = self.entry(token) else {
            let text = format!("a server read token {token}, which nobody issued");
            return Err(violation("nothing is sent that nobody asked for", text));
        };
        entry.seen += 1;
        let text = format!("{} {token} reached a server", entry.what);
        match entry.outcome {
            Outcome::NotSent => Err(violation("NotSent means not sent", text)),
            _ => Ok(()),
        }
    }

    /// A server refused the command before it did anything.
    pub(crate) fn refused(&mut self, token: Token) {
        if let Some(entry) = self.entry(token) {
            entry.refused += 1;
        }
    }

    /// A server carried the command out.
    pub(crate) fn done(
        &mut self,
        token: Token,
        answer: &Answer,
        wire: u64,
    ) -> Result<(), Violation> {
        self.check_order(token, wire)?;
        let Some(entry) = self.entry(token) else {
            return Ok(());
        };
        entry.done.push(answer.clone());
        if entry.done.len() > 1 && !entry.repeatable {
            let (what, times) = (entry.what, entry.done.len());
            let text = format!("{what} {token} was carried out {times} times");
            return Err(violation("a command is carried out at most once", text));
        }
        Ok(())
    }

    /// The commands of one task on one wire are carried out in the order in which it issued them. One that was refused is
    /// sent again later.
    fn check_order(&mut self, token: Token, wire: u64) -> Result<(), Violation> {
        let Some((task, 0)) = self.get(token).map(|entry| (entry.task, entry.refused)) else {
            return Ok(());
        };
        let last = self.last.entry((wire, task)).or_default();
        if *last > token {
            let text =
                format!("{token} of task {task} was carried out after {last} on wire {wire}");
            return Err(violation("commands of a task keep their order", text));
        }
        *last = token;
        Ok(())
    }

    /// A message was published. Gives its place among those of its channel.
    pub(crate) fn published(&mut self, channel: &[u8], token: Token) {
        let place = self.published.entry(channel.to_vec()).or_default();
        *place += 1;
        let place = *place;
        if let Some(entry) = self.entry(token) {
            entry.place = Some(place);
        }
    }

    /// Where a message stands among those of its channel.
    pub(crate) fn place(&self, token: Token) -> Option<u64> {
        self.get(token)?.place
    }

    /// A server took the element with this token off a list.
    pub(crate) fn popped(&mut self, token: Token) {
        if let Some(entry) = self.entry(token) {
            entry.popped += 1;
        }
    }

    // ---- the callers' side ----

    /// A caller got the element with this token.
    pub(crate) fn received(&mut self, token: Token) -> Result<(), Violation> {
        let Some(entry) = self.entry(token) else {
            let text = format!("an element {token} came that nobody pushed");
            return Err(violation("replies belong to their callers", text));
        };
        entry.received += 1;
        if entry.received > 1 || entry.popped == 0 {
            let text = format!(
                "element {token} was popped {} times and received {} times",
                entry.popped, entry.received
            );
            return Err(violation("an element is received once", text));
        }
        Ok(())
    }

    /// A call that pops from a list ended without a reply.
    pub(crate) fn pop_uncertain(&mut self) {
        self.uncertain_pops += 1;
    }

    /// The caller went away. What it was told before counts.
    pub(crate) fn abandon(&mut self, token: Token) {
        if let Some(entry) = self.entry(token)
            && entry.outcome == Outcome::Open
        {
            entry.outcome = Outcome::Gone;
        }
    }

    /// A command has ended.
    pub(crate) fn ended(&mut self, token: Token, outcome: Outcome) -> Result<(), Violation> {
        let Some(entry) = self.entry(token) else {
            return Ok(());
        };
        entry.outcome = outcome;
        entry.check(token)
    }

    /// Checks everything once more, when nothing is under way any more.
    pub(crate) fn close(&self) -> Result<(), Violation> {
        for (index, entry) in self.entries.iter().enumerate() {
            entry.check(index as Token + 1)?;
            self.check_transaction(entry, index as Token + 1)?;
        }
        self.check_elements()
    }

    /// All commands of a transaction were carried out, or none. One that the server refused does not count: EXEC carries out
    /// the others.
    fn check_transaction(&self, entry: &Entry, token: Token) -> Result<(), Violation> {
        let first = entry.transaction.and_then(|first| self.get(first));
        match first {
            Some(first)
                if first.done.len() != entry.done.len() && first.refused + entry.refused == 0 =>
            {
                let text = format!(
                    "{} {token} was carried out {} times, and the first command of its transaction {} times",
                    entry.what,
                    entry.done.len(),
                    first.done.len()
                );
                Err(violation("a transaction is carried out as a whole", text))
            }
            _ => Ok(()),
        }
    }

    /// Elements that were popped and that nobody received belong to calls that ended without a reply.
    fn check_elements(&self) -> Result<(), Violation> {
        let lost: usize = self
            .entries
            .iter()
            .filter(|entry| entry.popped > entry.received)
            .count();
        let uncertain = self.uncertain_pops;
        if lost > uncertain {
            let text = format!(
                "{lost} elements were popped and not received, but only {uncertain} calls ended without a reply"
            );
            return Err(violation("no element is lost without an error", text));
        }
        Ok(())
    }
}

impl Entry {
    /// Whether the server's record allows what the caller was told.
    fn check(&self, token: Token) -> Result<(), Violation> {
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
