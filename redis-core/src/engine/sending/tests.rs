#![allow(clippy::unwrap_used)]

use std::future::poll_fn;
use std::time::Duration;

use tokio::sync::oneshot;
use typedis_testkit::fake::Fake;

use super::*;
use crate::config::{Backoff, Budget, Config, Protocol};
use crate::engine::inflight::Hold;
use crate::engine::maintenance::Relaxation;
use crate::handle::Connection;
use crate::wire::encode::Output;
use crate::wire::outgoing::Outgoing;

/// `PING word`, which is idempotent.
fn ping(word: &str) -> Again {
    let mut bytes = Outgoing::default();
    bytes.put(format!("*2\r\n$4\r\nPING\r\n${}\r\n{word}\r\n", word.len()).as_bytes());
    Again {
        bytes,
        idempotent: true,
        hold: Hold::None,
    }
}

/// A server that answers PING with its word.
async fn echo() -> Fake {
    Fake::answering(|words| match words.name().as_str() {
        "PING" => format!("+{}\r\n", words.text(1)).into_bytes(),
        _ => b"+OK\r\n".to_vec(),
    })
    .await
    .unwrap()
}

fn config(fake: &Fake) -> Config {
    Config::from_url(&fake.url())
        .unwrap()
        .protocol(Protocol::Resp2)
}

async fn answer<L: Deref<Target = Link>>(sending: &mut Sending<L>, payload: &mut Again) -> Vec<u8> {
    let delivery = poll_fn(|cx| sending.poll(payload, cx)).await;
    let (chunks, failure) = delivery.into_parts().unwrap();
    assert!(failure.is_none(), "{failure:?}");
    chunks.iter().flat_map(|chunk| chunk.to_vec()).collect()
}

/// An outcome with this deadline.
fn by(deadline: Instant) -> Parts {
    Parts {
        due: Due::by(Some(deadline), Patience::Default),
        ..Parts::default()
    }
}

#[test]
fn what_every_request_carries_is_small() {
    assert!(size_of::<Sending<&Link>>() <= 32);
    assert!(size_of::<Sending<Arc<Link>>>() <= 32);
}

#[tokio::test]
async fn a_sending_that_holds_its_link_is_answered_when_the_last_handle_is_gone() {
    let (release, released) = oneshot::channel::<()>();
    let released = std::sync::Mutex::new(Some(released));
    let fake = Fake::start(move |mut peer| {
        let released = released.lock().unwrap().take();
        async move {
            peer.answer_until("PING", "+OK\r\n").await?;
            if let Some(released) = released {
                let _ = released.await;
            }
            peer.send("+late\r\n").await
        }
    })
    .await
    .unwrap();
    let connection = Connection::open(config(&fake)).await.unwrap();
    let mut payload = ping("late");
    let mut sending = Sending::new(connection.shared_link());
    assert!(sending.submit(&mut payload));
    drop(connection);
    release.send(()).unwrap();
    assert_eq!(answer(&mut sending, &mut payload).await, b"+late\r\n");
}

#[tokio::test]
async fn many_are_answered_in_their_order_also_beyond_the_budget() {
    for commands in [1_000, 3] {
        let fake = echo().await;
        let budget = Budget {
            commands,
            ..Budget::default()
        };
        let connection = Connection::open(config(&fake).budget(budget))
            .await
            .unwrap();
        let link = connection.link();
        let words: Vec<String> = (0..20).map(|number| format!("w{number}")).collect();
        let mut all: Vec<_> = words
            .iter()
            .map(|word| (Sending::new(link), ping(word)))
            .collect();
        for (sending, payload) in &mut all {
            sending.submit(payload);
        }
        assert_eq!(connection.in_flight(), commands.min(20));
        for ((sending, payload), word) in all.iter_mut().zip(&words) {
            let expected = format!("+{word}\r\n").into_bytes();
            assert_eq!(answer(sending, payload).await, expected);
        }
        let sent = fake.received(0);
        let pings = sent.iter().filter(|words| words.name() == "PING");
        assert_eq!(pings.map(|words| words.text(1)).collect::<Vec<_>>(), words);
    }
}

#[tokio::test]
async fn one_that_is_over_can_be_sent_again_with_its_deadline() {
    let fake = echo().await;
    let connection = Connection::open(config(&fake)).await.unwrap();
    let mut payload = ping("one");
    let mut sending = Sending::new(connection.link());
    assert_eq!(answer(&mut sending, &mut payload).await, b"+one\r\n");
    let soon = Instant::now() + Duration::from_secs(5);
    assert!(sending.send_later(Box::new(ping("two")), &mut by(soon)));
    assert_eq!(answer(&mut sending, &mut payload).await, b"+two\r\n");
    // When the deadline has come, no pause is begun.
    let now = Instant::now();
    assert!(!sending.send_later(Box::new(ping("three")), &mut by(now)));
}

