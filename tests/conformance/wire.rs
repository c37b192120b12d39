//! What is sent, against the syntax.

use crate::cases::cases;
use crate::server::{
    Edition, OLD_REDIS, REDIS, REDIS_NODE, REDIS_SENTINEL, VALKEY, VALKEY_NODE, VALKEY_SENTINEL,
};

#[test]
fn every_call_sends_the_words_of_its_syntax_in_the_declared_order() {
    for case in cases() {
        let sent = (case.build)().to_words();
        let sent: Vec<_> = sent
            .iter()
            .map(|word| String::from_utf8_lossy(word))
            .collect();
        assert_eq!(sent, case.text(), "{}", case.call);
    }
}

#[test]
fn every_call_counts_the_keys_of_its_syntax() {
    for case in cases() {
        let args = (case.build)();
        let keys: Vec<usize> = args
            .key_positions()
            .iter()
            .map(|position| *position as usize)
            .collect();
        assert_eq!(keys, case.keys, "{}", case.call);
    }
}

#[test]
fn every_call_is_made_on_some_server() {
    let usual = [&VALKEY, &REDIS, &OLD_REDIS];
    let special = [&VALKEY_NODE, &REDIS_NODE, &VALKEY_SENTINEL, &REDIS_SENTINEL];
    let editions = [&usual[..], &special].concat();
    for case in cases() {
        let made = editions.iter().any(|edition| edition.makes(&case));
        assert!(made || Edition::all_precede(&case), "{}", case.call);
    }
}
