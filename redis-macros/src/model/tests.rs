#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::states::State;
use super::*;
use crate::commands::check;

/// Types for the rows of these tests.
const HEAD: &str = r#"
[types]
key = "key"
value = "value"
field = "value"
numkeys = "count"
count = "u64"
timeout = "Timeout"
arg = "args"
[enums]
ListEnd = ["LEFT", "RIGHT"]
[examples]
Timeout = "1"
"#;

/// The line of a row's table within its file.
const FIRST: usize = 14;

/// The messages for rows after the head, with the lines counted from the first row's table, which is line 1.
fn messages(rows: &str) -> Vec<String> {
    let Err(messages) = check(&format!("{HEAD}{rows}"), "f") else {
        return Vec::new();
    };
    let relative = |message: String| {
        let (line, text) = message
            .strip_prefix("f:")
            .unwrap()
            .split_once(": ")
            .unwrap();
        format!("{}: {text}", line.parse::<usize>().unwrap() - (FIRST - 1))
    };
    messages.into_iter().map(relative).collect()
}

/// A row of this syntax; `more` are further keys.
fn row(syntax: &str, more: &str) -> String {
    format!("[g.m]\ndoc = 'd'\nsyntax = '{syntax}'\nreply = '()'\n{more}\n")
}

/// The one message for a row.
#[track_caller]
fn one(syntax: &str, more: &str) -> String {
    let found = messages(&row(syntax, more));
    assert_eq!(found.len(), 1, "{found:#?}");
    found[0].clone()
}

fn command(syntax: &str, more: &str) -> Command {
    let (_, model) = check(&format!("{HEAD}{}", row(syntax, more)), "f")
        .unwrap_or_else(|found| panic!("{found:#?}"));
    model
        .groups
        .into_iter()
        .next()
        .unwrap()
        .commands
        .into_iter()
        .next()
        .unwrap()
}

#[test]
fn a_sound_row_has_no_problems() {
    assert_eq!(
        messages(&row(
            "SET key value [NX | XX]",
            "names = { NX = 'if_absent' }"
        )),
        [""; 0]
    );
}

#[test]
fn placeholders_have_types() {
    assert_eq!(
        one("X vallue", ""),
        "3: [g.m] unknown placeholder `vallue` (did you mean `value`?); expected an entry in [types] or an inline type \
         such as `vallue:u64`"
    );
    assert_eq!(
        one("X zzz", ""),
        "3: [g.m] unknown placeholder `zzz`; expected an entry in [types] or an inline type such as `zzz:u64`"
    );
    assert_eq!(
        one("X n:u65", ""),
        "3: [g.m] unknown type `u65` of `n`; expected `key`, `value`, `args`, `count`, `words`, a number type such as \
         `i64`, or the name of a type in upper case"
    );
    let found = check("[types]\nn = 'u65'\n", "f").unwrap_err();
    assert_eq!(
        found,
        [
            "f:2: [types] unknown type `u65`; expected `key`, `value`, `args`, `count`, `words`, a number type such as `i64`, \
          or the name of a type in upper case"
        ]
    );
}

#[test]
fn the_syntax_is_in_the_notation() {
    assert_eq!(
        one("SET [key", ""),
        "3: [g.m] syntax, column 9: found the end; expected `]`"
    );
}

#[test]
fn keys_name_options_that_exist() {
    for (more, key) in [
        ("replies = [['NY', 'bool']]", "replies"),
        ("requires = { NY = 'NX' }", "requires"),
        ("requires = { NX = 'NY' }", "requires"),
        ("conflicts = [['NY', 'NX']]", "conflicts"),
        ("conflicts = [['NX', 'NY']]", "conflicts"),
        ("names = { NY = 'x' }", "names"),
        ("options.NY = { doc = 'd' }", "options"),
    ] {
        assert_eq!(
            one("SET key [NX]", more),
            format!(
                "5: [g.m] `{key}` names `NY`, which is no option of the syntax; did you mean `NX`?"
            )
        );
    }
}

