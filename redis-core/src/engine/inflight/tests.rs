#![allow(clippy::unwrap_used, clippy::panic)]

use std::io;
use std::task::{Poll, Waker};

use super::*;
use crate::wire::Chunk;
use crate::wire::encode::Output;

/// A payload of one or more commands.
struct Commands {
    bytes: &'static [u8],
    replies: usize,
    idempotent: bool,
    bound: bool,
    reads: bool,
    in_one_piece: bool,
}

impl Commands {
    fn terms(&self) -> Terms {
        Payload::terms(self)
    }
}

impl Payload for Commands {
    fn terms(&self) -> Terms {
        Terms {
            bytes: self.bytes.len(),
            replies: self.replies,
            idempotent: self.idempotent,
            hold: Hold::None,
            patience: Patience::Default,
        }
    }

    fn write_to(&mut self, out: &mut Outgoing) {
        out.put(self.bytes);
    }

    fn is_bound(&self) -> bool {
        self.bound
    }

    fn goes_again_in_part(&self) -> bool {
        self.reads
    }

    fn takes_one_piece(&self) -> bool {
        self.in_one_piece
    }

    #[cfg(feature = "tracing")]
    fn summary(&self) -> payload::Summary {
        payload::Summary {
            operation: "".into(),
            text: String::new(),
            batch: None,
        }
    }
}

fn once(bytes: &'static [u8]) -> Commands {
    Commands {
        bytes,
        replies: 1,
        idempotent: false,
        bound: false,
        reads: false,
        in_one_piece: false,
    }
}

fn submit(queue: &mut Queue, mut commands: Commands) -> CellKey {
    let terms = commands.terms();
    let limit = Limit::Within(Duration::from_secs(10));
    match queue.submit(&mut commands, terms, limit, None, None) {
        Submitted::Queued(key) => key,
        other => panic!("{other:?}"),
    }
}

fn parts(queue: &mut Queue, key: CellKey) -> Box<Parts> {
    match queue.poll_cell(key, Waker::noop()) {
        Poll::Ready(Delivery::Parts(parts)) => parts,
        other => panic!("{other:?}"),
    }
}

fn chunk(bytes: &'static [u8]) -> Chunk {
    bytes::Bytes::from_static(bytes).into()
}

/// The bytes that came back to be sent again.
fn again(parts: &Parts) -> Option<Vec<u8>> {
    let mut bytes = parts.again.as_ref()?.bytes.clone();
    let len = bytes.len();
    let mut out = Outgoing::default();
    bytes.move_to(len, &mut out);
    Some(out.single(0).unwrap_or_default().to_vec())
}

fn lost() -> Failure {
    Failure::Lost(
        Phase::MaybeApplied,
        io::ErrorKind::ConnectionReset,
        "lost".into(),
    )
}

#[test]
fn a_cell_is_a_cache_line() {
    assert_eq!(size_of::<Cell>(), 64);
}