#[tokio::test]
async fn a_pause_that_would_be_too_long_ends_before_the_deadline() {
    let fake = echo().await;
    let minute = Duration::from_secs(60);
    let backoff = Backoff {
        first: minute,
        longest: minute,
    };
    let connection = Connection::open(config(&fake).backoff(backoff))
        .await
        .unwrap();
    let mut payload = ping("one");
    let mut sending = Sending::new(connection.link());
    let soon = Instant::now() + Duration::from_secs(3);
    assert!(sending.send_later(Box::new(ping("two")), &mut by(soon)));
    assert_eq!(answer(&mut sending, &mut payload).await, b"+two\r\n");
}

/// A payload whose time is the configured one.
struct Usual(Again);

impl Payload for Usual {
    fn terms(&self) -> Terms {
        Terms {
            patience: Patience::Default,
            ..self.0.terms()
        }
    }

    fn write_to(&mut self, out: &mut Outgoing) {
        self.0.write_to(out);
    }

    #[cfg(feature = "tracing")]
    fn summary(&self) -> crate::engine::inflight::Summary {
        self.0.summary()
    }
}

#[tokio::test]
async fn what_got_more_time_gets_none_when_it_is_queued_later_or_again() {
    let fake = echo().await;
    let connection = Connection::open(config(&fake)).await.unwrap();
    let (payload, at) = (Usual(ping("one")), Some(Instant::now()));
    assert!(
        Sending::new(connection.link())
            .slow_terms(payload.terms())
            .patience
            .is_usual()
    );
    for is_final in [false, true] {
        let due = Due { at, is_final };
        for way in 0..3 {
            let mut sending = Sending::new(connection.link());
            let mut parts = Parts {
                due,
                ..Parts::default()
            };
            match way {
                // It has waited for room.
                0 => sending.slow().due = due,
                1 => sending.send_again(&mut parts),
                _ => sending.go_to(connection.link(), None, due),
            }
            let is_usual = sending.slow_terms(payload.terms()).patience.is_usual();
            assert_eq!(is_usual, !is_final, "{way}");
        }
    }
}

/// The command itself is not here any more then, and cannot tell whose time it has.
#[tokio::test]
async fn the_deadline_of_a_caller_is_kept_while_what_was_refused_waits_for_room() {
    let fake = echo().await;
    let connection = Connection::open(config(&fake)).await.unwrap();
    let (link, minute) = (connection.link(), Duration::from_secs(60));
    let at = Instant::now() + minute;
    link.change(|queue| {
        queue.relaxation = Some(Relaxation {
            until: at,
            extra: minute,
        });
    });
    for is_final in [false, true] {
        let mut sending = Sending::new(link);
        let mut parts = Parts {
            due: Due {
                at: Some(at),
                is_final,
            },
            ..Parts::default()
        };
        assert!(sending.send_later(Box::new(ping("again")), &mut parts));
        assert_eq!(sending.extend_wait(), !is_final);
    }
}

/// Nor is it there when it is in flight.
#[tokio::test]
async fn what_was_refused_gets_more_time_when_it_is_in_flight_again() {
    let fake = echo().await;
    let minute = Duration::from_secs(60);
    let at = Instant::now() + minute;
    for is_final in [false, true] {
        let connection = Connection::open(config(&fake)).await.unwrap();
        let link = connection.link();
        let mut sending = Sending::new(link);
        let due = Due {
            at: Some(at),
            is_final,
        };
        sending.go_to(link, Some(Box::new(ping("again"))), due);
        sending.submit(&mut ping("refused"));
        let later = link.with(&mut Vec::new(), |queue, woken| {
            queue.relaxation = Some(Relaxation {
                until: at + minute,
                extra: minute,
            });
            queue.stamp(Instant::now());
            queue.expire(at, woken)
        });
        assert_eq!(later, (!is_final).then_some(at + minute));
    }
}

#[tokio::test]
async fn a_loss_is_not_forgotten_when_a_wait_goes_on_with_its_next_piece() {
    let fake = echo().await;
    let connection = Connection::open(config(&fake)).await.unwrap();
    let mut sending = Sending::new(connection.link());
    let lost = |phase| Delivery::failed(Failure::Lost(phase, std::io::ErrorKind::Other, "".into()));
    sending.remember(lost(Phase::MaybeApplied));
    sending.start_again();
    let (_, failure) = sending.remember(lost(Phase::NotSent)).into_parts().unwrap();
    assert!(failure.unwrap().was_sent());
}
