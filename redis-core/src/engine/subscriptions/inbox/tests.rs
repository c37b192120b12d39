//! What each policy promises, in every order of puts and reads.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use proptest::prelude::*;

use super::{Capacity, Cause, Inbox, Lag, Parcel, Put, Ticket};
use crate::engine::subscriptions::message::Interruption;
use crate::engine::subscriptions::source::{Source, SourceKind};
use crate::error::{ErrorKind, ServerError};
use crate::pubsub::Event;

#[derive(Debug, Clone, PartialEq)]
struct Item(u64, usize);

impl Parcel for Item {
    fn size(&self) -> usize {
        self.1
    }
}

fn inbox(bytes: usize, messages: usize, lag: Lag) -> Inbox<Item> {
    Inbox::new(Capacity {
        bytes,
        messages,
        lag,
    })
}

/// The next item: an event, an error's kind, the end, or nothing yet.
fn read(inbox: &Inbox<Item>) -> Poll<Option<Result<Event<Item>, String>>> {
    let mut cx = Context::from_waker(Waker::noop());
    inbox
        .poll_next(&mut cx)
        .map(|next| next.map(|event| event.map_err(|error| error.to_string())))
}

#[derive(Debug, Clone)]
enum Step {
    Put(usize),
    Read,
    Resubscribed,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..2_000_usize).prop_map(Step::Put),
        3 => Just(Step::Read),
        1 => Just(Step::Resubscribed),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    /// What is read is what was put, in order, and each gap is as wide as it says. Never is more held than allowed.
    #[test]
    fn dropping_the_oldest_is_exact(steps in steps(), bytes in 0..8_000_usize, messages in 1..20_usize) {
        let inbox = inbox(bytes, messages, Lag::DropOldest);
        let (mut sent, mut expected) = (0, 0);
        let mut check = |next: Poll<Option<Result<Event<Item>, String>>>| match next {
            Poll::Ready(Some(Ok(Event::Message(Item(number, _))))) => {
                assert_eq!(number, expected);
                expected += 1;
            }
            Poll::Ready(Some(Ok(Event::Lagged(count)))) => {
                assert!(count > 0);
                expected += count;
            }
            Poll::Ready(Some(Ok(Event::Resubscribed))) | Poll::Pending => {}
            other => panic!("{other:?}"),
        };
        for step in steps {
            match step {
                Step::Put(size) => {
                    assert_eq!(inbox.put(Item(sent, size), &mut Vec::new()), Put::Kept);
                    sent += 1;
                }
                Step::Read => check(read(&inbox)),
                Step::Resubscribed => inbox.resubscribed(&mut Vec::new()),
            }
            let (held, held_bytes) = inbox.held();
            prop_assert!(held <= messages && (held <= 1 || held_bytes <= bytes));
        }
        loop {
            let next = read(&inbox);
            if next.is_pending() {
                break;
            }
            check(next);
        }
        prop_assert_eq!(expected, sent);
        prop_assert_eq!(inbox.held(), (0, 0));
    }

    /// Nothing is lost before the end, and nothing comes after it.
    #[test]
    fn closing_is_exact(puts in 0..50_u64, messages in 1..20_usize) {
        let inbox = inbox(usize::MAX, messages, Lag::Close);
        let mut kept = VecDeque::new();
        for number in 0..puts {
            if inbox.put(Item(number, 0), &mut Vec::new()) == Put::Kept {
                kept.push_back(number);
            }
        }
        prop_assert_eq!(kept.len(), messages.min(usize::try_from(puts).unwrap()));
        prop_assert_eq!(inbox.is_open(), kept.len() == usize::try_from(puts).unwrap());
        for number in kept {
            prop_assert_eq!(read(&inbox), Poll::Ready(Some(Ok(Event::Message(Item(number, 0))))));
        }
        if inbox.is_open() {
            prop_assert_eq!(read(&inbox), Poll::Pending);
        } else {
            let text = ErrorKind::TooSlow.to_string();
            prop_assert_eq!(read(&inbox), Poll::Ready(Some(Err(text))));
            prop_assert_eq!(read(&inbox), Poll::Ready(None));
        }
    }
}

#[test]
fn interruptions_are_told_in_order_and_once_for_each_source() {
    let inbox = inbox(usize::MAX, 1, Lag::DropOldest);
    let interruption = |name: &'static str, code: &str| {
        let source = Arc::new(Source::new(
            SourceKind::Channel,
            Bytes::from_static(name.as_bytes()),
        ));
        Interruption::new(source, ServerError::new(code))
    };
    let interrupt = |name, code| inbox.interrupted(interruption(name, code), &mut Vec::new());
    let put = |number| inbox.put(Item(number, 0), &mut Vec::new());
    interrupt("a", "OOM");
    put(0);
    interrupt("b", "OOM");
    interrupt("a", "NOPERM");
    inbox.resubscribed(&mut Vec::new());
    put(1);
    inbox.resubscribed(&mut Vec::new());
    interrupt("a", "OOM");
    let ready = |event| Poll::Ready(Some(Ok(event)));
    assert_eq!(read(&inbox), ready(Event::Lagged(1)));
    for (name, code) in [("b", "OOM"), ("a", "NOPERM")] {
        assert_eq!(
            read(&inbox),
            ready(Event::Interrupted(interruption(name, code)))
        );
    }
    assert_eq!(read(&inbox), ready(Event::Resubscribed));
    assert_eq!(read(&inbox), ready(Event::Message(Item(1, 0))));
    assert_eq!(read(&inbox), ready(Event::Resubscribed));
    assert_eq!(
        read(&inbox),
        ready(Event::Interrupted(interruption("a", "OOM")))
    );
    assert_eq!(read(&inbox), Poll::Pending);
}

