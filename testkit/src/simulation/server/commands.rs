//! The commands of a session: which it carries out itself, and which the server does for it.

use std::time::Duration;

use super::Answer;
use super::blocked::Waiter;
use super::channels::ChannelKind;
use super::membership::Manner;
use super::request::{Words, token};
use super::session::Session;
use super::words::{is_allowed_while_loading, keys_of, name_of, shards_of, tokens_of, writes};
use crate::simulation::ledger::Token;
use crate::simulation::world::lock;

pub(super) const UNKNOWN: Answer = Answer::refusal("ERR unknown command");
const UNKNOWN_WORD: Answer = Answer::refusal("ERR unknown subcommand");
const LOADING: Answer = Answer::refusal("LOADING Redis is loading the dataset in memory");
const READ_ONLY: Answer = Answer::refusal("READONLY You can't write against a read only replica.");
pub(super) const SYNTAX: Answer = Answer::refusal("ERR syntax error");

impl Session {
    /// Carries out a command, or queues it if there was a MULTI.
    pub(super) fn carry_out(&mut self, words: Words) {
        let name = name_of(&words);
        let tokens = tokens_of(&name, &words);
        self.record_sight(&words, &tokens);
        self.check_primary(&name, &words, &tokens);
        // Whatever command comes next uses these up.
        let asking = std::mem::take(&mut self.asking) || self.transaction.asking;
        let caching = std::mem::take(&mut self.caching);
        let refusal = self
            .refusal(&name)
            .or_else(|| self.redirect(&name, &words, asking));
        if let Some(refusal) = refusal {
            self.refuse(&tokens, &refusal);
            self.transaction.spoiled |= self.transaction.queued.is_some();
            return self.answer(&refusal);
        }
        match name.as_str() {
            "MULTI" => self.begin_transaction(asking),
            "EXEC" => self.execute(),
            "DISCARD" => self.discard(),
            _ if self.transaction.queued.is_some() => self.queue(words),
            "WATCH" => self.watch(&words),
            "UNWATCH" => {
                self.transaction.unwatch();
                self.answer(&Answer::ok());
            }
            "HELLO" => self.greet(&words),
            "ASKING" => {
                self.asking = true;
                self.answer(&Answer::ok());
            }
            "READONLY" => {
                self.reads_copies = true;
                self.answer(&Answer::ok());
            }
            "SUBSCRIBE" | "PSUBSCRIBE" | "SSUBSCRIBE" | "UNSUBSCRIBE" | "PUNSUBSCRIBE"
            | "SUNSUBSCRIBE" => self.subscribe(&name, &words),
            "BLPOP" => self.pop_or_block(&words),
            "CLIENT" => self.client(&words),
            _ => {
                let answer = self
                    .server
                    .clone()
                    .apply(self.number, &name, &words, caching);
                self.answer_with_news(&answer);
            }
        }
    }

    /// Answers, and tells those who track what it changed.
    fn answer_with_news(&mut self, answer: &Answer) {
        let server = self.server.clone();
        if server.kind.pushes_first {
            server.state().tell_news();
        }
        self.answer(answer);
        server.state().tell_news();
    }

    fn record_sight(&self, words: &Words, tokens: &[Token]) {
        let world = &self.server.world;
        let number = tokens.first().copied().unwrap_or(0);
        world.note(2, self.number << 32 | number, || {
            let at = self.server.id;
            let words: Vec<_> = words
                .iter()
                .take(3)
                .map(|word| String::from_utf8_lossy(word.get(..30).unwrap_or(word)))
                .collect();
            format!(
                "server {at} reads {} on wire {}",
                words.join(" "),
                self.number
            )
        });
        for token in tokens {
            let seen = world.ledger().seen(*token);
            world.judge(seen);
        }
    }

    fn refuse(&self, tokens: &[Token], refusal: &Answer) {
        let world = &self.server.world;
        let number = tokens.first().copied().unwrap_or(0);
        world.note(12, number, || {
            format!("server refuses #{number}: {refusal:?}")
        });
        let redirects = refusal.is_redirect();
        for token in tokens {
            world.ledger().refused(*token, self.number, redirects);
        }
    }

    /// Where a command with these words has to go, if this node of a cluster does not carry it out.
    fn redirect(&self, name: &str, words: &Words, asking: bool) -> Option<Answer> {
        let mut state = self.server.state();
        state.catch_up(false);
        let state = &mut *state;
        let membership = state.membership.as_mut()?;
        let shards = shards_of(name, words);
        if !shards.is_empty() {
            return membership.shard_refusal(&shards);
        }
        let keys = keys_of(name, words);
        if self.transaction.queued.is_some() && membership.queues_all() {
            return None;
        }
        let reads_copies = self.reads_copies && !writes(name);
        let manner = Manner {
            asking,
            reads_copies,
        };
        membership.refusal(&state.store, &keys, manner)
    }

    /// Why none of the queued commands is carried out, if the keys have gone meanwhile.
    fn late_redirect(&self, queued: &[Words]) -> Option<Answer> {
        let mut state = self.server.state();
        let state = &mut *state;
        let membership = state.membership.as_mut()?;
        let keys: Vec<&[u8]> = queued
            .iter()
            .flat_map(|words| keys_of(&name_of(words), words))
            .collect();
        let reads_copies = self.reads_copies && !queued.iter().any(|words| writes(&name_of(words)));
        let manner = Manner {
            asking: self.transaction.asking,
            reads_copies,
        };
        membership.refusal(&state.store, &keys, manner)
    }

