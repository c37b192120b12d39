//! The table against a model of a server, in any order of joins, leaves, answers, losses and refusals.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use proptest::prelude::*;

use super::{Entrance, MemberId, Received, Table};
use crate::ServerError;
use crate::config::Capacity;
use crate::engine::inflight::Awaits;
use crate::engine::subscriptions::inbox::Inbox;
use crate::engine::subscriptions::ticket::Ticket;
use crate::pubsub::{Event, Source, SourceKind};
use crate::reply::Frame;
use crate::wire::encode;

/// A refusal for good, and one that passes.
const NO: &str = "NOPERM no";
const NOT_NOW: &str = "BUSY for a while";

/// What a server has, what it has not read yet, and what it has not sent yet.
#[derive(Default)]
struct Server {
    subscribed: BTreeSet<(String, String)>,
    commands: VecDeque<Vec<String>>,
    replies: VecDeque<String>,
    /// What it refused to end, for good.
    kept: BTreeSet<(String, String)>,
}

impl Server {
    /// Carries out one command, or refuses it.
    fn work(&mut self, refusal: Option<&str>) {
        let Some(command) = self.commands.pop_front() else {
            return;
        };
        if command[0] == "PING" {
            let refusal = refusal.map(|_| "-NOPERM no permission to run the 'ping' command\r\n");
            self.replies
                .push_back(refusal.unwrap_or("+PONG\r\n").to_owned());
            return;
        }
        let (word, name) = (command[0].to_lowercase(), &command[1]);
        if let Some(refusal) = refusal {
            self.replies.push_back(format!("-{refusal}\r\n"));
            if let (Some(kind), NO) = (word.strip_suffix("unsubscribe"), refusal) {
                self.kept.insert((kind.to_owned(), name.clone()));
            }
            return;
        }
        match word.strip_suffix("unsubscribe") {
            Some(kind) => self.subscribed.remove(&(kind.to_owned(), name.clone())),
            None => {
                let kind = word.strip_suffix("subscribe").unwrap();
                self.subscribed.insert((kind.to_owned(), name.clone()))
            }
        };
        self.replies.push_back(confirmation(&word, name));
    }

    /// The slot of the shard channel that is just being left moves away.
    fn move_away(&mut self) {
        match self.commands.front() {
            Some(command) if command[0] == "SUNSUBSCRIBE" => {
                let name = command[1].clone();
                self.cut_off(&name);
                self.work(Some("MOVED 1 127.0.0.1:1"));
            }
            _ => {}
        }
    }

    /// The slot of a shard channel moves away.
    fn cut_off(&mut self, name: &str) {
        if self.subscribed.remove(&("s".to_owned(), name.to_owned())) {
            self.replies.push_back(confirmation("sunsubscribe", name));
        }
    }
}

fn confirmation(word: &str, name: &str) -> String {
    format!(
        ">3\r\n${}\r\n{word}\r\n${}\r\n{name}\r\n:1\r\n",
        word.len(),
        name.len()
    )
}

/// The driver: gives commands to the server and the answers to the table.
#[derive(Default)]
struct Driver {
    table: Table,
    server: Server,
    members: Vec<(Source, MemberId)>,
    /// What the commands are owed, in order.
    owed: VecDeque<Awaits>,
}

#[test]
fn who_joins_while_the_end_is_refused_is_told_of_the_gap() {
    let mut driver = Driver::default();
    driver.join(SourceKind::Channel, 0);
    driver.settle();
    driver.step(Step::Leave(0));
    driver.send();
    // It was confirmed elsewhere before.
    let inbox = Arc::new(Inbox::new(Capacity::default()));
    let entrance = Entrance {
        mover: None,
        source: Arc::new(Source::new(SourceKind::Channel, "0".into())),
        inbox: inbox.clone(),
        ticket: None,
        alone: true,
    };
    driver.table.join(entrance, &mut Vec::new());
    driver.step(Step::RefuseForNow);
    assert!(driver.hear());
    let mut cx = Context::from_waker(Waker::noop());
    let next = inbox.poll_next(&mut cx);
    assert!(matches!(next, Poll::Ready(Some(Ok(Event::Resubscribed)))));
}

