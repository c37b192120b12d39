//! Documentation of methods, made from the spec.

use super::example;
use crate::model::{Body, Column, Command, Kind, Opt, Param, Reply, Versions, WordNote};

/// Lines of a doc comment, each as `#[doc]` takes it.
type Lines = Vec<String>;

/// Paragraphs as lines, with an empty one between them.
fn join(paragraphs: impl IntoIterator<Item = Lines>) -> Lines {
    let mut lines: Lines = Vec::new();
    for paragraph in paragraphs
        .into_iter()
        .filter(|paragraph| !paragraph.is_empty())
    {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.extend(paragraph.into_iter().map(|line| {
            if line.is_empty() {
                line
            } else {
                format!(" {line}")
            }
        }));
    }
    lines
}

/// The trait's method of a command.
pub(super) fn command(command: &Command, doctests: bool) -> Lines {
    join([
        vec![command.doc.clone()],
        vec![format!("`{}`", command.syntax)],
        options(command),
        replies(command),
        facts(command),
        example(command, doctests),
    ])
}

/// The builder of a command.
pub(super) fn builder(command: &Command) -> Lines {
    let name = command.syntax.name.join(" ");
    let required = command
        .choices
        .iter()
        .filter(|choice| choice.required)
        .map(|choice| {
            let methods = choice
                .options
                .iter()
                .filter_map(|id| command.options.get(*id));
            let methods: Vec<String> = methods
                .map(|option| format!("`{}`", option.method))
                .collect();
            format!(
                "Before it can be awaited, one of {} must be called.",
                methods.join(", ")
            )
        });
    join([
        vec![format!(
            "`{name}` while it is built; its methods are its options."
        )],
        vec![command.doc.clone()],
        vec![format!("`{}`", command.syntax)],
        required.collect(),
        replies(command),
    ])
}

/// The method of an option.
pub(super) fn option(command: &Command, option: &Opt) -> Lines {
    let mut remarks = Vec::new();
    if option.repeatable {
        remarks.push(
            "May be called again: each call adds its words, in the order of the calls.".to_owned(),
        );
    }
    if option.body.blocks() {
        remarks.push("Makes the command block, so it needs a separate socket.".to_owned());
    }
    if let Some(parent) = option.parent.and_then(|id| command.options.get(id)) {
        remarks.push(format!("Only after [`{0}`](Self::{0}).", parent.method));
    }
    if option.once_only && command.facts.idempotent {
        remarks.push("Keeps the command from being sent again after a lost connection.".to_owned());
    } else if let Some(over) = over(command, &option.body) {
        remarks.push(format!(
            "With {over}, it keeps the command from being sent again after a lost connection."
        ));
    }
    if option.takes_none {
        remarks.push("`None` leaves it out.".to_owned());
    }
    remarks.extend(since(command, option.since.as_ref()));
    remarks.extend(params(option.body.params()));
    let doc = option
        .doc
        .clone()
        .unwrap_or_else(|| format!("Adds `{}` to the command.", option.syntax));
    join([
        vec![doc],
        vec![format!("`{}`", option.syntax)],
        bullets(remarks),
    ])
}

/// A short list of the options; each method has the full documentation.
fn options(command: &Command) -> Lines {
    if command.options.is_empty() {
        return Lines::new();
    }
    let row = |option: &Opt| {
        let params: Vec<&str> = option
            .body
            .params()
            .map(|param| param.name.as_str())
            .collect();
        let parent = option.parent.and_then(|id| command.options.get(id));
        let after = parent.map(|parent| format!("After `{}`.", parent.method));
        let doc = option.doc.iter().cloned();
        let remarks = doc
            .chain(after)
            .chain(since(command, option.since.as_ref()));
        let remarks: Vec<String> = remarks.collect();
        // A `|` would end the cell.
        let remarks = remarks.join(" ").replace('|', "\\|");
        format!("| `{}({})` | {remarks} |", option.method, params.join(", "))
    };
    let head = ["| option | what it does |", "| --- | --- |"].map(str::to_owned);
    head.into_iter()
        .chain(command.options.iter().map(row))
        .collect()
}

/// The note of a deprecation.
pub(super) fn instead(instead: &str) -> String {
    format!("use {instead}")
}

/// What decides the type of the reply, if something does.
fn replies(command: &Command) -> Lines {
    if command.replies.rules.is_empty() {
        return Lines::new();
    }
    let mut lines = vec!["| with | reply |".to_owned(), "| --- | --- |".to_owned()];
    for (condition, reply) in &command.replies.rules {
        let term = |term: &Vec<usize>| {
            let methods = term.iter().filter_map(|id| command.options.get(*id));
            methods
                .map(|option| format!("`{}`", option.method))
                .collect::<Vec<_>>()
                .join(" with ")
        };
        let options: Vec<String> = condition.terms.iter().map(term).collect();
        lines.push(format!("| {} | {} |", options.join(", "), code(reply)));
    }
    lines.push(format!(
        "| none of these | {} |",
        code(&command.replies.otherwise)
    ));
    lines
}