#[test]
fn keys_name_placeholders_that_exist() {
    assert_eq!(
        one("SET key [NX]", "args.kez = '1'"),
        "5: [g.m] `args` names `kez`, which is no placeholder of the syntax; did you mean `key`?"
    );
    assert_eq!(
        one("SET key [NX]", "args.secret = '1'"),
        "5: [g.m] `args` names `secret`, which is no placeholder of the syntax; known: key"
    );
    assert_eq!(
        one("SET key [NX]", "blocking = 'timeout'"),
        "5: [g.m] `blocking` names `timeout`, which is no required placeholder and no option with an argument"
    );
    assert_eq!(
        one("SET key count", "blocking = 'count'"),
        "5: [g.m] `blocking` names `count`, whose type does not tell how long; expected a named type such as `Timeout`"
    );
}

#[test]
fn words_of_flags_and_policies_are_known() {
    assert_eq!(
        one("GET key", "flags = 'readonyl fast'"),
        "5: [g.m] unknown flag `readonyl`; did you mean `readonly`?"
    );
    assert_eq!(
        one("GET key", "flags = 'readonly write'"),
        "5: [g.m] both `readonly` and `write`; expected one of them"
    );
    assert_eq!(
        one("GET key", "state = 'databse'"),
        "5: [g.m] unknown state `databse`; did you mean `database`?"
    );
    assert_eq!(
        one("GET key", "request_policy = 'all_node'"),
        "5: [g.m] unknown request_policy `all_node`; did you mean `all_nodes`?"
    );
    assert_eq!(
        one("GET key", "response_policy = 'agg_summ'"),
        "5: [g.m] unknown response_policy `agg_summ`; did you mean `agg_sum`?"
    );
    assert_eq!(
        one("GET key", "since = '6.2'"),
        "5: [g.m] `6.2` is no version; expected one such as `6.2.0`"
    );
}

#[test]
fn choices_of_words_are_enums() {
    assert_eq!(
        one("X <UP | DOWN>", ""),
        "3: [g.m] `<UP | DOWN>` has no type; expected an entry in [enums] with exactly these words"
    );
    assert_eq!(messages(&row("X <RIGHT | LEFT>", "")), [""; 0]);
}

#[test]
fn enums_are_distinct_and_named_as_rust_names_them() {
    let found = check(
        "[enums]\nA = ['X', 'Y']\nB = ['Y', 'X']\nlower = ['Z']\nC = ['*']\n",
        "f",
    )
    .unwrap_err();
    assert_eq!(
        found,
        [
            "f:3: [enums] `B` has the words of `A`; expected one enum for them",
            "f:4: [enums] `lower` is no name of a type; expected one such as `ListEnd`",
            "f:5: [enums] `*` gives no name of a variant; expected a word of letters",
            "f:5: [enums] `C` has no words; expected some",
        ]
    );
}

#[test]
fn option_methods_clash_with_nothing() {
    assert_eq!(
        one("SET key [A | B]", "names = { B = 'a' }"),
        "3: [g.m] the options `A` and `B` would both be the method `a`; set another name in `names`"
    );
    assert_eq!(
        one("SET key [SEND]", ""),
        "3: [g.m] the method `send` of the option `SEND` is a method that every request has; set another name in `names`"
    );
    assert_eq!(
        one("SCAN [MATCH value]", ""),
        "3: [g.m] the method `match` of the option `MATCH` is a keyword of Rust; set another name in `names`"
    );
    assert_eq!(
        one("SCAN [A value]", "names = { A = 'await' }"),
        "5: [g.m] the method `await` of the option `A` is a keyword of Rust; set another name in `names`"
    );
    let get = "[h.get]\ndoc = 'd'\nsyntax = 'GET key'\nreply = '()'\n";
    assert_eq!(
        messages(&format!("{}{get}", row("SET key [GET]", ""))),
        [
            "1: [g.m] the option `GET` is the method `get`, which is the command [h.get] too; set another name in `names`"
        ]
    );
}

