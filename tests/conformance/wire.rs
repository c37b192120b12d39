//! What is sent, against the syntax.

use crate::cases::cases;

#[test]
fn every_call_sends_the_words_of_its_syntax_in_the_declared_order() {
    for case in cases() {
        let sent = (case.build)().to_words();
        assert_eq!(text(&sent), text(&case.words), "{}", case.call);
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
fn every_command_has_a_case_for_each_of_its_options() {
    let cases = cases();
    let methods: std::collections::BTreeSet<_> = cases.iter().map(|case| case.method).collect();
    assert!(
        methods.len() > 200,
        "the spec has {} methods",
        methods.len()
    );
    let with_options = cases.iter().filter(|case| !case.options.is_empty()).count();
    assert!(with_options > 200, "{with_options} calls with options");
}

fn text(words: &[Vec<u8>]) -> Vec<String> {
    words
        .iter()
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect()
}