fn code(reply: &Reply) -> String {
    format!("`{}`", reply.text)
}

/// The facts that hold for all arguments.
fn facts(command: &Command) -> Lines {
    let facts = &command.facts;
    let mut lines = Lines::new();
    if facts.readonly {
        lines.push("Only reads.".to_owned());
    } else if facts.idempotent {
        let exception = over(command, &command.body);
        let exception = exception.map_or_else(String::new, |over| format!(" Not with {over}."));
        lines.push(format!(
            "Sent again after a lost connection: to repeat it does no harm.{exception}"
        ));
    }
    if facts.blocking {
        lines.push(
            "Blocks, so it needs a separate socket: only a `Pool`, a `Cluster` or an `Exclusive` has it."
                .to_owned(),
        );
    }
    if facts.state.is_some() {
        lines.push("Changes the state of its connection: only an `Exclusive` has it.".to_owned());
    }
    for flag in &facts.flags {
        lines.extend(match flag.as_str() {
            "admin" => Some("For administration.".to_owned()),
            "dangerous" => Some("Can slow a server down, or destroy what it holds.".to_owned()),
            "noscript" => Some("Not from scripts.".to_owned()),
            "no_auth" => Some("Needs no authentication.".to_owned()),
            _ => None,
        });
    }
    lines.extend(in_a_cluster(command));
    lines.extend(params(command.body.params()));
    lines.extend(command.words.iter().map(|note| word(command, note)));
    lines.extend(
        facts
            .complexity
            .as_ref()
            .map(|complexity| format!("{}.", complexity.trim_end_matches('.'))),
    );
    lines.extend(since(command, facts.since.as_ref()));
    bullets(lines)
}

/// The values that keep a repeatable command from being sent again, if there can be some in this part of it. Their types decide that: see
/// `ToArg::once_only` of the engine.
fn over(command: &Command, body: &Body) -> Option<&'static str> {
    let is_repeatable = command.facts.idempotent && !command.facts.readonly;
    let mut named = body.params().filter_map(|param| match &param.kind {
        Kind::Named(name) => Some(name.as_str()),
        _ => None,
    });
    let over = named.find_map(|name| match name {
        "Seconds" | "SignedSeconds" | "Milliseconds" | "SignedMilliseconds" => {
            Some("a time of 0 or less")
        }
        "UnixSeconds" | "UnixMilliseconds" => {
            Some("a moment that has passed or comes within a minute")
        }
        "JsonPath" => Some("a path that searches, by a filter or `..`"),
        _ => None,
    });
    over.filter(|_| is_repeatable)
}

/// Where a `Cluster` sends it; `None` if it has no place there.
fn in_a_cluster(command: &Command) -> Option<String> {
    let facts = &command.facts;
    if facts.state.is_some() {
        return None;
    }
    let (request, response) = facts.policies.unwrap_or_default();
    let place = match keys(command) {
        Keys::None if facts.naming.as_ref().is_some_and(|names| names.slot_first) => {
            "goes to the primary that has the slot"
        }
        Keys::None => {
            return Some(format!(
                "In a cluster: {}.",
                without_keys(request, response)
            ));
        }
        Keys::One => "goes to the node of its key",
        Keys::Several if request == "MultiShard" => "split by the slots of its keys",
        Keys::Several => "all keys must have one slot",
    };
    Some(format!("In a cluster: {place}."))
}

/// How many keys a command can have.
enum Keys {
    None,
    One,
    Several,
}

fn keys(command: &Command) -> Keys {
    let options = command.options.iter();
    let all = command
        .body
        .params()
        .chain(options.flat_map(|option| option.body.params()));
    let keys: Vec<&Param> = all.filter(|param| param.kind.has_keys()).collect();
    match keys.as_slice() {
        [] => Keys::None,
        [one] if matches!(one.kind, Kind::Key) => Keys::One,
        _ => Keys::Several,
    }
}

/// The same for a command without keys, by the variants of its policies.
fn without_keys(request: &str, response: &str) -> String {
    let nodes = match request {
        "AllShards" => "every primary",
        "AllNodes" => "every node",
        "Special" => "",
        _ => return "goes to any primary".to_owned(),
    };
    let joined = match response {
        "AggSum" => "the replies are added up",
        "AggMin" => "the smallest reply counts",
        "AggMax" => "the greatest reply counts",
        "AggLogicalAnd" => "it is true where it is true on all",
        "AggLogicalOr" => "it is true where it is true on any",
        "AllSucceeded" => "it fails if one of them does",
        "OneSucceeded" => "one success is enough",
        _ => "the replies are joined",
    };
    if nodes.is_empty() || response == "Special" {
        "refused, since replies of several nodes do not become one; call it on one node".to_owned()
    } else {
        format!("goes to {nodes}; {joined}")
    }
}