/// The error of a call whose time is over should not name what another socket has heard.
#[test]
fn a_refusal_that_passes_is_known_until_it_is_settled_or_lost() {
    for confirmed in [false, true] {
        let mut driver = Driver::default();
        let ticket = Arc::new(Ticket::default());
        ticket.expect();
        let entrance = Entrance {
            ticket: Some(ticket.clone()),
            ..entrance(&Source::new(SourceKind::Channel, "0".into()))
        };
        driver.table.join(entrance, &mut Vec::new());
        driver.send();
        assert!(ticket.refusal().is_none());
        driver.step(Step::RefuseForNow);
        assert!(driver.hear());
        assert_eq!(ticket.refusal().unwrap().code(), "BUSY");
        match confirmed {
            true => driver.settle(),
            false => driver.step(Step::Lose),
        }
        assert!(ticket.refusal().is_none(), "{confirmed}");
    }
}

/// A call may ask for several.
#[test]
fn a_refusal_that_passes_is_known_also_if_another_one_is_confirmed() {
    let mut driver = Driver::default();
    let ticket = Arc::new(Ticket::default());
    for name in ["0", "1"] {
        ticket.expect();
        let entrance = Entrance {
            ticket: Some(ticket.clone()),
            ..entrance(&Source::new(SourceKind::Channel, name.into()))
        };
        driver.table.join(entrance, &mut Vec::new());
    }
    driver.send();
    driver.step(Step::RefuseForNow);
    driver.step(Step::Work);
    while driver.hear() {}
    assert_eq!(ticket.refusal().unwrap().code(), "BUSY");
    driver.settle();
    assert!(ticket.refusal().is_none());
    assert!(!ticket.is_open());
}

/// A server may be away for hours, and callers go on trying.
#[test]
fn what_comes_and_goes_before_a_server_is_told_leaves_nothing() {
    for names in [1, 10_000] {
        let mut driver = Driver::default();
        driver.join(SourceKind::Channel, 0);
        for round in 0..10_000 {
            let source = Source::new(SourceKind::Pattern, (round % names).to_string().into());
            let id = driver.table.join(entrance(&source), &mut Vec::new());
            driver.table.leave(&source, id);
        }
        let (known, dirty) = driver.table.topics.counts();
        assert_eq!(known, 1, "{names}");
        assert!(dirty < 100, "{names}: {dirty}");
        driver.settle();
        let left = BTreeSet::from([(String::new(), "0".to_owned())]);
        assert_eq!(driver.server.subscribed, left);
    }
}

/// What is forgotten and wanted again is asked for, whatever became of its first mark.
#[test]
fn what_is_wanted_again_is_asked_for_once() {
    let mut driver = Driver::default();
    for _ in 0..3 {
        driver.join(SourceKind::Channel, 0);
        driver.step(Step::Leave(0));
        driver.join(SourceKind::Channel, 0);
    }
    driver.send();
    assert_eq!(driver.server.commands.len(), 1);
    driver.settle();
    assert_eq!(driver.server.subscribed.len(), 1);
}

#[derive(Debug, Clone)]
enum Step {
    Join(SourceKind, u8),
    Leave(usize),
    Send,
    Work,
    Refuse,
    RefuseForNow,
    Move,
    Hear,
    CutOff(u8),
    Lose,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let kind = prop_oneof![
        Just(SourceKind::Channel),
        Just(SourceKind::Pattern),
        Just(SourceKind::Shard)
    ];
    let step = prop_oneof![
        4 => (kind, 0..3_u8).prop_map(|(kind, name)| Step::Join(kind, name)),
        4 => any::<usize>().prop_map(Step::Leave),
        4 => Just(Step::Send),
        4 => Just(Step::Work),
        1 => Just(Step::Refuse),
        1 => Just(Step::RefuseForNow),
        1 => Just(Step::Move),
        6 => Just(Step::Hear),
        1 => (0..3_u8).prop_map(Step::CutOff),
        1 => Just(Step::Lose),
    ];
    prop::collection::vec(step, 0..300)
}

fn entrance(source: &Source) -> Entrance {
    Entrance {
        mover: None,
        source: Arc::new(source.clone()),
        inbox: Arc::new(Inbox::new(Capacity::default())),
        ticket: Some(Arc::default()),
        alone: true,
    }
}

