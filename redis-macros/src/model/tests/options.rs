//! Tests of options: their methods, their order, and which exclude or need each other.

use super::*;

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
fn what_options_say_to_no_effect_is_noted() {
    assert_eq!(
        one(
            "X <LEFT | RIGHT>",
            "options.LEFT = { doc = 'd', idempotent = false }"
        ),
        "5: [g.m] `LEFT` is a word of an enum, of which only `doc` and `since` are read; expected a row of its own for what \
         `idempotent` or `deprecated` say"
    );
    assert_eq!(
        one("X key [NX]", "options.NX = { idempotent = true }"),
        "5: [g.m] an option can only say that it rules out a repetition; expected `idempotent = false` of `NX`, or none"
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
