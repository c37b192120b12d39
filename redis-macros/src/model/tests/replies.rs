//! Tests of reply types.

use super::*;

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
