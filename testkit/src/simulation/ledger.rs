//! What was issued, what the servers did, and what callers were told: [`Ledger`]. It holds the two sides against each
//! other.
//!
//! Each command carries a *token*, a number that no other command of the world has. So a server's record of a command
//! and the record of its caller can be brought together, whichever way the command took.
//!
//! # Layout
//!
//! - `writes`: what changed a key
//! - this file: the commands; `rules`: what must hold for one of them, and for those of one task, pipeline or transaction

use std::collections::{BTreeMap, BTreeSet};

use super::answer::Answer;
use super::violation::Violation;

mod rules;
mod writes;

use writes::Writes;

/// The number of a command.
pub(crate) type Token = u64;

/// All commands of a world.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: Vec<Entry>,
    /// How many calls that pop an element were begun.
    pops: u64,
    /// Those that ended without a reply, and may have lost an element.
    uncertain_pops: BTreeSet<u64>,
    /// The last command that was carried out, by wire and task.
    last: BTreeMap<(u64, usize), Token>,
    /// By channel, how many messages were published.
    published: BTreeMap<Vec<u8>, u64>,
    /// Whether only commands with one key have an order, as on a cluster.
    pub(crate) has_slots: bool,
    /// Whether all that is sent arrives.
    pub(crate) is_calm: bool,
    /// By key, what changed it.
    writes: BTreeMap<Vec<u8>, Writes>,
    /// How much has happened on servers so far.
    clock: u64,
}

