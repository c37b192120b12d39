#![allow(clippy::unwrap_used)]

use typedis_testkit::resp::Resp;
use typedis_testkit::{array, push};

use super::*;
use crate::config::Address;
use crate::reply::Frame;

const EXTRA: Duration = Duration::from_secs(10);

fn read(push: Resp) -> Option<Notice> {
    let frame = Frame::parse(push.as_ref().to_vec()).unwrap();
    Notice::read(&frame.reply())
}

fn notice(push: Resp) -> Notice {
    read(push).unwrap()
}

fn at(host: &str, port: u16) -> Option<Address> {
    Some(Address::Tcp(host.to_owned(), port))
}

fn migrating(sequence: i64) -> Notice {
    notice(push!["MIGRATING", sequence, 1, "2"])
}

fn migrated(sequence: i64) -> Notice {
    notice(push!["MIGRATED", sequence, "2"])
}

#[test]
fn all_notices_are_read_in_the_forms_that_servers_send() {
    let seconds = Duration::from_secs;
    let status = Resp::status;
    let read = |push| notice(push).content;
    let shards = || "1,2".to_owned();
    assert_eq!(
        read(push![status("MIGRATING"), 1, 10, status("1,2")]),
        Maintenance::Migrating {
            shards: shards(),
            within: seconds(10)
        }
    );
    assert_eq!(
        read(push!["FAILING_OVER", 2, 20, array!["1", "2"]]),
        Maintenance::FailingOver {
            shards: shards(),
            within: seconds(20)
        }
    );
    assert_eq!(
        read(push!["MIGRATED", 1, "1,2"]),
        Maintenance::Migrated { shards: shards() }
    );
    assert_eq!(
        read(push!["FAILED_OVER", 2]),
        Maintenance::FailedOver {
            shards: String::new()
        }
    );
    assert_eq!(
        read(push!["SMIGRATING", 3, "123,789-1000"]),
        Maintenance::SlotsMigrating {
            slots: "123,789-1000".to_owned()
        }
    );
    let moves = array![array!["a:1", "b:2", "5"], array!["a:1", "c:3", "7-9"]];
    let Maintenance::SlotsMigrated { moves } = read(push!["SMIGRATED", 4, moves]) else {
        panic!()
    };
    let shown: Vec<_> = moves
        .iter()
        .map(|one| (one.from.as_str(), one.to.as_str(), one.slots.as_str()))
        .collect();
    assert_eq!(shown, [("a:1", "b:2", "5"), ("a:1", "c:3", "7-9")]);
}

#[test]
fn an_endpoint_is_read_also_if_it_is_an_ipv6_address_and_may_be_missing() {
    let cases = [
        (
            Resp::from("54.78.247.156:12075"),
            at("54.78.247.156", 12075),
        ),
        (
            Resp::status("db.example.com:6379"),
            at("db.example.com", 6379),
        ),
        (Resp::from("2001:db8::1:6379"), at("2001:db8::1", 6379)),
        (Resp::from("[2001:db8::1]:6379"), at("2001:db8::1", 6379)),
        (Resp::null(), None),
        (Resp::from("null"), None),
        (Resp::from(""), None),
    ];
    for (endpoint, to) in cases {
        let notice = notice(push!["MOVING", 17, 15, endpoint]);
        let within = Duration::from_secs(15);
        assert_eq!(notice.content, Maintenance::Moving { to, within });
        assert_eq!(notice.sequence, 17);
    }
    let short = notice(push!["MOVING", 17, 15]).content;
    assert!(matches!(short, Maintenance::Moving { to: None, .. }));
}

#[test]
fn numbers_may_be_texts_and_times_are_bounded() {
    let notice = notice(push!["MOVING", "17", "99999999", Resp::null()]);
    let within = LONGEST;
    assert_eq!(notice.content, Maintenance::Moving { to: None, within });
}

#[test]
fn what_is_unreadable_is_nothing() {
    for push in [
        push![],
        push!["moving", 1, 2, "a:1"],
        push!["MOVING"],
        push!["MOVING", "x", 2, "a:1"],
        push!["MOVING", 1, -2, "a:1"],
        push!["MOVING", 1, 2, "a"],
        push!["MOVING", 1, 2, "a:0"],
        push!["MOVING", 1, 2, "a:70000"],
        push!["MOVING", 1, 2, "a b:1"],
        push!["MOVING", 1, 2, array!["a:1"]],
        push!["MIGRATING", 1],
        push!["SMIGRATED", 1, "a:1"],
        push!["SMIGRATED", 1, array![array!["a:1", "b:1"]]],
        push![Resp::null(), 1],
    ] {
        let text = push.to_string();
        assert_eq!(read(push), None, "{text:?}");
    }
}

#[test]
fn limits_are_longer_until_the_last_operation_has_ended_and_for_a_while_then() {
    let mut operations = Operations::default();
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut note = |notice: Notice, now| {
        let relaxation = operations.note(&notice, now, EXTRA)?;
        Some(relaxation.until)
    };
    assert_eq!(note(migrating(1), at(0)), Some(at(0) + LONGEST + EXTRA));
    assert_eq!(note(migrating(2), at(5)), Some(at(5) + LONGEST + EXTRA));
    // The number of the end may be another.
    assert_eq!(note(migrated(9), at(20)), Some(at(5) + LONGEST + EXTRA));
    assert_eq!(note(migrated(2), at(30)), Some(at(30) + EXTRA));
}

#[test]
fn an_end_of_another_kind_or_without_a_beginning_changes_nothing_else() {
    let mut operations = Operations::default();
    let now = Instant::now();
    operations.note(&migrating(1), now, EXTRA);
    let failed_over = notice(push!["FAILED_OVER", 1, "2"]);
    let relaxation = operations.note(&failed_over, now, EXTRA).unwrap();
    assert_eq!(relaxation.until, now + LONGEST + EXTRA);
}

#[test]
fn a_repetition_is_known_until_there_is_a_new_socket_and_that_of_a_move_afterwards_too() {
    let mut operations = Operations::default();
    let now = Instant::now();
    let moving = notice(push!["MOVING", 1, 15, "a:1"]);
    let elsewhere = notice(push!["MOVING", 1, 15, "b:1"]);
    assert!(operations.note(&moving, now, EXTRA).is_some());
    assert!(operations.note(&migrating(1), now, EXTRA).is_some());
    assert_eq!(operations.note(&moving, now, EXTRA), None);
    assert_eq!(operations.note(&migrating(1), now, EXTRA), None);
    assert!(operations.note(&elsewhere, now, EXTRA).is_some());
    let relaxation = operations.connected(now, EXTRA).unwrap();
    assert_eq!(relaxation.until, now + EXTRA);
    assert_eq!(operations.note(&moving, now, EXTRA), None);
    assert!(operations.note(&migrating(1), now, EXTRA).is_some());
    // Numbers may begin again, for instance after a restart.
    assert!(operations.note(&moving, now + LONGEST, EXTRA).is_some());
}

#[test]
fn a_new_socket_without_an_operation_leaves_limits_as_they_are() {
    assert_eq!(Operations::default().connected(Instant::now(), EXTRA), None);
}

#[test]
fn what_is_kept_is_bounded() {
    let mut operations = Operations::default();
    let now = Instant::now();
    for sequence in 0..1_000 {
        operations.note(&migrating(sequence), now, EXTRA);
    }
    assert!(operations.seen.len() <= 64 && operations.lasting.len() <= 64);
}