/// What the type of a parameter does not tell.
fn params<'a>(params: impl Iterator<Item = &'a Param>) -> Lines {
    params.filter_map(param).collect()
}

fn param(param: &Param) -> Option<String> {
    let name = &param.name;
    match &param.kind {
        Kind::List { required: true, .. } => Some(format!("`{name}`: one or more.")),
        Kind::List {
            required: false, ..
        }
        | Kind::Args => Some(format!("`{name}`: any number, none included.")),
        Kind::Records { columns, .. } => Some(records(param, columns)),
        Kind::Columns(columns) => Some(records(param, columns)),
        Kind::Key | Kind::Value | Kind::Number(_) | Kind::Named(_) | Kind::Enum(_) => None,
    }
}

fn word(command: &Command, note: &WordNote) -> String {
    let doc = note.doc.iter().cloned();
    let remarks: Vec<String> = doc.chain(since(command, note.since.as_ref())).collect();
    format!("`{}`: {}", note.word, remarks.join(" "))
}

fn records(param: &Param, columns: &[Column]) -> String {
    let columns = param
        .placeholders
        .iter()
        .zip(columns)
        .map(|(name, column)| match column {
            Column::Number => format!("{name} (a number)"),
            Column::Within([low, high]) => format!("{name} (a number from {low} to {high})"),
            Column::Key => format!("{name} (a key)"),
            Column::Text => name.clone(),
        });
    format!(
        "`{}`: one or more of ({}).",
        param.name,
        columns.collect::<Vec<_>>().join(", ")
    )
}

fn since(command: &Command, versions: Option<&Versions>) -> Option<String> {
    Some(match versions? {
        Versions {
            redis: Some(redis),
            valkey: None,
        } if is_of_module(command, redis) => {
            format!("Redis with the module only, since version {redis} of the module.")
        }
        Versions {
            redis: Some(redis),
            valkey: Some(valkey),
        } if redis == valkey => format!("Since {redis}."),
        Versions {
            redis: Some(redis),
            valkey: Some(valkey),
        } => format!("Since Redis {redis} and Valkey {valkey}."),
        Versions {
            redis: Some(redis),
            valkey: None,
        } => format!("Redis only, since {redis}."),
        Versions {
            redis: None,
            valkey: Some(valkey),
        } => format!("Valkey only, since {valkey}."),
        Versions {
            redis: None,
            valkey: None,
        } => return None,
    })
}

/// Whether a version is one of a module: until Redis 8.0 included them, modules had their own version numbers.
fn is_of_module(command: &Command, version: &str) -> bool {
    let name = command.syntax.name.first();
    let major = version
        .split('.')
        .next()
        .and_then(|number| number.parse::<u32>().ok());
    name.is_some_and(|name| name.contains('.')) && major.is_some_and(|major| major < 8)
}

fn bullets(lines: Lines) -> Lines {
    lines.into_iter().map(|line| format!("- {line}")).collect()
}

/// A call that is compiled as a documentation test, but not executed.
fn example(command: &Command, doctests: bool) -> Lines {
    let options = command.complete(&[]).unwrap_or_default();
    let call = example::call("conn", command, &options);
    let reply = command.replies.reply(|option| options.contains(&option));
    let statement = match reply.text.as_str() {
        "()" => format!("{call}.await?;"),
        _ if reply.params.is_empty() => format!("let reply = {call}.await?;"),
        _ => {
            let ty = example::written(&command.replies.shown(reply));
            format!("let reply: {ty} = {call}.await?;")
        }
    };
    if !doctests {
        return vec!["```text".to_owned(), statement, "```".to_owned()];
    }
    let uses = |ty: &str| {
        statement
            .split(|letter: char| !letter.is_alphanumeric())
            .any(|word| word == ty)
    };
    let imports: Vec<&str> = [
        ("HashMap", "use std::collections::HashMap;"),
        ("Name", "use typedis::Name;"),
    ]
    .into_iter()
    .filter_map(|(ty, import)| uses(ty).then_some(import))
    .collect();
    let blank = (!imports.is_empty()).then_some("");
    [
        "```no_run",
        "# #[allow(unused_imports)] use typedis::{args::*, commands::*, prelude::*, replies::*};",
        "# async fn example(conn: typedis::Exclusive) -> typedis::Result<()> {",
    ]
    .into_iter()
    .chain(imports)
    .chain(blank)
    .chain([statement.as_str()])
    .chain(["# Ok(())", "# }", "```"])
    .map(str::to_owned)
    .collect()
}
