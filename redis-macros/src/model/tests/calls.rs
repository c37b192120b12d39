//! Tests of scripts and functions; raw commands; names beside the keys.

use super::*;

#[test]
fn keys_of_a_script_come_first() {
    let late = "the key `key` stands after something else; expected all keys of a script or function first, without their \
                number, which is computed";
    assert_eq!(
        one("RESERVE value key", "script = 'a.lua'"),
        format!("3: [g.m] {late}")
    );
    assert_eq!(
        one("RESERVE value [OF key]", "function = 'f'"),
        format!("3: [g.m] {late}")
    );
    assert!(
        messages(&row(
            "RESERVE key [key ...] value [OF field]",
            "script = 'a.lua'"
        ))
        .is_empty()
    );
}

#[test]
fn a_row_calls_one_thing() {
    assert_eq!(
        one("RESERVE key", "script = 'a.lua'\nfunction = 'f'"),
        "6: [g.m] `function` and `script` exclude each other; expected one of them"
    );
}

#[test]
fn what_is_refused_is_a_name_without_a_row() {
    let rows = row("LISTEN key", "") + "[refused]\nLISTEN = 'x'\nlower = 'x'\n'A B C' = 'x'\n";
    assert_eq!(
        messages(&rows),
        [
            "7: [refused] `LISTEN` has a row, [g.m]; expected one of the two",
            "8: [refused] `lower` is no command; expected one word or two, in upper case",
            "9: [refused] `A B C` is no command; expected one word or two, in upper case",
        ]
    );
}

#[test]
fn the_place_of_a_limit_must_be_fixed_where_raw_commands_are_looked_up() {
    let rows = row(
        "POP key [key ...] timeout [COUNT count]",
        "blocking = 'timeout'",
    );
    assert_eq!(messages(&rows), Vec::<String>::new());
    let refused = "[refused]\nLISTEN = 'x'\n";
    assert_eq!(
        messages(&(rows + refused)),
        [
            "1: [g.m] what stands around `timeout` has no fixed number of words; expected that before it, or behind it",
        ]
    );
}

#[test]
fn names_beside_the_keys_are_found_where_the_row_says() {
    let scan = command(
        "C count [LIKE value]",
        "key_pattern = 'LIKE'\nreply_names = ['1.each', 'source', 'whole']",
    );
    let naming = scan.facts.naming.unwrap();
    assert_eq!(naming.pattern, Some(PatternPlace::After("LIKE".to_owned())));
    let expected = [
        vec![Step::Nth(1), Step::Each],
        vec![Step::Field("source".to_owned())],
        vec![],
    ];
    assert_eq!(naming.in_reply, expected);
    let keys = command("C value", "key_pattern = 'value'").facts.naming;
    assert_eq!(keys.unwrap().pattern, Some(PatternPlace::First));
    assert_eq!(command("C key", "").facts.naming, None);
    let slot = command("C value", "slot_first = true").facts.naming;
    assert!(slot.unwrap().slot_first);
}

#[test]
fn names_that_are_nowhere_are_told() {
    let pattern = one("C value [LIKE field]", "key_pattern = 'LYKE'");
    assert!(
        pattern.contains("`LYKE` is neither an option nor the first placeholder"),
        "{pattern}"
    );
    let template = one("C key [BY value]", "key_templates = ['BI']");
    assert!(template.contains("unknown option `BI`"), "{template}");
    assert!(template.contains("`BY`"), "{template}");
    let channels = one("C value", "channels = 'frist'");
    assert!(channels.contains("unknown channels `frist`"), "{channels}");
}

#[test]
fn what_runs_code_can_change_keys_that_it_does_not_name() {
    let writes_unnamed = |syntax, more| command(syntax, more).facts.writes_unnamed;
    let call = "RUN numkeys [key [key ...]] value";
    assert!(writes_unnamed(call, "flags = 'noscript'"));
    assert!(!writes_unnamed(call, "flags = 'readonly noscript'"));
    assert!(writes_unnamed("RESERVE key", "script = 'a.lua'"));
    assert!(writes_unnamed("RESERVE key", "function = 'f'"));
    assert!(writes_unnamed("FLUSH", "flags = 'write'"));
    assert!(!writes_unnamed("PUT key", "flags = 'write'"));
    assert!(!writes_unnamed("PUT key", ""));
    // As SPUBLISH is written down.
    assert!(!writes_unnamed(
        "TELL key value",
        "flags = 'fast'\nroute_only = true\nchannels = 'first'"
    ));
    assert!(!writes_unnamed(
        "OBSERVE key",
        "flags = 'noscript'\nstate = 'watch'"
    ));
}