impl Driver {
    fn step(&mut self, step: Step) {
        match step {
            Step::Join(kind, name) => self.join(kind, name),
            Step::Leave(which) if !self.members.is_empty() => {
                let (source, id) = self.members.remove(which % self.members.len());
                self.table.leave(&source, id);
            }
            Step::Leave(_) => {}
            Step::Send => self.send(),
            Step::Work => self.server.work(None),
            Step::Refuse => self.server.work(Some(NO)),
            Step::RefuseForNow => self.server.work(Some(NOT_NOW)),
            Step::Move => self.server.move_away(),
            Step::Hear => drop(self.hear()),
            Step::CutOff(name) => self.server.cut_off(&name.to_string()),
            Step::Lose => {
                self.server = Server::default();
                self.owed.clear();
                self.table.lost();
            }
        }
    }

    fn join(&mut self, kind: SourceKind, name: u8) {
        let source = Source::new(kind, name.to_string().into());
        let id = self.table.join(entrance(&source), &mut Vec::new());
        self.members.push((source, id));
    }

    fn send(&mut self) {
        for (command, awaits) in self.table.take_operations() {
            self.owed.push_back(awaits);
            let text = String::from_utf8(command).unwrap();
            for command in text.split('*').skip(1) {
                let (_, words) = command.split_once('\n').unwrap();
                let words = encode::words(words.as_bytes());
                let words = words.map(|word| String::from_utf8(word.to_vec()).unwrap());
                self.server.commands.push_back(words.collect());
            }
        }
    }

    /// Takes one answer; returns whether there was one.
    fn hear(&mut self) -> bool {
        let Some(reply) = self.server.replies.pop_front() else {
            return false;
        };
        let error = reply.strip_prefix('-');
        let error = error.map(|line| ServerError::new(line.trim_end()));
        let received = if reply.starts_with('>') {
            let frame = Frame::parse(Bytes::from(reply)).unwrap();
            let may_answer = !self.owed.is_empty();
            self.table.receive(&frame, || may_answer, &mut Vec::new())
        } else if self.owed.front() == Some(&Awaits::Fence) {
            self.table.fenced(error.as_ref(), &mut Vec::new()).0
        } else {
            // A reply that is not an error would have belonged to another command.
            self.table.refused(&error.unwrap(), &mut Vec::new());
            Received::Answer
        };
        if received == Received::Answer {
            self.owed.pop_front().unwrap();
        }
        true
    }

    /// Runs until nothing is left to do.
    fn settle(&mut self) {
        for _ in 0..20 {
            self.table.retry_postponed();
            self.send();
            while !self.server.commands.is_empty() {
                self.server.work(None);
            }
            while self.hear() {}
        }
    }
}

#[test]
fn the_server_owes_an_answer_from_the_command_on() {
    let mut driver = Driver::default();
    driver.join(SourceKind::Channel, 0);
    assert!(!driver.table.is_asking());
    for refusal in [Some(NOT_NOW), None] {
        driver.table.retry_postponed();
        driver.send();
        assert!(driver.table.is_asking());
        driver.server.work(refusal);
        assert!(driver.hear());
        assert!(!driver.table.is_asking(), "{refusal:?}");
    }
}

proptest! {
    #[test]
    fn the_server_ends_with_exactly_the_wanted_set(steps in steps()) {
        let mut driver = Driver::default();
        for step in steps {
            driver.step(step);
        }
        driver.settle();
        let mut wanted = BTreeSet::new();
        for (source, id) in driver.members.clone() {
            if driver.table.has(&source, id) {
                let kind = match source.kind() {
                    SourceKind::Channel => "",
                    SourceKind::Pattern => "p",
                    SourceKind::Shard => "s",
                };
                wanted.insert((kind.to_owned(), source.name().into_owned()));
            }
        }
        // If the end of a subscription was refused for good, the server keeps it; no other may be left.
        let left: BTreeSet<_> = driver.server.subscribed.difference(&wanted).cloned().collect();
        prop_assert!(driver.server.subscribed.is_superset(&wanted));
        for (kind, name) in left {
            let was_refused = driver.server.kept.contains(&(kind.clone(), name.clone()));
            prop_assert!(was_refused, "{name} is left");
            let kind = match kind.as_str() {
                "" => SourceKind::Channel,
                "p" => SourceKind::Pattern,
                _ => SourceKind::Shard,
            };
            prop_assert!(driver.table.topics.get(kind, name.as_bytes()).is_some(), "{name} was forgotten");
        }
        prop_assert_eq!(driver.table.is_empty(), wanted.is_empty());
        prop_assert!(driver.owed.is_empty(), "{:?} is still owed", driver.owed);
    }
}
