#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::*;

fn problems_of(source: &str) -> Vec<String> {
    let problems = Problems::default();
    read(source, &problems);
    problems.into_messages("commands.toml")
}

const FULL: &str = r#"
[types]
key = "key"
[tokens]
MATCH = "matching"
[enums]
ListEnd = ["LEFT", "RIGHT"]
[examples]
key = '"key"'
trim = { rust = 'Trim::max_len(10)', wire = ["MAXLEN", "10"] }

[string.set]
doc = "Sets."
syntax = "SET key value [NX]"
reply = "()"
replies = [["NX", "bool"]]
names = { NX = "if_absent" }
flags = "write fast"
idempotent = true
since = "1.0.0"
options.NX = { doc = "Only if absent.", since = { redis = "2.6.12" } }
args.value = '"v"'

[string.get]
doc = "Gets."
syntax = "GET key"
reply = "Option<T>"
"#;

#[test]
fn every_table_is_read_with_its_lines() {
    let problems = Problems::default();
    let spec = read(FULL, &problems);
    assert!(problems.is_empty(), "{:?}", problems.into_messages("f"));
    assert_eq!(
        spec.types["key"],
        Text {
            text: "key".into(),
            line: 3
        }
    );
    assert_eq!(spec.tokens["MATCH"].text, "matching");
    assert_eq!(spec.enums[0].1.len(), 2);
    assert_eq!(
        spec.examples["trim"].wire.as_deref(),
        Some(&["MAXLEN".to_owned(), "10".to_owned()][..])
    );
    let [set, get] = &spec.commands[..] else {
        panic!("two commands")
    };
    assert_eq!(
        (set.group.as_str(), set.label.text.as_str(), set.label.line),
        ("string", "set", 12)
    );
    assert_eq!(get.label.line, 24);
    assert_eq!(
        set.replies[0].1,
        Text {
            text: "bool".into(),
            line: 16
        }
    );
    assert_eq!(
        set.since.as_ref().unwrap().valkey.as_ref().unwrap().text,
        "1.0.0"
    );
    let option = &set.options[0].1;
    assert_eq!(
        option.since.as_ref().unwrap().redis.as_ref().unwrap().text,
        "2.6.12"
    );
    assert!(option.since.as_ref().unwrap().valkey.is_none());
    assert!(set.idempotent);
}

#[test]
fn an_unknown_key_names_the_nearest_known_one() {
    let command = "[string.get]\ndoc = ''\nsyntax = 'GET key'\nreply = '()'\n";
    assert_eq!(
        problems_of(&format!("{command}repleis = []")),
        ["commands.toml:5: [string.get] unknown key `repleis`; did you mean `replies`?"]
    );
    assert_eq!(
        problems_of(&format!("{command}options.NX.docs = ''")),
        ["commands.toml:5: [string.get.options.NX] unknown key `docs`; did you mean `doc`?"]
    );
    assert_eq!(
        problems_of(&format!("{command}since = {{ redi = '1' }}")),
        ["commands.toml:5: [string.get.since] unknown key `redi`; did you mean `redis`?"]
    );
    assert_eq!(
        problems_of("[examples]\ntrim = { rust = '1', wires = [] }"),
        ["commands.toml:2: [examples.trim] unknown key `wires`; did you mean `wire`?"]
    );
}

#[test]
fn what_every_command_has_must_be_there() {
    assert_eq!(
        problems_of("[string.get]\n"),
        [
            "commands.toml:1: [string.get] `doc` is missing; every command has one",
            "commands.toml:1: [string.get] `reply` is missing; every command has one",
            "commands.toml:1: [string.get] `syntax` is missing; every command has one",
        ]
    );
}

#[test]
fn values_of_the_wrong_kind_are_named() {
    let command = "[string.get]\ndoc = ''\nsyntax = 'GET key'\nreply = '()'\n";
    assert_eq!(
        problems_of(&format!(
            "{command}replies = [['NX']]\nidempotent = 'yes'\nmethod = 1"
        )),
        [
            "commands.toml:5: [string.get] `replies` holds an array; expected a pair of texts",
            "commands.toml:6: [string.get] `idempotent` holds a string; expected `true` or `false`",
            "commands.toml:7: [string.get] `method` holds an integer; expected a text",
        ]
    );
    assert_eq!(
        problems_of("[examples]\ntrim = { rust = 'x', wire = 'x' }"),
        ["commands.toml:2: [examples.trim] `wire` holds a string; expected a list of texts"]
    );
    assert_eq!(
        problems_of("title = 'x'"),
        ["commands.toml:1: `title` holds a string; expected a table"]
    );
}

#[test]
fn all_errors_of_the_toml_are_reported() {
    let found = problems_of("[types]\nkey = \n[tokens\nX = 'x'\n");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[0].starts_with("commands.toml:2: this is not TOML: "),
        "{found:?}"
    );
    assert!(
        found[1].starts_with("commands.toml:3: this is not TOML: "),
        "{found:?}"
    );
}
