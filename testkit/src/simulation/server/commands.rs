//! Which command does what.

use std::time::Duration;

use super::request::{Words, token};
use super::session::Session;
use super::state::State;
use super::{Answer, Server};
use crate::simulation::scripts;
use crate::simulation::world::lock;

const UNKNOWN: Answer = Answer::Error("ERR unknown command");
const LOADING: Answer = Answer::Error("LOADING Redis is loading the dataset in memory");
const READ_ONLY: Answer = Answer::Error("READONLY You can't write against a read only replica.");
const SYNTAX: Answer = Answer::Error("ERR syntax error");
const NO_SCRIPT: Answer = Answer::Error("NOSCRIPT No matching script. Please use EVAL.");

impl Session {
    /// Carries out a command, or queues it if there was a MULTI.
    pub(super) fn carry_out(&mut self, words: Words) {
        let name = name_of(&words);
        let tokens = token_of(&name, &words);
        self.record_sight(&name, tokens);
        if let Some(refusal) = self.refusal(&name) {
            if let Some(token) = tokens {
                self.server.world.ledger().refused(token);
            }
            self.transaction.spoiled |= self.transaction.queued.is_some();
            return self.answer(&refusal);
        }
        match name.as_str() {
            "MULTI" => self.begin_transaction(),
            "EXEC" => self.execute(),
            "DISCARD" => self.discard(),
            _ if self.transaction.queued.is_some() => self.queue(words),
            "WATCH" => self.watch(&words),
            "UNWATCH" => {
                self.transaction.unwatch();
                self.answer(&Answer::ok());
            }
            "HELLO" => self.greet(&words),
            "SUBSCRIBE" | "PSUBSCRIBE" | "UNSUBSCRIBE" | "PUNSUBSCRIBE" => {
                self.subscribe(&name, &words);
            }
            "BLPOP" => self.pop_or_block(&words),
            "CLIENT" => self.client(&words),
            _ => {
                let answer = self.server.clone().apply(self.number, &name, &words);
                self.answer(&answer);
            }
        }
    }

    fn record_sight(&self, name: &str, token: Option<u64>) {
        let world = &self.server.world;
        let number = token.unwrap_or(0);
        world.note(2, self.number << 32 | number, || {
            format!("server reads {name} #{number} on wire {}", self.number)
        });
        if let Some(token) = token {
            let seen = world.ledger().seen(token);
            world.judge(seen);
        }
    }

    /// Why the server does not carry out or queue a command now.
    fn refusal(&self, name: &str) -> Option<Answer> {
        let writes = matches!(
            name,
            "SET" | "INCRBY" | "RPUSH" | "BLPOP" | "EVAL" | "EVALSHA"
        );
        let state = self.server.state();
        if writes && state.is_replica() {
            return Some(READ_ONLY);
        }
        (state.is_loading() && !is_allowed_while_loading(name)).then_some(LOADING)
    }

    fn begin_transaction(&mut self) {
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
        self.transaction.unwatch();
        self.answer(&Answer::ok());
    }

    fn execute(&mut self) {
        let Some(queued) = self.transaction.queued.take() else {
            return self.answer(&Answer::Error("ERR EXEC without MULTI"));
        };
        let server = self.server.clone();
        let is_stale = self.transaction.is_stale(&server.state().store);
        self.transaction.unwatch();
        let skipped = if self.transaction.spoiled {
            Some(Answer::Error(
                "EXECABORT Transaction discarded because of previous errors.",
            ))
        } else if is_stale {
            Some(Answer::NoList)
        } else {
            None
        };
        if let Some(answer) = skipped {
            for words in &queued {
                if let Some(token) = token_of(&name_of(words), words) {
                    server.world.ledger().refused(token);
                }
            }
            return self.answer(&answer);
        }
        let answers = queued
            .iter()
            .map(|words| server.apply(self.number, &name_of(words), words))
            .collect();
        self.answer(&Answer::List(answers));
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
        let is_pattern = verb.starts_with('p');
        let leaves = verb.contains("unsub");
        for source in words.iter().skip(1) {
            let mut state = self.server.state();
            if leaves {
                state.channels.leave(self.number, is_pattern, source);
            } else {
                state.channels.join(self.number, is_pattern, source);
                lock(&self.outbox).subscribed = true;
            }
            let count = i64::try_from(state.channels.of(self.number)).unwrap_or(i64::MAX);
            drop(state);
            self.answer(&Answer::Push(vec![
                Answer::text(&verb),
                Answer::text(source),
                Answer::Integer(count),
            ]));
        }
    }

