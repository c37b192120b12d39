//! The table of one command.

use super::Text;
use super::table::{Examples, Table};

/// The content of a command's table.
#[derive(Debug, Clone)]
pub(crate) struct CommandSpec {
    /// The group, `sorted_set`.
    pub(crate) group: String,
    /// The last part of the table's name, and its line.
    pub(crate) label: Text,
    pub(crate) doc: Text,
    pub(crate) syntax: Text,
    pub(crate) reply: Text,
    /// Condition and type.
    pub(crate) replies: Vec<(Text, Text)>,
    /// Option and method name.
    pub(crate) names: Vec<(Text, Text)>,
    pub(crate) method: Option<Text>,
    /// Names that other clients have for it, separated by spaces.
    pub(crate) aliases: Option<Text>,
    /// The file of a Lua script that is called instead of a command.
    pub(crate) script: Option<Text>,
    /// The function that is called instead of a command.
    pub(crate) function: Option<Text>,
    pub(crate) flags: Option<Text>,
    pub(crate) idempotent: bool,
    pub(crate) since: Option<Availability>,
    pub(crate) deprecated: Option<Text>,
    pub(crate) blocking: Option<Text>,
    pub(crate) state: Option<Text>,
    pub(crate) request_policy: Option<Text>,
    pub(crate) response_policy: Option<Text>,
    pub(crate) cacheable: Option<bool>,
    pub(crate) naming: NamingSpec,
    /// Option and condition.
    pub(crate) requires: Vec<(Text, Text)>,
    /// Option and condition.
    pub(crate) conflicts: Vec<(Text, Text)>,
    pub(crate) options: Vec<(Text, OptionSpec)>,
    pub(crate) complexity: Option<Text>,
    /// Type parameter of the reply, and the type that examples give it.
    pub(crate) shown: Vec<(Text, Text)>,
    /// Placeholder and example.
    pub(crate) args: Examples,
    /// Option, or word of an enum, and the examples that go with it.
    pub(crate) args_with: Vec<(Text, Examples)>,
}

/// What the row says about names that are not among its keys.
#[derive(Debug, Default, Clone)]
pub(crate) struct NamingSpec {
    pub(crate) unnamed_keys: bool,
    pub(crate) route_only: bool,
    pub(crate) slot_first: bool,
    pub(crate) key_pattern: Option<Text>,
    pub(crate) key_templates: Vec<Text>,
    pub(crate) channels: Option<Text>,
    pub(crate) reply_names: Vec<Text>,
}

/// The note in `options` on one option.
#[derive(Debug, Default, Clone)]
pub(crate) struct OptionSpec {
    pub(crate) doc: Option<Text>,
    pub(crate) since: Option<Availability>,
    pub(crate) deprecated: Option<Text>,
    /// `false` if a command that may be repeated must not be repeated with this option.
    pub(crate) idempotent: Option<bool>,
}

/// The first version of each server that has it; a server without a version does not have it.
#[derive(Debug, Default, Clone)]
pub(crate) struct Availability {
    pub(crate) redis: Option<Text>,
    pub(crate) valkey: Option<Text>,
}

const KEYS: [&str; 31] = [
    "doc",
    "syntax",
    "reply",
    "replies",
    "names",
    "method",
    "aliases",
    "script",
    "function",
    "flags",
    "idempotent",
    "since",
    "deprecated",
    "blocking",
    "state",
    "request_policy",
    "response_policy",
    "cacheable",
    "unnamed_keys",
    "route_only",
    "slot_first",
    "key_pattern",
    "key_templates",
    "channels",
    "reply_names",
    "requires",
    "conflicts",
    "options",
    "complexity",
    "shown",
    "args",
];

/// The commands of a group's table.
pub(crate) fn group(name: &Text, table: &Table<'_>) -> Vec<CommandSpec> {
    table
        .tables()
        .iter()
        .filter_map(|(label, table)| command(&name.text, label, table))
        .collect()
}

/// A command, unless it lacks a required key.
fn command(group: &str, label: &Text, table: &Table<'_>) -> Option<CommandSpec> {
    table.expect_keys(&KEYS);
    let texts = |key| {
        table
            .table(key)
            .map(|table| table.texts())
            .unwrap_or_default()
    };
    let (doc, syntax, reply) = (
        table.required("doc"),
        table.required("syntax"),
        table.required("reply"),
    );
    let (args, args_with) = table
        .table("args")
        .map(|table| table.arguments())
        .unwrap_or_default();
    let spec = CommandSpec {
        group: group.to_owned(),
        label: label.clone(),
        doc: doc?,
        syntax: syntax?,
        reply: reply?,
        replies: table.pairs("replies"),
        names: texts("names"),
        method: table.text("method"),
        aliases: table.text("aliases"),
        script: table.text("script"),
        function: table.text("function"),
        flags: table.text("flags"),
        idempotent: table.flag("idempotent").unwrap_or_default(),
        since: availability(table),
        deprecated: table.text("deprecated"),
        blocking: table.text("blocking"),
        state: table.text("state"),
        request_policy: table.text("request_policy"),
        response_policy: table.text("response_policy"),
        cacheable: table.flag("cacheable"),
        naming: naming(table),
        requires: texts("requires"),
        conflicts: table.pairs("conflicts"),
        options: options(table),
        complexity: table.text("complexity"),
        shown: texts("shown"),
        args,
        args_with,
    };
    Some(spec)
}

fn naming(table: &Table<'_>) -> NamingSpec {
    NamingSpec {
        unnamed_keys: table.flag("unnamed_keys").unwrap_or_default(),
        route_only: table.flag("route_only").unwrap_or_default(),
        slot_first: table.flag("slot_first").unwrap_or_default(),
        key_pattern: table.text("key_pattern"),
        key_templates: table.list("key_templates"),
        channels: table.text("channels"),
        reply_names: table.list("reply_names"),
    }
}

fn options(table: &Table<'_>) -> Vec<(Text, OptionSpec)> {
    let Some(options) = table.table("options") else {
        return Vec::new();
    };
    options
        .tables()
        .into_iter()
        .map(|(word, table)| (word, option(&table)))
        .collect()
}

fn option(table: &Table<'_>) -> OptionSpec {
    table.expect_keys(&["doc", "since", "deprecated", "idempotent"]);
    OptionSpec {
        doc: table.text("doc"),
        since: availability(table),
        deprecated: table.text("deprecated"),
        idempotent: table.flag("idempotent"),
    }
}

fn availability(table: &Table<'_>) -> Option<Availability> {
    if table.is_text("since") {
        let version = table.text("since");
        return Some(Availability {
            redis: version.clone(),
            valkey: version,
        });
    }
    let since = table.table("since")?;
    since.expect_keys(&["redis", "valkey"]);
    Some(Availability {
        redis: since.text("redis"),
        valkey: since.text("valkey"),
    })
}
