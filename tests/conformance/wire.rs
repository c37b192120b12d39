//! What is sent, against the syntax.

use crate::cases::cases;
use crate::server::{Edition, USUAL};

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
fn every_call_that_a_server_here_knows_is_made_there() {
    for case in cases() {
        let made = USUAL.iter().any(|edition| {
            let special = [edition.node(), edition.sentinel()];
            edition.makes(&case) || special.iter().any(|edition| edition.makes(&case))
        });
        assert_eq!(made, Edition::some_knows(&case), "{}", case.call);
    }
}