    /// Why the server does not carry out or queue a command now.
    fn refusal(&self, name: &str) -> Option<Answer> {
        let state = self.server.state();
        if writes(name) && state.is_replica() {
            return Some(READ_ONLY);
        }
        (state.is_loading() && !is_allowed_while_loading(name)).then_some(LOADING)
    }

    fn begin_transaction(&mut self, asking: bool) {
        self.transaction.asking = asking;
        self.transaction.queued = Some(Vec::new());
        self.transaction.spoiled = false;
        self.answer(&Answer::ok());
    }

    fn queue(&mut self, words: Words) {
        if let Some(queued) = &mut self.transaction.queued {
            queued.push(words);
        }
        self.answer(&Answer::Status("QUEUED"));
    }

    fn discard(&mut self) {
        self.transaction.queued = None;
        self.transaction.asking = false;
        self.transaction.unwatch();
        self.answer(&Answer::ok());
    }

    fn execute(&mut self) {
        let Some(queued) = self.transaction.queued.take() else {
            return self.answer(&Answer::refusal("ERR EXEC without MULTI"));
        };
        let server = self.server.clone();
        let redirect = self.late_redirect(&queued);
        self.transaction.asking = false;
        let is_stale = self.transaction.is_stale(&server.state().store);
        self.transaction.unwatch();
        let skipped = if self.transaction.spoiled {
            Some(Answer::refusal(
                "EXECABORT Transaction discarded because of previous errors.",
            ))
        } else if is_stale {
            Some(Answer::NoList)
        } else {
            redirect
        };
        if let Some(answer) = skipped {
            for words in &queued {
                self.refuse(&tokens_of(&name_of(words), words), &answer);
            }
            return self.answer(&answer);
        }
        let answers = queued
            .iter()
            .map(|words| server.apply(self.number, &name_of(words), words, false))
            .collect();
        self.answer_with_news(&Answer::List(answers));
    }

    fn watch(&mut self, words: &Words) {
        let server = self.server.clone();
        let state = server.state();
        for key in words.iter().skip(1) {
            self.transaction.watch(&state.store, key);
        }
        drop(state);
        self.answer(&Answer::ok());
    }

    fn greet(&mut self, words: &Words) {
        if !self.server.state().resp3 {
            return self.answer(&UNKNOWN);
        }
        if words.get(1).is_some_and(|version| version == b"3") {
            lock(&self.outbox).resp3 = true;
        }
        let id = i64::try_from(self.number).unwrap_or(i64::MAX);
        let text = Answer::text;
        self.answer(&Answer::Map(vec![
            (text("server"), text("redis")),
            (text("version"), text("7.4.0")),
            (text("proto"), Answer::Integer(3)),
            (text("id"), Answer::Integer(id)),
            (text("mode"), text("standalone")),
            (text("role"), text("master")),
            (text("modules"), Answer::List(Vec::new())),
        ]));
    }

    fn subscribe(&mut self, name: &str, words: &Words) {
        let verb = name.to_ascii_lowercase();
        let leaves = verb.contains("unsub");
        let kind = match verb.as_bytes() {
            [b'p', ..] => ChannelKind::Pattern,
            [b's', b's', ..] | [b's', b'u', b'n', ..] => ChannelKind::Shard,
            _ => ChannelKind::Channel,
        };
        for source in words.iter().skip(1) {
            let mut state = self.server.state();
            if leaves {
                state.channels.leave(self.number, kind, source);
            } else {
                state.channels.join(self.number, kind, source);
                lock(&self.outbox).subscribed = true;
            }
            let count = i64::try_from(state.channels.of(self.number, kind)).unwrap_or(i64::MAX);
            drop(state);
            self.answer(&Answer::Push(vec![
                Answer::text(&verb),
                Answer::text(source),
                Answer::Integer(count),
            ]));
        }
    }

    fn pop_or_block(&mut self, words: &Words) {
        // The second key is the number of the call.
        let (Some(list), Some(call), Some(limit)) = (words.get(1), words.get(2), words.get(3))
        else {
            return self.answer(&SYNTAX);
        };
        let waiter = Waiter {
            session: self.number,
            call: token(call).unwrap_or(0),
        };
        let server = self.server.clone();
        let mut state = server.state();
        if let Some(element) = state.store.pop(list) {
            let answer = server.hand_out(&mut state, list, element, waiter);
            drop(state);
            return self.answer_with_news(&answer);
        }
        state.blocked.wait(list, waiter);
        drop(state);
        let seconds: f64 = std::str::from_utf8(limit)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0.0);
        // Redis looks ten times a second.
        let late = server.state().random.millis(0..=100);
        self.block((seconds > 0.0).then(|| Duration::from_secs_f64(seconds) + late));
    }

    fn client(&mut self, words: &Words) {
        let what = words.get(1).map(|word| word.to_ascii_uppercase());
        let answer = match what.as_deref() {
            Some(b"ID") => Answer::Integer(i64::try_from(self.number).unwrap_or(i64::MAX)),
            Some(b"TRACKING") => self.track(words),
            Some(b"CACHING") => {
                self.caching = true;
                Answer::ok()
            }
            Some(b"UNBLOCK") => {
                let id = words.get(2).and_then(|word| token(word)).unwrap_or(0);
                let mut state = self.server.state();
                let waited = state.blocked.give_up(id);
                if waited {
                    state.unblock(id, &Answer::NoList);
                }
                Answer::Integer(i64::from(waited))
            }
            Some(_) => Answer::ok(),
            None => SYNTAX,
        };
        self.answer(&answer);
    }

    fn track(&mut self, words: &Words) -> Answer {
        let mut state = self.server.state();
        if state.resp3 {
            state.tracking.set(self.number, words)
        } else {
            UNKNOWN_WORD
        }
    }
}