/// What two replies that came like this are given as.
fn pair_of(in_one_piece: bool, pieces: &[(&'static [u8], usize)]) -> Delivery {
    let (mut queue, mut unanswered) = (Queue::new(Budget::default(), false), Unanswered::default());
    let pair = Commands {
        replies: 2,
        in_one_piece,
        ..once(b"AB")
    };
    let key = submit(&mut queue, pair);
    queue.take_output(&mut unanswered, Instant::now());
    for (piece, frames) in pieces {
        queue.deliver(chunk(piece), *frames, &mut Vec::new());
    }
    match queue.poll_cell(key, Waker::noop()) {
        Poll::Ready(delivery) => delivery,
        Poll::Pending => panic!("all replies have come"),
    }
}

#[test]
fn several_replies_are_given_in_one_piece_where_that_is_allowed_and_none_is_an_error() {
    let is_piece = |delivery| matches!(delivery, Delivery::Reply(_));
    assert!(is_piece(pair_of(true, &[(b"+OK\r\n$1\r\na\r\n", 2)])));
    assert!(is_piece(pair_of(true, &[(b"+OK\r\n*1\r\n:1\r\n", 2)])));
    assert!(!is_piece(pair_of(false, &[(b"+OK\r\n$1\r\na\r\n", 2)])));
    assert!(!is_piece(pair_of(true, &[(b"+OK\r\n", 1), (b"_\r\n", 1)])));
    assert!(!is_piece(pair_of(true, &[(b"-ERR\r\n$1\r\na\r\n", 2)])));
    assert!(!is_piece(pair_of(true, &[(b"+OK\r\n-ERR\r\n", 2)])));
    assert!(!is_piece(pair_of(true, &[(b"+OK\r\n!3\r\nERR\r\n", 2)])));
}

#[test]
fn only_a_command_alone_is_sent_again_when_it_was_refused_for_now() {
    let (mut queue, mut unanswered) = (Queue::new(Budget::default(), false), Unanswered::default());
    let pair = Commands {
        replies: 2,
        ..once(b"AB")
    };
    let (both, alone) = (submit(&mut queue, pair), submit(&mut queue, once(b"C")));
    queue.take_output(&mut unanswered, Instant::now());
    queue.deliver(chunk(b"+OK\r\n"), 1, &mut Vec::new());
    queue.deliver_refusal(chunk(b"-LOADING a\r\n"), &unanswered, &mut Vec::new());
    queue.deliver_refusal(chunk(b"-LOADING b\r\n"), &unanswered, &mut Vec::new());
    // The first of the two was carried out.
    assert_eq!(again(&parts(&mut queue, both)), None);
    assert_eq!(again(&parts(&mut queue, alone)).unwrap(), b"C");
}

/// Without its deadline, a refused command would be sent again for ever.
#[test]
fn what_is_queued_between_a_turns_begin_and_its_write_has_its_deadline_when_it_is_refused() {
    let (mut queue, mut unanswered) = (Queue::new(Budget::default(), false), Unanswered::default());
    let now = Instant::now();
    queue.stamp(now);
    let key = submit(&mut queue, once(b"A"));
    queue.take_output(&mut unanswered, now);
    queue.deliver_refusal(chunk(b"-LOADING a\r\n"), &unanswered, &mut Vec::new());
    let refused = parts(&mut queue, key);
    assert_eq!(refused.due.at, Some(now + Duration::from_secs(10)));
    assert_eq!(again(&refused).unwrap(), b"A");
}

/// It may be sent again, and then maintenance must not make its time longer once more.
#[test]
fn what_goes_back_says_whether_its_time_was_made_longer() {
    let (now, ten) = (Instant::now(), Duration::from_secs(10));
    let relaxation = Relaxation {
        until: now + ten * 100,
        extra: ten,
    };
    for relaxation in [None, Some(relaxation)] {
        let due = Due {
            at: Some(now + ten * (1 + u32::from(relaxation.is_some()))),
            is_final: relaxation.is_some(),
        };
        let mut queue = Queue::new(Budget::default(), false);
        let mut unanswered = Unanswered::default();
        queue.relaxation = relaxation;
        let refused = submit(&mut queue, once(b"A"));
        queue.take_output(&mut unanswered, now);
        queue.deliver(chunk(b"-NOSCRIPT a\r\n"), 1, &mut Vec::new());
        assert_eq!(parts(&mut queue, refused).due, due);
        let bound = Commands {
            bound: true,
            ..once(b"B")
        };
        let waiting = submit(&mut queue, bound);
        queue.stamp(now);
        if relaxation.is_some() {
            queue.expire(now + ten, &mut Vec::new());
        }
        queue.lost(&lost(), &mut unanswered, true, &mut Vec::new());
        assert_eq!(parts(&mut queue, waiting).due, due);
    }
}

#[test]
fn what_is_lost_goes_back_from_a_node_of_several_if_it_may_be_sent_again() {
    let (mut queue, mut unanswered) = (Queue::new(Budget::default(), true), Unanswered::default());
    let written = submit(&mut queue, once(b"A"));
    let repeatable = Commands {
        idempotent: true,
        ..once(b"B")
    };
    let repeatable = submit(&mut queue, repeatable);
    let unwritten = submit(&mut queue, once(b"CC"));
    queue.take_output(&mut unanswered, Instant::now());
    unanswered.wrote(2);
    let waiting = submit(&mut queue, once(b"D"));
    queue.lost(&lost(), &mut unanswered, true, &mut Vec::new());
    let written = parts(&mut queue, written);
    assert!(matches!(
        written.error,
        Some(Failure::Lost(Phase::MaybeApplied, ..))
    ));
    assert_eq!(again(&written), None);
    let repeatable = parts(&mut queue, repeatable);
    assert!(matches!(
        repeatable.error,
        Some(Failure::Lost(Phase::MaybeApplied, ..))
    ));
    assert_eq!(again(&repeatable).unwrap(), b"B");
    for (key, bytes) in [(unwritten, &b"CC"[..]), (waiting, b"D")] {
        let parts = parts(&mut queue, key);
        assert!(matches!(
            parts.error,
            Some(Failure::Lost(Phase::NotSent, ..))
        ));
        assert_eq!(again(&parts).unwrap(), bytes);
        // It goes on with the rest of its time.
        assert!(parts.due.at.is_some());
    }
    assert!(queue.is_idle() && !queue.has_output());
    assert_eq!(queue.stats(Instant::now()).bytes, 0);
}

#[test]
fn what_is_lost_waits_for_the_next_socket_where_there_is_but_one_server() {
    let (mut queue, mut unanswered) = (Queue::new(Budget::default(), false), Unanswered::default());
    let key = submit(&mut queue, once(b"A"));
    queue.take_output(&mut unanswered, Instant::now());
    queue.lost(&lost(), &mut unanswered, true, &mut Vec::new());
    queue.unreachable(lost(), &mut Vec::new());
    assert!(queue.poll_cell(key, Waker::noop()).is_pending());
    assert!(queue.has_output());
}

#[test]
fn what_was_written_for_the_lost_socket_and_not_sent_goes_back_and_the_rest_waits() {
    let (mut queue, mut unanswered) = (Queue::new(Budget::default(), false), Unanswered::default());
    let bound = |bytes| Commands {
        bound: true,
        ..once(bytes)
    };
    let sent = submit(&mut queue, bound(b"A"));
    let taken = submit(&mut queue, bound(b"BB"));
    let other = submit(&mut queue, once(b"C"));
    queue.take_output(&mut unanswered, Instant::now());
    unanswered.wrote(1);
    let waiting = submit(&mut queue, bound(b"DD"));
    let last = submit(&mut queue, once(b"E"));
    queue.lost(&lost(), &mut unanswered, true, &mut Vec::new());
    let phase = |queue: &mut Queue, key| match parts(queue, key).error {
        Some(Failure::Lost(phase, ..)) => phase,
        other => panic!("{other:?}"),
    };
    assert_eq!(phase(&mut queue, sent), Phase::MaybeApplied);
    assert_eq!(phase(&mut queue, taken), Phase::NotSent);
    assert_eq!(phase(&mut queue, waiting), Phase::NotSent);
    queue.admitted();
    queue.take_output(&mut unanswered, Instant::now());
    assert_eq!(unanswered.single(), Some(&b"CE"[..]));
    assert_eq!(queue.stats(Instant::now()).bytes, 2);
    for key in [other, last] {
        assert!(queue.poll_cell(key, Waker::noop()).is_pending());
    }
}

/// The next server may lack its scripts: then a write would be done again, and the call of a script fail.
#[test]
fn what_was_written_for_the_lost_socket_and_sent_is_repeated_only_if_it_reads() {
    let (mut queue, mut unanswered) = (Queue::new(Budget::default(), false), Unanswered::default());
    let bound = |reads| Commands {
        bound: true,
        idempotent: true,
        reads,
        ..once(b"A")
    };
    let [writes, reads] = [false, true].map(|reads| submit(&mut queue, bound(reads)));
    queue.take_output(&mut unanswered, Instant::now());
    unanswered.wrote(2);
    queue.lost(&lost(), &mut unanswered, true, &mut Vec::new());
    assert!(matches!(
        parts(&mut queue, writes).error,
        Some(Failure::Lost(Phase::MaybeApplied, ..))
    ));
    assert!(queue.poll_cell(reads, Waker::noop()).is_pending());
}

#[test]
fn nothing_waits_for_a_node_that_cannot_be_reached() {
    let mut queue = Queue::new(Budget::default(), true);
    queue.sleep();
    let key = submit(&mut queue, once(b"A"));
    queue.unreachable(lost(), &mut Vec::new());
    assert_eq!(again(&parts(&mut queue, key)).unwrap(), b"A");
    let mut next = once(b"B");
    let terms = next.terms();
    let submitted = queue.submit(&mut next, terms, Limit::None, None, None);
    assert!(
        matches!(submitted, Submitted::Ended(failure) if matches!(*failure, Failure::Lost(Phase::NotSent, ..)))
    );
    queue.admitted();
    submit(&mut queue, next);
}

fn ask(queue: &mut Queue, mut commands: Commands, limit: Limit) -> CellKey {
    let terms = commands.terms();
    match queue.submit_question(&mut commands, terms, limit, None) {
        Submitted::Queued(key) => key,
        other => panic!("{other:?}"),
    }
}

/// What callers see of a queue: commands without a reply, callers who wait, and whether anything is on its way.
fn seen(queue: &mut Queue) -> (usize, usize, bool) {
    (queue.of_callers(), queue.unsettled(), queue.is_busy())
}

#[test]
fn a_question_of_the_client_counts_for_nobody_but_is_written_and_answered() {
    let budget = Budget {
        commands: 1,
        ..Budget::default()
    };
    let (mut queue, mut unanswered) = (Queue::new(budget, false), Unanswered::default());
    let (now, mut woken) = (Instant::now(), Vec::new());
    let first = ask(&mut queue, once(b"QUESTION"), Limit::None);
    assert_eq!(seen(&mut queue), (0, 0, false));
    assert!(queue.has_output() && !queue.is_idle() && queue.is_settled());
    queue.take_output(&mut unanswered, now);
    queue.deliver(chunk(b"+OK\r\n"), 1, &mut woken);
    assert!(queue.poll_cell(first, Waker::noop()).is_ready());
    assert_eq!((queue.counts.answered, queue.counts.told), (0, 1));
    assert!(queue.is_idle());

    // It takes no turn of a caller, and none of its room.
    let call = submit(&mut queue, once(b"CALL"));
    let asked = ask(&mut queue, once(b"QUESTION"), Limit::At(now));
    assert_eq!(seen(&mut queue), (1, 1, true));
    queue.take_output(&mut unanswered, now);
    queue.expire(now, &mut woken);
    assert!(parts(&mut queue, asked).error.is_some());
    assert_eq!(queue.counts.timeouts, 0);
    queue.order = Order::Drain;
    assert!(!queue.is_drained());
    queue.deliver(chunk(b"+OK\r\n"), 1, &mut woken);
    assert!(queue.poll_cell(call, Waker::noop()).is_ready());
    // The reply that is still owed is waited for by nobody.
    assert_eq!(seen(&mut queue), (0, 0, false));
    assert!(queue.is_drained() && !queue.is_idle());
    assert_eq!((queue.counts.answered, queue.counts.told), (1, 1));
}

#[test]
fn questions_of_the_client_are_counted_right_through_losses() {
    for routed in [false, true] {
        let (mut queue, mut unanswered) =
            (Queue::new(Budget::default(), routed), Unanswered::default());
        let (now, mut woken) = (Instant::now(), Vec::new());
        let read = Commands {
            idempotent: true,
            ..once(b"Q")
        };
        let keys = [
            ask(&mut queue, read, Limit::None),
            submit(&mut queue, once(b"C")),
            ask(&mut queue, once(b"Q"), Limit::None),
        ];
        queue.take_output(&mut unanswered, now);
        unanswered.wrote(2);
        queue.push_own(b"P", Awaits::Reply);
        queue.lost(&lost(), &mut unanswered, true, &mut woken);
        assert_eq!(queue.of_callers(), 0);
        assert!(queue.is_settled());
        // Where there is but one server, what was not sent waits, and what may be repeated.
        let waits = |key| matches!(queue.cells.get(key), Some(Cell::Waiting(..)));
        assert_eq!(keys.map(waits), [!routed, false, !routed]);
        submit(&mut queue, once(b"C"));
        assert_eq!(queue.of_callers(), 1);
        assert!(!queue.is_settled());
        queue.end(&lost(), &mut woken);
        assert_eq!(queue.of_callers(), 0);
        assert!(queue.is_idle());
    }
}

#[test]
fn a_question_of_the_client_that_is_refused_for_now_keeps_nothing() {
    let (mut queue, mut unanswered) = (Queue::new(Budget::default(), false), Unanswered::default());
    let key = ask(&mut queue, once(b"QUESTION"), Limit::None);
    queue.take_output(&mut unanswered, Instant::now());
    queue.deliver_refusal(chunk(b"-LOADING now\r\n"), &unanswered, &mut Vec::new());
    assert!(!is_kept(&mut queue));
    assert_eq!(queue.unsettled(), 0);
    assert!(queue.poll_cell(key, Waker::noop()).is_ready());
}

#[test]
fn new_credentials_are_no_command_of_a_caller() {
    let (mut queue, mut unanswered) = (Queue::new(Budget::default(), false), Unanswered::default());
    let (now, mut woken) = (Instant::now(), Vec::new());
    let mut auth = Outgoing::default();
    auth.put(b"AUTH");
    let key = queue
        .submit_own(auth, now + Duration::from_secs(1))
        .unwrap();
    queue.take_output(&mut unanswered, now);
    assert_eq!(seen(&mut queue), (0, 0, false));
    queue.deliver(chunk(b"+OK\r\n"), 1, &mut woken);
    assert!(queue.poll_cell(key, Waker::noop()).is_ready());
    assert_eq!((queue.counts.answered, queue.counts.told), (0, 1));
}

/// Whether the link would not end now, though nothing is queued.
fn is_kept(queue: &mut Queue) -> bool {
    assert!(queue.entries.is_empty());
    queue.is_kept(Waker::noop())
}

#[test]
fn what_may_be_sent_once_more_keeps_the_link_until_that_is_decided() {
    let bound = || Commands {
        bound: true,
        ..once(b"A")
    };
    let several = || Commands {
        replies: 2,
        ..bound()
    };
    let answers: [(Commands, &'static [u8], bool); 8] = [
        (once(b"A"), b"-NOSCRIPT none\r\n", true),
        (once(b"A"), b"-LOADING now\r\n", true),
        (once(b"A"), b"-ERR no\r\n", false),
        (once(b"A"), b"+OK\r\n", false),
        // Behind the first there may be what says that a script is missing.
        (bound(), b"-ERR no\r\n", true),
        (bound(), b"+OK\r\n", false),
        (several(), b"+OK\r\n-ERR no\r\n", true),
        (several(), b"+OK\r\n$5\r\na\n-bc\r\n", false),
    ];
    for (command, answer, keeps) in answers {
        let (mut queue, mut unanswered) =
            (Queue::new(Budget::default(), false), Unanswered::default());
        let replies = command.replies;
        let key = submit(&mut queue, command);
        queue.take_output(&mut unanswered, Instant::now());
        if answer.starts_with(b"-LOADING") {
            queue.deliver_refusal(chunk(answer), &unanswered, &mut Vec::new());
        } else {
            queue.deliver(chunk(answer), replies, &mut Vec::new());
        }
        let text = String::from_utf8_lossy(answer);
        assert_eq!(is_kept(&mut queue), keeps, "{text}");
        assert_eq!(queue.unsettled(), usize::from(keeps), "{text}");
        let outcome = queue.poll_cell(key, Waker::noop());
        assert_eq!(is_kept(&mut queue), keeps, "{text}");
        drop(outcome);
        assert!(!is_kept(&mut queue), "{text}");
        assert_eq!(queue.unsettled(), 0);
    }
    // What was written for a socket that is lost goes back to its caller, who adapts it to the next.
    let mut queue = Queue::new(Budget::default(), false);
    let key = submit(&mut queue, bound());
    queue.lost(&lost(), &mut Unanswered::default(), true, &mut Vec::new());
    assert!(is_kept(&mut queue));
    drop(queue.abandon(key));
    assert!(!is_kept(&mut queue));
}

#[test]
fn what_keeps_a_link_for_several_keeps_it_until_the_last_has_gone() {
    let mut queue = Queue::new(Budget::default(), false);
    for calls in [0, 1] {
        let held = match calls {
            0 => queue.hold(),
            _ => queue.holds.hold_for_call(),
        };
        let other = held.clone();
        assert_eq!(queue.unsettled(), 2 * calls);
        drop(held);
        assert!(is_kept(&mut queue));
        assert_eq!(queue.unsettled(), calls);
        drop(other);
        assert_eq!(queue.unsettled(), 0);
    }
    assert!(!is_kept(&mut queue));
}