#[test]
fn command_methods_are_distinct() {
    let other = "[h.m]\ndoc = 'd'\nsyntax = 'GET key'\nreply = '()'\n";
    assert_eq!(
        messages(&format!("{}{other}", row("SET key", ""))),
        ["6: [h.m] the method `m` is that of [g.m] (line 14) too; expected another name"]
    );
    let keyword = "[g.type]\ndoc = 'd'\nsyntax = 'TYPE key'\nreply = '()'\n";
    assert_eq!(
        messages(keyword),
        ["1: [g.type] `type` is a keyword of Rust; set `method`"]
    );
    assert_eq!(
        one("X key", "method = 'poll'"),
        "5: [g.m] `poll` is a method that every request has; set `method`"
    );
}

#[test]
fn bare_options_have_names() {
    assert_eq!(
        one("X key [<LEFT | RIGHT>]", ""),
        "3: [g.m] `[<LEFT | RIGHT>]` has no possible name; expected a word or a name as in `mode:<A | B>`"
    );
    assert_eq!(
        command("X key [end:<LEFT | RIGHT>]", "").options[0].method,
        "end"
    );
    assert_eq!(
        command("X key [numkeys field [field ...]]", "").options[0].method,
        "field"
    );
}

#[test]
fn parameters_have_distinct_names() {
    assert_eq!(
        one("LMOVE key <LEFT | RIGHT> <LEFT | RIGHT>", ""),
        "3: [g.m] two parameters of the name `list_end`; expected different placeholders, or a name as in `end:<A | B>`"
    );
}

#[test]
fn replies_are_types() {
    assert_eq!(
        messages("[g.m]\ndoc = 'd'\nsyntax = 'X [A]'\nreply = 'Vec<'\nreplies = [['A', '7']]\n"),
        [
            "4: [g.m] the reply `Vec<` is no type; expected one such as `Option<T>`",
            "5: [g.m] the reply `7` is no type; expected one such as `Option<T>`",
        ]
    );
}

#[test]
fn counts_are_followed_by_what_they_count() {
    assert_eq!(
        one("X numkeys key", ""),
        "3: [g.m] `numkeys` counts what follows it, and `key` follows; expected a list such as `key [key ...]`"
    );
    assert_eq!(
        one("X key numkeys", ""),
        "3: [g.m] `numkeys` counts what follows it, and nothing follows; expected a list such as `key [key ...]`"
    );
}

#[test]
fn lists_are_of_single_arguments() {
    assert_eq!(
        one("X key [AS value] [key [AS value] ...]", ""),
        "3: [g.m] `key [AS value] [key [AS value] ...]` is more than a list of up to three placeholders; expected a \
         placeholder with a type written by hand, such as `steps:Steps`"
    );
    assert_eq!(
        one("X arg [arg ...]", ""),
        "3: [g.m] `arg` in a list has the type `args`; expected the type of a single argument"
    );
    assert_eq!(
        one("X key [key ...] field value [field value ...]", ""),
        "3: [g.m] `key [key ...] field value [field value ...]`: two lists side by side; expected one placeholder in each"
    );
}