#[test]
fn a_gap_is_told_where_it_was() {
    let inbox = inbox(usize::MAX, 2, Lag::DropOldest);
    let put = |number| inbox.put(Item(number, 0), &mut Vec::new());
    put(0);
    inbox.resubscribed(&mut Vec::new());
    put(1);
    inbox.resubscribed(&mut Vec::new());
    inbox.resubscribed(&mut Vec::new());
    put(2);
    let ready = |event| Poll::Ready(Some(Ok(event)));
    assert_eq!(read(&inbox), ready(Event::Lagged(1)));
    assert_eq!(read(&inbox), ready(Event::Resubscribed));
    assert_eq!(read(&inbox), ready(Event::Message(Item(1, 0))));
    assert_eq!(read(&inbox), ready(Event::Resubscribed));
    assert_eq!(read(&inbox), ready(Event::Message(Item(2, 0))));
    assert_eq!(read(&inbox), Poll::Pending);
}

#[test]
fn a_reader_makes_room_for_who_waits() {
    let inbox = inbox(usize::MAX, 1, Lag::Wait);
    let woken = std::sync::Arc::new(Flag::default());
    let waker = Waker::from(woken.clone());
    assert!(inbox.has_room(0, &waker));
    inbox.put(Item(0, 0), &mut Vec::new());
    assert!(!inbox.has_room(0, &waker));
    assert!(!woken.is_set());
    assert!(read(&inbox).is_ready());
    assert!(woken.is_set());
    assert!(inbox.has_room(0, &waker));
}

#[test]
fn a_reader_makes_room_for_all_who_wait() {
    let flags = [Arc::new(Flag::default()), Arc::new(Flag::default())];
    let wait_on = |inbox: &Inbox<Item>| {
        inbox.put(Item(0, 0), &mut Vec::new());
        for flag in &flags {
            // A driver may look more than once.
            for _ in 0..3 {
                assert!(!inbox.has_room(0, &Waker::from(flag.clone())));
            }
            assert!(!flag.is_set());
        }
    };
    let inbox = inbox(usize::MAX, 1, Lag::Wait);
    wait_on(&inbox);
    assert!(read(&inbox).is_ready());
    assert!(flags.iter().all(|flag| flag.take() == 1));
    wait_on(&inbox);
    let mut woken = Vec::new();
    inbox.end(None, &mut woken);
    woken.into_iter().for_each(Waker::wake);
    assert!(flags.iter().all(|flag| flag.take() == 1));
}

#[test]
fn a_call_is_open_until_it_is_confirmed_or_given_up() {
    let inbox = inbox(usize::MAX, 1, Lag::Wait);
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(flag.clone());
    inbox.put(Item(0, 0), &mut Vec::new());
    for given_up in [false, true] {
        assert!(!inbox.has_room(0, &waker));
        assert!(!inbox.has_open_call());
        let ticket = Arc::new(Ticket::default());
        ticket.expect();
        inbox.begin_call(ticket.clone());
        assert_eq!(flag.take(), 1, "the driver looks again");
        assert!(inbox.has_open_call());
        match given_up {
            true => inbox.end_call(&ticket),
            false => ticket.confirm(&mut Vec::new()),
        }
    }
    assert!(!inbox.has_open_call());
}

#[test]
fn a_failure_of_one_source_ends_nothing() {
    let inbox = inbox(usize::MAX, 9, Lag::DropOldest);
    let cause = Cause::Refused(ServerError::new("NOPERM no"));
    let put = |number| inbox.put(Item(number, 0), &mut Vec::new());
    let is_read = |number| {
        assert_eq!(
            read(&inbox),
            Poll::Ready(Some(Ok(Event::Message(Item(number, 0)))))
        );
    };
    put(0);
    inbox.fail(cause.clone(), &mut Vec::new());
    put(1);
    // It is told where it happened.
    is_read(0);
    assert!(matches!(read(&inbox), Poll::Ready(Some(Err(_)))));
    is_read(1);
    assert_eq!(read(&inbox), Poll::Pending);
    inbox.end(Some(cause), &mut Vec::new());
    assert!(matches!(read(&inbox), Poll::Ready(Some(Err(_)))));
    assert_eq!(read(&inbox), Poll::Ready(None));
    assert_eq!(read(&inbox), Poll::Ready(None));
}

/// How often it was woken.
#[derive(Default)]
struct Flag(std::sync::atomic::AtomicUsize);

impl Flag {
    fn is_set(&self) -> bool {
        self.0.load(std::sync::atomic::Ordering::Relaxed) > 0
    }

    /// How often it was woken since the last call.
    fn take(&self) -> usize {
        self.0.swap(0, std::sync::atomic::Ordering::Relaxed)
    }
}

impl std::task::Wake for Flag {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}