/// One command.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) task: usize,
    what: &'static str,
    /// Whether it may be carried out more than once.
    repeatable: bool,
    /// Whether a server sees its token; a GET has no place for it.
    shows_its_token: bool,
    /// Whether it is one of several writes of one command, which have no order.
    unordered: bool,
    /// The commands of one transaction have the same number.
    transaction: Option<Token>,
    /// How often a server read it.
    seen: u32,
    /// How often a server refused it before it did anything.
    refused: u32,
    /// How often that was for another reason than that its key is elsewhere.
    hindered: u32,
    /// How often that was where it was to be carried out: in a transaction, EXEC then carries out the others.
    failed: u32,
    /// The wires on which it was sent elsewhere.
    sent_away_on: Vec<u64>,
    /// The wire on which it was first carried out.
    done_on: Option<u64>,
    /// The key that it changed, if it did.
    key: Option<Vec<u8>>,
    /// The commands of one pipeline with one key have the same number.
    group: Option<(Token, &'static str, usize)>,
    /// When it was first carried out, by the clock of the ledger.
    clock: Option<u64>,
    /// Whether the server that carried it out lost it.
    lost: bool,
    /// The answer of each time that it was carried out.
    done: Vec<Answer>,
    outcome: Outcome,
    /// Where it stands among the messages of its channel, if it was published.
    place: Option<u64>,
    /// Who took the element that it pushed: servers for these calls, and callers.
    popped_by: Vec<u64>,
    received: u32,
    /// How often it came back because a server had lost that it was taken.
    came_back: u32,
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
            shows_its_token: what != "GET",
            unordered: false,
            transaction: None,
            seen: 0,
            refused: 0,
            hindered: 0,
            failed: 0,
            sent_away_on: Vec::new(),
            done_on: None,
            key: None,
            group: None,
            clock: None,
            lost: false,
            done: Vec::new(),
            outcome: Outcome::Open,
            place: None,
            popped_by: Vec::new(),
            received: 0,
            came_back: 0,
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

    /// Notes that these are writes of one command.
    pub(crate) fn join(&mut self, tokens: &[Token]) {
        for token in tokens {
            if let Some(entry) = self.entry(*token) {
                entry.unordered = true;
            }
        }
    }

    /// Notes that commands belong to one pipeline, each with the kind and place of its key.
    pub(crate) fn group(&mut self, commands: &[(Token, &'static str, usize)]) {
        let Some((first, ..)) = commands.first().copied() else {
            return;
        };
        for (token, kind, place) in commands {
            if let Some(entry) = self.entry(*token) {
                entry.group = Some((first, kind, *place));
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
    pub(crate) fn refused(&mut self, token: Token, wire: u64, redirects: bool) {
        if let Some(entry) = self.entry(token) {
            entry.refused += 1;
            entry.hindered += u32::from(!redirects);
            if redirects {
                entry.sent_away_on.push(wire);
            }
        }
    }

    /// A server was about to carry the command out, and answered with an error.
    pub(crate) fn failed(&mut self, token: Token, wire: u64) {
        self.refused(token, wire, false);
        if let Some(entry) = self.entry(token) {
            entry.failed += 1;
        }
    }

    /// A command has changed a key.
    pub(crate) fn wrote(&mut self, key: &[u8], token: Token) {
        self.clock += 1;
        let writes = self.writes.entry(key.to_vec()).or_default();
        writes.add(self.clock, Some(token));
        if let Some(entry) = self.entry(token) {
            entry.key = Some(key.to_vec());
        }
    }

    /// A server has lost what a command did.
    pub(crate) fn lost(&mut self, key: &[u8], token: Token) {
        self.writes.entry(key.to_vec()).or_default().rollbacks += 1;
        if let Some(entry) = self.entry(token) {
            entry.lost = true;
        }
    }

    /// A server has lost all keys.
    pub(crate) fn forgot_all(&mut self) {
        self.clock += 1;
        for writes in self.writes.values_mut() {
            writes.add(self.clock, None);
        }
    }

    /// An element is there again although it was taken.
    pub(crate) fn came_back(&mut self, token: Token) {
        if let Some(entry) = self.entry(token) {
            entry.came_back += 1;
        }
    }

    /// What changed a key.
    pub(crate) fn writes_of(&self, key: &str) -> Option<&Writes> {
        self.writes.get(key.as_bytes())
    }

    /// When a command was first carried out, by the clock.
    pub(crate) fn clock_of(&self, token: Token) -> Option<u64> {
        self.get(token)?.clock
    }

    /// The keys of all commands that were acknowledged, have changed their keys, and were not lost.
    pub(crate) fn acknowledged(&self) -> impl Iterator<Item = (&[u8], Token)> {
        let is_acknowledged = |entry: &Entry| matches!(entry.outcome, Outcome::Answered(_));
        (1..).zip(&self.entries).filter_map(move |(token, entry)| {
            let key = entry.key.as_deref()?;
            (is_acknowledged(entry) && !entry.lost).then_some((key, token))
        })
    }

    /// A server carried the command out.
    pub(crate) fn done(
        &mut self,
        token: Token,
        answer: &Answer,
        wire: u64,
    ) -> Result<(), Violation> {
        self.check_order(token, wire)?;
        self.check_group(token)?;
        self.clock += 1;
        let clock = self.clock;
        let Some(entry) = self.entry(token) else {
            return Ok(());
        };
        entry.clock.get_or_insert(clock);
        entry.done_on.get_or_insert(wire);
        entry.done.push(answer.clone());
        if entry.done.len() > 1 && !entry.repeatable {
            let (what, times) = (entry.what, entry.done.len());
            let text = format!("{what} {token} was carried out {times} times");
            return Err(violation("a command is carried out at most once", text));
        }
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

    /// How many messages of a channel were published.
    pub(crate) fn count_of(&self, channel: &str) -> u64 {
        let count = self.published.get(channel.as_bytes());
        count.copied().unwrap_or(0)
    }

    /// Where a message stands among those of its channel.
    pub(crate) fn place(&self, token: Token) -> Option<u64> {
        self.get(token)?.place
    }

    /// A server took the element with this token off a list, for the call with this number.
    pub(crate) fn popped(&mut self, token: Token, call: u64) {
        if let Some(entry) = self.entry(token) {
            entry.popped_by.push(call);
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
        if entry.received > 1 + entry.came_back || entry.popped_by.is_empty() {
            let text = format!(
                "element {token} was popped {} times and received {} times",
                entry.popped_by.len(),
                entry.received
            );
            return Err(violation("an element is received once", text));
        }
        Ok(())
    }

    /// Gives a number to a call that pops an element.
    pub(crate) fn begin_pop(&mut self) -> u64 {
        self.pops += 1;
        self.pops
    }

    /// A call that pops an element ended without a reply, and may have lost one.
    pub(crate) fn pop_uncertain(&mut self, call: u64) {
        self.uncertain_pops.insert(call);
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
}

/// The token in an element of a list.
pub(crate) fn token_of(element: &[u8]) -> Option<Token> {
    std::str::from_utf8(element)
        .ok()?
        .strip_prefix('#')?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests;
