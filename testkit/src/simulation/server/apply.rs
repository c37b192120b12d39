//! The commands that a server carries out whichever session they come from.

use typedis_core::cluster::slot;

use super::blocked::Waiter;
use super::commands::{SYNTAX, UNKNOWN};
use super::request::{Words, token};
use super::state::State;
use super::words::{index, keys_of, number, tokens_of, writes};
use super::{Answer, Server};
use crate::simulation::ledger::Token;
use crate::simulation::scripts;

const NO_SCRIPT: Answer = Answer::refusal("NOSCRIPT No matching script. Please use EVAL.");
const NO_CLUSTER: Answer = Answer::refusal("ERR This instance has cluster support disabled");

impl Server {
    /// Carries out a command that came on this wire, and needs nothing else of its session. `opted` says whether CLIENT
    /// CACHING YES came right before.
    pub(super) fn apply(&self, wire: u64, name: &str, words: &Words, opted: bool) -> Answer {
        let word = |index: usize| words.get(index).map(Vec::as_slice).unwrap_or_default();
        let mut state = self.state();
        state.catch_up(false);
        let answer = match name {
            "PING" => Answer::Status("PONG"),
            "ECHO" => Answer::text(word(1)),
            "GET" => state.store.get(word(1)),
            "MGET" => Answer::List(all_of(&state, words.get(1..).unwrap_or_default())),
            "PTTL" => Answer::Integer(if state.store.has(word(1)) { -1 } else { -2 }),
            "SET" => state.store.set(word(1), word(2)),
            "MSET" => {
                for pair in words.get(1..).unwrap_or_default().chunks_exact(2) {
                    if let [key, value] = pair {
                        state.store.set(key, value);
                    }
                }
                Answer::ok()
            }
            "INCRBY" => match number(word(2)) {
                Some(number) => state.store.add(word(1), number),
                None => SYNTAX,
            },
            "RPUSH" => state.store.push(word(1), word(2)),
            "PUBLISH" => {
                drop(state);
                let answer = self.publish(word(1), word(2));
                self.record(wire, name, words, &answer);
                return answer;
            }
            "SPUBLISH" => self.publish_to_shard(&state, word(1), word(2)),
            "SCAN" => {
                let node = state.membership.as_ref();
                let shows = |key: &[u8]| node.is_none_or(|node| node.shows(slot(key)));
                state
                    .store
                    .scan(index(word(1)), index(word(3)).max(1), shows)
            }
            "EVAL" | "EVALSHA" => evaluate(&mut state, name, words),
            "SCRIPT" => {
                let sha = scripts::name_of(word(2));
                state.scripts.insert(sha.clone());
                Answer::Text(sha)
            }
            "CLUSTER" | "INFO" => self.describe(&state, name, word(1)),
            "ROLE" => self.role(&state),
            "SENTINEL" => self.locate(&state, word(1), word(2)),
            "SELECT" | "AUTH" => Answer::ok(),
            _ => UNKNOWN,
        };
        self.note_keys(&mut state, wire, (name, words), &answer, opted);
        drop(state);
        self.record(wire, name, words, &answer);
        answer
    }

    fn describe(&self, state: &State, name: &str, what: &[u8]) -> Answer {
        let what = what.to_ascii_uppercase();
        match (&state.membership, name, what.as_slice()) {
            (None, "CLUSTER", _) => NO_CLUSTER,
            (Some(node), "CLUSTER", _) if !node.is_of_cluster() => NO_CLUSTER,
            (None, ..) => Answer::text(format!("redis_version:7.4.0\r\nrun_id:{}\r\n", state.run)),
            (Some(node), "CLUSTER", b"SLOTS") => node.slots(),
            (Some(node), "CLUSTER", b"NODES") => node.nodes(),
            (Some(node), "CLUSTER", b"INFO") => node.cluster_info(),
            (Some(node), "INFO", _) => node.info((self.id as u64) << 32 | state.run),
            _ => UNKNOWN,
        }
    }

