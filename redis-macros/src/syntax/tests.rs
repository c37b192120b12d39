#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;

fn word(text: &str) -> Node {
    Node::Word(Word {
        text: text.into(),
        quoted: false,
    })
}

fn quoted(text: &str) -> Node {
    Node::Word(Word {
        text: text.into(),
        quoted: true,
    })
}

fn hole(name: &str) -> Node {
    Node::Placeholder(Placeholder {
        name: name.into(),
        ty: None,
    })
}

fn typed(name: &str, ty: &str) -> Node {
    Node::Placeholder(Placeholder {
        name: name.into(),
        ty: Some(ty.into()),
    })
}

fn list(item: impl Into<Vec<Node>>) -> Node {
    Node::List(List { item: item.into() })
}

fn option(alternatives: impl IntoIterator<Item = Vec<Node>>) -> Node {
    Node::Optional(Optional {
        alternatives: alternatives.into_iter().collect(),
    })
}

fn choice(name: Option<&str>, alternatives: impl IntoIterator<Item = Vec<Node>>) -> Node {
    Node::Choice(Choice {
        name: name.map(str::to_owned),
        alternatives: alternatives.into_iter().collect(),
    })
}

/// The tree of `X` followed by `text`, without the `X`.
fn nodes(text: &str) -> Vec<Node> {
    parse(&format!("X {text}"))
        .unwrap_or_else(|error| panic!("{text}: {error:?}"))
        .nodes
}

#[test]
fn the_name_is_one_word_or_two() {
    let name = |text| parse(text).unwrap().name;
    assert_eq!(name("INCR key"), ["INCR"]);
    assert_eq!(name("CONFIG GET parameter"), ["CONFIG", "GET"]);
    assert_eq!(name("FT._LIST"), ["FT._LIST"]);
    assert_eq!(name("CLIENT NO-EVICT <ON | OFF>"), ["CLIENT", "NO-EVICT"]);
    let third = parse("CLUSTER MIGRATESLOTS SLOTSRANGE start").unwrap();
    assert_eq!(third.name, ["CLUSTER", "MIGRATESLOTS"]);
    assert_eq!(third.nodes, [word("SLOTSRANGE"), hole("start")]);
    let literal = parse("XREADGROUP \"GROUP\" group").unwrap();
    assert_eq!(literal.name, ["XREADGROUP"]);
    assert_eq!(literal.nodes, [quoted("GROUP"), hole("group")]);
}

#[test]
fn placeholders_and_words() {
    assert_eq!(
        nodes("key min-idle-time"),
        [hole("key"), hole("min-idle-time")]
    );
    assert_eq!(
        nodes("count:u64 trim:Trim"),
        [typed("count", "u64"), typed("trim", "Trim")]
    );
    assert_eq!(
        nodes("key FIELDS field"),
        [hole("key"), word("FIELDS"), hole("field")]
    );
    assert_eq!(
        nodes("key \"\" \"*\" STD.P"),
        [hole("key"), quoted(""), quoted("*"), word("STD.P")]
    );
}

#[test]
fn lists_and_records() {
    assert_eq!(nodes("key [key ...]"), [list([hole("key")])]);
    assert_eq!(
        nodes("field value [field value ...]"),
        [list([hole("field"), hole("value")])]
    );
    assert_eq!(
        nodes("numkeys key [key ...]"),
        [hole("numkeys"), list([hole("key")])]
    );
    assert_eq!(
        nodes("numkeys [key [key ...]]"),
        [hole("numkeys"), option([vec![list([hole("key")])]])]
    );
    assert_eq!(
        nodes("key [key ...] id [id ...]"),
        [list([hole("key")]), list([hole("id")])]
    );
    assert_eq!(nodes("slot:u16 [slot ...]"), [list([typed("slot", "u16")])]);
}

#[test]
fn options() {
    assert_eq!(nodes("k [REV]"), [hole("k"), option([vec![word("REV")]])]);
    assert_eq!(
        nodes("k [COUNT count]"),
        [hole("k"), option([vec![word("COUNT"), hole("count")]])]
    );
    assert_eq!(
        nodes("k [LIMIT a b]"),
        [
            hole("k"),
            option([vec![word("LIMIT"), hole("a"), hole("b")]])
        ]
    );
    assert_eq!(
        nodes("k [WEIGHTS w [w ...]]"),
        [
            hole("k"),
            option([vec![word("WEIGHTS"), list([hole("w")])]])
        ]
    );
    assert_eq!(
        nodes("k [GET p [GET p ...]]"),
        [hole("k"), option([vec![list([word("GET"), hole("p")])]])]
    );
    assert_eq!(nodes("[a]"), [option([vec![hole("a")]])]);
    assert_eq!(nodes("[a b]"), [option([vec![hole("a"), hole("b")]])]);
    assert_eq!(nodes("[a [a ...]]"), [option([vec![list([hole("a")])]])]);
    assert_eq!(
        nodes("k [A x | B y | C]"),
        [
            hole("k"),
            option([
                vec![word("A"), hole("x")],
                vec![word("B"), hole("y")],
                vec![word("C")]
            ])
        ]
    );
    assert_eq!(
        nodes("k [A x [B y]]"),
        [
            hole("k"),
            option([vec![
                word("A"),
                hole("x"),
                option([vec![word("B"), hole("y")]])
            ]])
        ]
    );
}

