//! Tests of what a row says: placeholders, words, enums, parameters.

use super::*;

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
         `i64`, a range such as `0..=100`, or the name of a type in upper case"
    );
    let found = check("[types]\nn = 'u65'\n", "f").unwrap_err();
    assert_eq!(
        found,
        [
            "f:2: [types] unknown type `u65`; expected `key`, `value`, `args`, `count`, `words`, a number type such as `i64`, \
          a range such as `0..=100`, or the name of a type in upper case"
        ]
    );
}

#[test]
fn a_range_is_for_records() {
    for syntax in ["X n:0..=9", "X n:0..=9 [n ...]", "X [WORD n:0..=9]"] {
        assert_eq!(
            one(syntax, ""),
            "3: [g.m] `n` has the range `0..=9`, which is for pairs and longer records; expected a number type such as `u64`",
            "{syntax}"
        );
    }
    for range in ["9..=0", "0..=x", "..=9", "0..9"] {
        let found = one(&format!("X value n:{range} [value n ...]"), "");
        let expected = format!("3: [g.m] unknown type `{range}` of `n`; ");
        assert!(found.starts_with(&expected), "{found}");
    }
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

/// They would hide each other, and the compiler would tell of places that nobody wrote.
#[test]
fn names_that_become_one_are_noted() {
    let row = |name: &str, syntax: &str| {
        format!("[{name}]\ndoc = 'd'\nsyntax = '{syntax}'\nreply = '()'\n")
    };
    assert_eq!(
        messages(&(row("g.get_1", "A key [X]") + &row("g.get1", "B key [X]"))),
        ["5: [g.get1] its builder and that of [g.get_1] would both be `Get1`; set `method`"]
    );
    assert_eq!(
        messages(&(row("g_1.a", "A key") + &row("g1.b", "B key"))),
        [
            "5: [g1] the groups `g_1` and `g1` would both have the trait `G1Commands`; expected another name"
        ]
    );
    let found = check("[enums]\nA = ['X-Y', 'X_Y']\n", "f").unwrap_err();
    assert_eq!(
        found,
        [
            "f:2: [enums] `X-Y` and `X_Y` would both be the variant `A::XY`; expected words that differ in letters or digits"
        ]
    );
}

#[test]
fn a_command_is_not_called_like_a_method_of_handles() {
    assert_eq!(
        one("DOOR.CLOSE", "method = 'close'"),
        "5: [g.m] `close` is a method of handles or pipelines, which a call would mean; set `method`"
    );
    assert_eq!(
        one("QUEUE.LEN", "method = 'len'"),
        "5: [g.m] `len` is a method of handles or pipelines, which a call would mean; set `method`"
    );
    assert_eq!(
        one("QUEUE EXEC", "method = 'exec'"),
        "5: [g.m] `exec` is a method of handles or pipelines, which a call would mean; set `method`"
    );
    // It is for another handle than the transaction.
    assert!(messages(&self::row("EXEC", "method = 'exec'")).is_empty());
    // On a builder it means nothing else.
    assert!(messages(&self::row("X key [CLOSE]", "")).is_empty());
}

#[test]
fn parameters_have_distinct_names() {
    assert_eq!(
        one("LMOVE key <LEFT | RIGHT> <LEFT | RIGHT>", ""),
        "3: [g.m] two parameters of the name `list_end`; expected different placeholders, or a name as in `end:<A | B>`"
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
fn builders_hide_no_type() {
    assert_eq!(
        messages("[g.timeout]\ndoc = 'd'\nsyntax = 'X timeout [NX]'\nreply = '()'\n"),
        [
            "1: [g.timeout] the type `Timeout` is hidden by the builder of [g.timeout]; set `method` there"
        ]
    );
}

/// What the examples of the last parameter are sent as.
fn sent(syntax: &str, more: &str) -> Vec<String> {
    let body = command(syntax, more).body;
    let last = body.params().last().unwrap();
    last.example.wire.clone()
}

#[test]
fn examples_fit_their_types() {
    let of = |ty: &str, more: &str| {
        let syntax = format!("X field weight:{ty} [field weight ...]");
        sent(&syntax, more)
    };
    assert_eq!(of("0..=1", ""), ["field", "1", "field2", "1"]);
    assert_eq!(of("-5..=5", ""), ["field", "1", "field2", "2"]);
    assert_eq!(of("-5..=-2", ""), ["field", "-2", "field2", "-2"]);
    assert_eq!(of("7..=7", ""), ["field", "7", "field2", "7"]);
    assert_eq!(of("0..=1", "args = { weight = '0' }"), ["field", "0"]);
}

#[test]
fn an_example_outside_of_its_range_is_noted() {
    let of = |more: &str| messages(&row("X field weight:0..=1 [field weight ...]", more));
    assert_eq!(
        of("args = { weight = '2' }"),
        ["5: [g.m] the example `2` of `weight` is outside of `0..=1`; expected a number within it"]
    );
    assert_eq!(of("args = { weight = '[0, -1]' }").len(), 1);
    assert_eq!(of("args = { weight = '[0, 1]' }").len(), 0);
}