    /// Notes who has read keys, or that they were changed.
    fn note_keys(
        &self,
        state: &mut State,
        wire: u64,
        (name, words): (&str, &Words),
        answer: &Answer,
        opted: bool,
    ) {
        let keys = keys_of(name, words);
        if !writes(name) {
            state.tracking.read(wire, &keys, opted);
            if !keys.is_empty() && state.random.one_in(32) {
                let number = state.random.below(64);
                state.tracking.evict(number);
            }
            return;
        }
        if matches!(answer, Answer::Error(_)) {
            return;
        }
        for (key, token) in keys.iter().zip(tokens_of(name, words)) {
            self.changed(state, Some(wire), key, Some(token));
        }
        if name == "RPUSH"
            && let [list] = keys[..]
        {
            self.serve_blocked(state, list);
        }
    }

    /// A key was changed, by the command with this token.
    fn changed(&self, state: &mut State, wire: Option<u64>, key: &[u8], token: Option<Token>) {
        state.tracking.changed(wire, key);
        if let Some(token) = token {
            state.store.note(key, token);
            self.world.ledger().wrote(key, token);
        }
        self.replicate(state, key);
        if let (Some(token), Some(deployment)) = (token, self.deployment())
            && !deployment.is_current(self.id, slot(key))
        {
            self.world.ledger().lost(key, token);
        }
    }

    fn record(&self, wire: u64, name: &str, words: &Words, answer: &Answer) {
        for token in tokens_of(name, words) {
            let mut ledger = self.world.ledger();
            let outcome = match answer {
                Answer::Error(_) => {
                    ledger.failed(token, wire);
                    Ok(())
                }
                answer => ledger.done(token, answer, wire),
            };
            drop(ledger);
            self.world.judge(outcome);
        }
    }

    /// Serves the first who waits for an element of this list.
    fn serve_blocked(&self, state: &mut State, list: &[u8]) {
        if let Some(waiter) = state.blocked.first(list)
            && let Some(element) = state.store.pop(list)
        {
            let handed = self.hand_out(state, list, element, waiter);
            state.unblock(waiter.session, &handed);
        }
    }

    /// The answer to a client that gets an element.
    pub(super) fn hand_out(
        &self,
        state: &mut State,
        list: &[u8],
        element: Vec<u8>,
        waiter: Waiter,
    ) -> Answer {
        let token = token(&element).unwrap_or(0);
        self.changed(state, None, list, None);
        let is_current = self
            .deployment()
            .is_none_or(|deployment| deployment.is_current(self.id, slot(list)));
        let mut ledger = self.world.ledger();
        ledger.popped(token, waiter.call);
        if !is_current {
            ledger.came_back(token);
        }
        drop(ledger);
        self.world.note(3, token, || {
            format!("server hands #{token} to wire {}", waiter.session)
        });
        Answer::List(vec![Answer::text(list), Answer::Text(element)])
    }

    /// Publishes to all servers of a cluster; only the subscribers of this one count.
    fn publish(&self, channel: &[u8], payload: &[u8]) -> Answer {
        if let Some(token) = token(payload) {
            self.world.ledger().published(channel, token);
        }
        let servers = self
            .deployment()
            .map(|deployment| deployment.servers())
            .unwrap_or_default();
        let mut own = 0;
        for server in servers {
            let state = server.state();
            let receivers = state.channels.receivers(channel);
            for (id, pattern) in &receivers {
                let mut push = match pattern {
                    None => vec![Answer::text("message")],
                    Some(pattern) => vec![Answer::text("pmessage"), Answer::text(pattern)],
                };
                push.extend([Answer::text(channel), Answer::text(payload)]);
                state.send(*id, &Answer::Push(push));
            }
            if server.id == self.id {
                own = receivers.len();
            }
        }
        Answer::Integer(i64::try_from(own).unwrap_or(i64::MAX))
    }

    fn publish_to_shard(&self, state: &State, channel: &[u8], payload: &[u8]) -> Answer {
        if let Some(token) = token(payload) {
            self.world.ledger().published(channel, token);
        }
        let receivers = state.channels.shard_receivers(channel);
        for id in &receivers {
            let push = [b"smessage", channel, payload].map(Answer::text);
            state.send(*id, &Answer::Push(push.to_vec()));
        }
        Answer::Integer(i64::try_from(receivers.len()).unwrap_or(i64::MAX))
    }
}

fn all_of(state: &State, keys: &[Vec<u8>]) -> Vec<Answer> {
    let value = |key: &Vec<u8>| match state.store.get(key) {
        Answer::Error(_) => Answer::Nil,
        value => value,
    };
    keys.iter().map(value).collect()
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
