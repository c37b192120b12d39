#![allow(clippy::panic)]

use super::*;

const SPEC: &str = r#"
[types]
key = "key"
member = "value"
[enums]
Operation = ["AND", "NOT"]
[examples]
key = '"key"'
member = '"a"'

[bitmap.bitop]
doc = "Combines."
syntax = "BITOP <AND | NOT> key [key ...] [BY member]"
reply = "u64"
since = "1.0.0"
args = { NOT = { key = '"one"' }, BY = { member = '"[a"' } }
options.NOT = { doc = "Not.", since = "7.0.0" }
options.BY = { doc = "By.", since = "6.0.0" }
"#;

/// The words of every call, and the first version that has it.
fn calls() -> Vec<(String, Option<String>)> {
    let (spec, model) = match crate::commands::check(SPEC, "commands.toml") {
        Ok(checked) => checked,
        Err(messages) => panic!("{}", messages.join("\n")),
    };
    let commands = model.groups.iter().flat_map(|group| &group.commands);
    commands
        .flat_map(|command| call::calls(&spec, &model.enums, command))
        .map(|call| (expected(&call).words.join(" "), call.versions().redis))
        .collect()
}

#[test]
fn every_option_and_every_word_is_called_with_the_examples_that_go_with_it() {
    let since = |version: &str| Some(version.to_owned());
    assert_eq!(
        calls(),
        [
            ("BITOP AND key key2".to_owned(), since("1.0.0")),
            ("BITOP AND key key2 BY [a".to_owned(), since("6.0.0")),
            ("BITOP NOT one".to_owned(), since("7.0.0")),
        ]
    );
}

#[test]
fn examples_that_go_with_nothing_are_reported() {
    let wrong = SPEC.replace("BY = { member", "BI = { member");
    let problems = crate::commands::check(&wrong, "commands.toml");
    let problems = problems.err().unwrap_or_default().join("\n");
    assert!(problems.contains("`args` names `BI`"), "{problems}");
}
