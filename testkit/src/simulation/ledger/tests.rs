//! The rules of the ledger, each with a record that breaks it.

#![allow(clippy::unwrap_used)]

use super::*;

/// A ledger with a transaction of two commands.
fn transaction() -> (Ledger, [Token; 2]) {
    let mut ledger = Ledger::default();
    let tokens = [1, 2].map(|_| ledger.issue(0, "INCRBY", false));
    ledger.bind(&tokens);
    (ledger, tokens)
}

fn broken(ledger: &Ledger) -> Option<&'static str> {
    ledger.close().err().map(|violation| violation.rule)
}

const WHOLE: Option<&str> = Some("a transaction is carried out as a whole");

#[test]
fn a_transaction_that_was_sent_elsewhere_first_is_carried_out_as_a_whole_too() {
    let (mut ledger, [first, second]) = transaction();
    for token in [first, second] {
        ledger.refused(token, 1, true);
    }
    assert_eq!(broken(&ledger), None);
    ledger.done(first, &Answer::Integer(1), 2).unwrap();
    assert_eq!(broken(&ledger), WHOLE);
    ledger.done(second, &Answer::Integer(2), 2).unwrap();
    assert_eq!(broken(&ledger), None);
}

#[test]
fn a_command_of_a_transaction_may_fail_in_it() {
    let (mut ledger, [first, second]) = transaction();
    ledger.done(first, &Answer::Integer(1), 1).unwrap();
    assert_eq!(broken(&ledger), WHOLE);
    ledger.failed(second, 1);
    assert_eq!(broken(&ledger), None);
}

#[test]
fn an_element_is_lost_only_by_the_call_that_it_was_handed_to() {
    let mut ledger = Ledger::default();
    let token = ledger.issue(0, "RPUSH", false);
    ledger.done(token, &Answer::Integer(1), 1).unwrap();
    ledger.wrote(b"list", token);
    assert_eq!(broken(&ledger), None);
    let [taker, another] = [(); 2].map(|()| ledger.begin_pop());
    ledger.popped(token, taker);
    ledger.pop_uncertain(another);
    let lost = Some("no element is lost without an error");
    assert_eq!(broken(&ledger), lost);
    ledger.pop_uncertain(taker);
    assert_eq!(broken(&ledger), None);
}