#[test]
fn examples_are_rust_whose_words_are_known() {
    assert_eq!(
        one("X key", "args.key = 'Key::new(1)'"),
        "5: [g.m] the example `Key::new(1)` of `key` is no literal; expected `{ rust = ..., wire = [...] }`"
    );
    assert_eq!(
        one("X key", "args.key = '1 +'"),
        "5: [g.m] the example `1 +` of `key` is no Rust; expected an expression"
    );
    assert_eq!(
        one("X path:Path", ""),
        "3: [g.m] `path` has no example; expected one of `path` or `Path` in [examples]"
    );
    let example = |syntax, more| {
        command(syntax, more)
            .params()
            .next()
            .unwrap()
            .example
            .clone()
    };
    assert_eq!(example("X key [key ...]", "").rust, r#"["key", "key2"]"#);
    assert_eq!(
        example("X key [key ...]", "args.key = '\"a\"'").rust,
        r#"["a"]"#
    );
    assert_eq!(
        example("X key [key ...]", "args.key = '[\"a\", \"b\", \"c\"]'").wire,
        ["a", "b", "c"]
    );
    assert_eq!(
        example("X field count [field count ...]", "").rust,
        r#"[("field", 1), ("field2", 2)]"#
    );
}

#[test]
fn options_that_nothing_can_choose_are_noted() {
    assert_eq!(
        one(
            "X key [A] [B]",
            "requires = { A = 'B' }\nconflicts = [['A', 'B']]"
        ),
        "3: [g.m] `requires` and `conflicts` leave no way to choose `A`; expected one"
    );
    // Requirements in a circle end too.
    assert_eq!(
        messages(&row("X key [A] [B]", "requires = { A = 'B', B = 'A' }")).len(),
        2
    );
}

#[test]
fn options_that_depend_on_too_much_are_noted() {
    let words: Vec<String> = ('A'..='K')
        .map(|letter| format!("{letter}{letter}"))
        .collect();
    let options: String = words.iter().map(|word| format!(" [{word}]")).collect();
    let found = messages(&row(
        &format!("X key{options}"),
        &format!("replies = [['{}', 'T']]", words.join(" & ")),
    ));
    assert_eq!(found.len(), 11);
    assert_eq!(
        found[0],
        "3: [g.m] `AA` depends on more combinations of options than can be expanded; expected fewer options in `replies`, \
         `requires` and `conflicts`, or a row of its own for one form"
    );
}

#[test]
fn builders_hide_no_type() {
    assert_eq!(
        messages("[g.timeout]\ndoc = 'd'\nsyntax = 'X timeout [NX]'\nreply = '()'\n"),
        [
            "1: [g.timeout] the type `Timeout` is hidden by the builder of [g.timeout]; set `method` there"
        ]
    );
}

#[test]
fn everything_is_reported_at_once() {
    let rows = "[g.a]\ndoc = 'd'\nsyntax = 'A zzz'\nreply = '()'\nflags = 'fats'\n[g.b]\nsyntax = 'B ['\nreply = '()'\n\
                [g.c]\ndoc = 'd'\nsyntax = 'C ['\nreply = '()'\n";
    assert_eq!(
        messages(rows),
        [
            "3: [g.a] unknown placeholder `zzz`; expected an entry in [types] or an inline type such as `zzz:u64`",
            "5: [g.a] unknown flag `fats`; did you mean `fast`?",
            "6: [g.b] `doc` is missing; every command has one",
            "11: [g.c] syntax, column 4: found the end; expected a word or a placeholder",
        ]
    );
}

#[test]
fn parts_are_numbered_as_the_syntax_declares_them() {
    let set = command("SET key value [NX | XX] [GET] [EX count | PERSIST]", "");
    let orders: Vec<u8> = set
        .options
        .iter()
        .map(|option| option.body.runs[0].order)
        .collect();
    assert_eq!(orders, [1, 1, 2, 3, 3]);
    let pending = command("X key [[IDLE count] field value [arg]] LAST", "");
    let orders = |body: &Body| body.runs.iter().map(|run| run.order).collect::<Vec<_>>();
    let options: Vec<Vec<u8>> = pending
        .options
        .iter()
        .map(|option| orders(&option.body))
        .collect();
    assert_eq!(options, [[2], [1], [3]]);
    assert_eq!(orders(&pending.body), [0, 4]);
    assert_eq!(pending.options[1].parent, Some(0));
    // An option whose own words stand around another one has two runs.
    let around = command("X [A value [B] field]", "");
    assert_eq!(orders(&around.options[0].body), [1, 3]);
}

#[test]
fn a_choice_that_nothing_depends_on_needs_no_type_parameter() {
    let scan = command("SCAN count [A value] [B]", "");
    assert!(scan.slots.is_empty());
    let set = command("SET key [NX | XX] [GET] [C]", "replies = [['GET', 'T']]");
    let names: Vec<&str> = set.slots.iter().map(|slot| slot.name.as_str()).collect();
    assert_eq!(names, ["NxChoice", "Get"]);
    assert!(set.slots.iter().all(|slot| !slot.apart && !slot.required));
}

#[test]
fn a_type_parameter_hides_no_type() {
    let row = command("X key [TIMEOUT timeout]", "replies = [['TIMEOUT', 'T']]");
    assert_eq!(row.slots[0].name, "TimeoutChoice");
    let row = command("X key [Z]", "replies = [['Z', 'T']]");
    assert_eq!(row.slots[0].name, "ZChoice");
}

#[test]
fn options_are_told_apart_only_where_it_matters_which() {
    let zrange = command(
        "X key [BYSCORE | BYLEX] [LIMIT count] [SCORES]",
        "conflicts = [['SCORES', 'BYLEX']]",
    );
    let apart: Vec<bool> = zrange.slots.iter().map(|slot| slot.apart).collect();
    assert_eq!(apart, [true, false]);
    let limited = command(
        "X key [BYSCORE | BYLEX] [LIMIT count]",
        "requires = { LIMIT = 'BYSCORE | BYLEX' }",
    );
    assert!(!limited.slots[0].apart);
}

#[test]
fn the_reply_is_that_of_the_first_rule_that_holds() {
    let set = command(
        "SET key [NX | XX] [GET]",
        "replies = [['GET', 'Option<T>'], ['NX | XX', 'bool']]",
    );
    let reply = |chosen: &[OptionId]| set.replies.reply(|id| chosen.contains(&id)).text.clone();
    assert_eq!(
        [
            reply(&[]),
            reply(&[0]),
            reply(&[1]),
            reply(&[2]),
            reply(&[0, 2])
        ],
        ["()", "bool", "bool", "Option<T>", "Option<T>"]
    );
    let changes = |id| {
        let transitions = set.transitions(id);
        transitions
            .iter()
            .map(|found| {
                (
                    found.from.clone(),
                    found
                        .reply
                        .map(|(old, new)| (old.text.clone(), new.text.clone())),
                )
            })
            .collect::<Vec<_>>()
    };
    let change = |old: &str, new: &str| Some((old.to_owned(), new.to_owned()));
    assert_eq!(
        changes(0),
        [
            (vec![State::Open, State::Open], change("()", "bool")),
            (vec![State::Open, State::Chosen], None)
        ]
    );
    assert_eq!(
        changes(2),
        [
            (vec![State::Open, State::Open], change("()", "Option<T>")),
            (
                vec![State::Chosen, State::Open],
                change("bool", "Option<T>")
            ),
        ]
    );
}

#[test]
fn transitions_keep_requirements_and_conflicts() {
    let row = command(
        "X key [A | B] [C] [D]",
        "requires = { C = 'A' }\nconflicts = [['D', 'A & C']]",
    );
    let from = |id| {
        let transitions = row.transitions(id);
        transitions
            .into_iter()
            .map(|found| found.from)
            .collect::<Vec<_>>()
    };
    let (open, a, b) = (State::Open, State::Option(0), State::Option(1));
    // C only after A, and not when D makes that one too many.
    assert_eq!(from(2), [[a, open, open]]);
    // D in every state but with A and C.
    assert_eq!(
        from(3),
        [
            vec![State::Any, open, open],
            vec![open, State::Chosen, open],
            vec![b, State::Chosen, open],
        ]
    );
    assert_eq!(row.complete(&[2]).unwrap(), [0, 2]);
    assert_eq!(row.complete(&[1, 2]), None);
    assert_eq!(row.complete(&[2, 3]), None);
    assert_eq!(row.most().unwrap(), [3, 1]);
}

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
fn shown_types_are_types_of_parameters() {
    let with = |shown: &str| one("M key", &format!("shown = {{ {shown} }}"));
    assert_eq!(
        with("T = 'String'"),
        "5: [g.m] `shown` names `T`, which no reply has; expected a type parameter such as `T`"
    );
    let rows = "[g.m]\ndoc = 'd'\nsyntax = 'M key'\nreply = 'Option<T>'\nshown = { T = 'Vec<' }\n";
    assert_eq!(
        messages(rows),
        ["5: [g.m] `Vec<` is no type; expected one such as `String`"]
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