    fn pop_or_block(&mut self, words: &Words) {
        let (Some(list), Some(limit)) = (words.get(1), words.get(2)) else {
            return self.answer(&SYNTAX);
        };
        let server = self.server.clone();
        let mut state = server.state();
        if let Some(element) = state.store.pop(list) {
            drop(state);
            let answer = server.hand_out(list, element, self.number);
            return self.answer(&answer);
        }
        state.blocked.wait(list, self.number);
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
}

impl Server {
    /// Carries out a command that came on this wire, and needs nothing else of its session.
    fn apply(&self, wire: u64, name: &str, words: &Words) -> Answer {
        let word = |index: usize| words.get(index).map(Vec::as_slice).unwrap_or_default();
        let mut state = self.state();
        let answer = match name {
            "PING" => Answer::Status("PONG"),
            "ECHO" => Answer::text(word(1)),
            "GET" => state.store.get(word(1)),
            "SET" => state.store.set(word(1), word(2)),
            "INCRBY" => match number(word(2)) {
                Some(number) => state.store.add(word(1), number),
                None => SYNTAX,
            },
            "RPUSH" => self.push(&mut state, word(1), word(2)),
            "PUBLISH" => self.publish(&state, word(1), word(2)),
            "SCAN" => state.store.scan(index(word(1)), index(word(3)).max(1)),
            "EVAL" | "EVALSHA" => evaluate(&mut state, name, words),
            "SCRIPT" => {
                let sha = scripts::name_of(word(2));
                state.scripts.insert(sha.clone());
                Answer::Text(sha)
            }
            "SELECT" | "AUTH" => Answer::ok(),
            _ => UNKNOWN,
        };
        drop(state);
        self.record(wire, name, words, &answer);
        answer
    }

    fn record(&self, wire: u64, name: &str, words: &Words, answer: &Answer) {
        let Some(token) = token_of(name, words) else {
            return;
        };
        let mut ledger = self.world.ledger();
        let outcome = match answer {
            Answer::Error(_) => {
                ledger.refused(token);
                Ok(())
            }
            answer => ledger.done(token, answer, wire),
        };
        drop(ledger);
        self.world.judge(outcome);
    }

    /// Appends to a list, and serves the first who waits for it.
    fn push(&self, state: &mut State, list: &[u8], element: &[u8]) -> Answer {
        let answer = state.store.push(list, element);
        if let Some(id) = state.blocked.first(list)
            && let Some(element) = state.store.pop(list)
        {
            let handed = self.hand_out(list, element, id);
            state.unblock(id, &handed);
        }
        answer
    }

    /// The answer to a client that gets an element.
    fn hand_out(&self, list: &[u8], element: Vec<u8>, id: u64) -> Answer {
        let token = token(&element).unwrap_or(0);
        self.world.ledger().popped(token);
        self.world
            .note(3, token, || format!("server hands #{token} to wire {id}"));
        Answer::List(vec![Answer::text(list), Answer::Text(element)])
    }

    fn publish(&self, state: &State, channel: &[u8], payload: &[u8]) -> Answer {
        if let Some(token) = token(payload) {
            self.world.ledger().published(channel, token);
        }
        let receivers = state.channels.receivers(channel);
        for (id, pattern) in &receivers {
            let mut push = match pattern {
                None => vec![Answer::text("message")],
                Some(pattern) => vec![Answer::text("pmessage"), Answer::text(pattern)],
            };
            push.extend([Answer::text(channel), Answer::text(payload)]);
            state.send(*id, &Answer::Push(push));
        }
        Answer::Integer(i64::try_from(receivers.len()).unwrap_or(i64::MAX))
    }
}

/// Runs the script that adds a number to a key.
fn evaluate(state: &mut State, name: &str, words: &Words) -> Answer {
    let word = |index: usize| words.get(index).map(Vec::as_slice).unwrap_or_default();
    if name == "EVAL" {
        let sha = scripts::name_of(word(1));
        state.scripts.insert(sha);
    } else if !state.scripts.contains(word(1)) {
        return NO_SCRIPT;
    }
    match number(word(4)) {
        Some(number) => state.store.add(word(3), number),
        None => SYNTAX,
    }
}

fn is_allowed_while_loading(name: &str) -> bool {
    matches!(
        name,
        "HELLO"
            | "AUTH"
            | "CLIENT"
            | "SUBSCRIBE"
            | "PSUBSCRIBE"
            | "UNSUBSCRIBE"
            | "PUNSUBSCRIBE"
            | "MULTI"
            | "EXEC"
            | "DISCARD"
            | "WATCH"
            | "UNWATCH"
    )
}

fn name_of(words: &Words) -> String {
    let name = words.first().map(Vec::as_slice).unwrap_or_default();
    String::from_utf8_lossy(name).to_ascii_uppercase()
}

/// The token of a command, if it has one.
fn token_of(name: &str, words: &Words) -> Option<u64> {
    let place = match name {
        "ECHO" => 1,
        "SET" | "INCRBY" | "RPUSH" | "PUBLISH" => 2,
        "EVAL" | "EVALSHA" => 4,
        _ => return None,
    };
    token(words.get(place)?)
}

fn number(word: &[u8]) -> Option<i64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

fn index(word: &[u8]) -> usize {
    number(word)
        .and_then(|number| usize::try_from(number).ok())
        .unwrap_or(0)
}