#[test]
fn choices() {
    let ends = || [vec![word("LEFT")], vec![word("RIGHT")]];
    assert_eq!(nodes("k <LEFT | RIGHT>"), [hole("k"), choice(None, ends())]);
    assert_eq!(
        nodes("k end:<LEFT | RIGHT>"),
        [hole("k"), choice(Some("end"), ends())]
    );
    assert_eq!(
        nodes("k [AT <LEFT | RIGHT>]"),
        [hole("k"), option([vec![word("AT"), choice(None, ends())]])]
    );
    assert_eq!(
        nodes("k <A x | B y>"),
        [
            hole("k"),
            choice(
                None,
                [vec![word("A"), hole("x")], vec![word("B"), hole("y")]]
            )
        ]
    );
    assert_eq!(
        nodes("<* | id>"),
        [choice(None, [vec![word("*")], vec![hole("id")]])]
    );
    assert_eq!(
        nodes("<A | B> [<A | B> ...]"),
        [list([choice(None, [vec![word("A")], vec![word("B")]])])]
    );
}

#[test]
fn a_choice_within_an_option_is_written_out() {
    let syntax = parse("X k [BY <A x | B y> z]").unwrap().distributed();
    assert_eq!(syntax.to_string(), "X k [BY A x z | BY B y z]");
    let words = parse("X k [BY <A | B>]").unwrap();
    assert_eq!(words.clone().distributed(), words);
}

#[test]
fn errors_name_the_column() {
    let error = |text: &str| {
        let SyntaxError { column, text } = parse(text).unwrap_err();
        format!("{column}: {text}")
    };
    for (text, expected) in [
        ("", "1: found the end; expected the command's name"),
        ("key", "1: found `key`; expected the command's name"),
        (
            "GET key]",
            "8: found `]`; no bracket that it would belong to is open",
        ),
        (
            "GET key ...",
            "9: found `...`; no bracket that it would belong to is open",
        ),
        ("GET [key", "9: found the end; expected `]`"),
        ("GET <A | B]", "11: found `]`; expected `>`"),
        ("GET []", "6: found `]`; expected a word or a placeholder"),
        (
            "GET [A | ]",
            "10: found `]`; expected a word or a placeholder",
        ),
        (
            "GET [key [id ...]]",
            "10: found `[id ...]`, which repeats what stands before it; expected `id` before it",
        ),
        (
            "GET a b [b a ...]",
            "9: found `[b a ...]`, which repeats what stands before it; expected `b a` before it",
        ),
        (
            "GET [a ...]",
            "5: found `[a ...]`, which repeats what stands before it; expected `a` before it",
        ),
        (
            "GET a [a | b ...]",
            "14: found `...` after several alternatives; put them in `<...>` to repeat them",
        ),
        (
            "GET Key",
            "5: found `Key`; words are upper case, placeholders lower case",
        ),
        (
            "GET keyName",
            "5: found `keyName`; words are upper case, placeholders lower case",
        ),
        ("GET k..", "6: found `..`; expected `...`"),
        (
            "GET \"x",
            "5: found `\"` without an end; expected a closing `\"`",
        ),
        (
            "GET count:",
            "11: found nothing after `count:`; expected a type or `<`",
        ),
        (
            "GET k, v",
            "6: found `,`; expected a word, a placeholder or a bracket (other words go in quotes)",
        ),
    ] {
        assert_eq!(error(text), expected, "{text}");
    }
    let deep = format!("GET {}a{}", "[".repeat(17), "]".repeat(17));
    assert_eq!(
        error(&deep),
        "21: more than 16 brackets within each other; nothing is that deep"
    );
    assert!(parse(&format!("GET {}a{}", "[".repeat(16), "]".repeat(16))).is_ok());
}

/// The syntax lines of every command of Redis 6.2 to 8.2 and Valkey 8.1 and 9.1.
#[test]
fn every_syntax_of_the_servers_is_read_and_written_back() {
    for line in include_str!("../../tests/data/syntax.txt").lines() {
        let syntax = parse(line).unwrap_or_else(|error| panic!("{line}\n{error:?}"));
        let written = syntax.to_string();
        assert_eq!(parse(&written).as_ref(), Ok(&syntax), "{line}\n{written}");
        assert_eq!(written, line);
    }
}
