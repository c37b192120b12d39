//! What a live server says about its commands: [`ServerCommands`], from COMMAND and COMMAND DOCS.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use crate::raw::{RawConnection, Reply};

/// How deep the arguments of a command may be nested.
const DEPTH: usize = 16;

/// A server's commands.
#[derive(Debug, Default)]
pub struct ServerCommands {
    /// `redis` or `valkey`.
    pub name: String,
    /// As in `9.1.2`.
    pub version: String,
    /// Name in upper case, for a subcommand with a space → the command; containers of subcommands are left out.
    pub commands: BTreeMap<String, CommandDocs>,
}

/// A command as its server documents it.
#[derive(Debug, Default)]
pub struct CommandDocs {
    /// How many words it has, with its name; if negative, it has at least that many.
    pub arity: i64,
    /// As in `readonly`.
    pub flags: BTreeSet<String>,
    /// The categories of the access control list, as in `@dangerous`.
    pub categories: BTreeSet<String>,
    /// Its tips, such as `request_policy:all_shards`; servers before version 7 have none.
    pub tips: BTreeSet<String>,
    /// What it does, in a sentence.
    pub summary: Option<String>,
    /// The first version that has it.
    pub since: Option<String>,
    /// The group that it is documented in.
    pub group: Option<String>,
    /// The time that it takes.
    pub complexity: Option<String>,
    /// In order; empty if the server documents none.
    pub arguments: Vec<Argument>,
}

/// A node of the tree of arguments.
#[derive(Debug, Default)]
pub struct Argument {
    /// For people.
    pub name: String,
    /// `key`, `string`, `integer`, `double`, `pattern`, `unix-time`, `pure-token`, `oneof` or `block`.
    pub kind: String,
    /// The word before it.
    pub token: Option<String>,
    /// The first version that has it.
    pub since: Option<String>,
    /// Whether it may be left out.
    pub optional: bool,
    /// Whether it may be repeated.
    pub multiple: bool,
    /// Whether its word is repeated with it.
    pub multiple_token: bool,
    /// Its parts.
    pub arguments: Vec<Argument>,
}

impl ServerCommands {
    /// Asks the server.
    ///
    /// # Errors
    ///
    /// If the server does not answer.
    pub fn ask(conn: &mut RawConnection) -> io::Result<Self> {
        let info = conn.call(&["INFO", "server"])?;
        let field = |name: &str| {
            let mut lines = info.lines();
            lines.find_map(|line| {
                line.strip_prefix(name)?
                    .strip_prefix(':')
                    .map(str::to_owned)
            })
        };
        let name = field("server_name").unwrap_or_else(|| "redis".to_owned());
        let version = field("valkey_version").or_else(|| field("redis_version"));
        let commands = conn.reply(&["COMMAND"])?;
        // Servers before version 7 do not document arguments.
        let docs = conn.reply(&["COMMAND", "DOCS"]).unwrap_or(Reply::Nil);
        let mut server = Self {
            name,
            version: version.unwrap_or_default(),
            ..Self::default()
        };
        for command in commands.items() {
            server.add(command);
        }
        for (name, docs) in docs.entries() {
            server.document(name, docs);
            let subcommands = docs.get("subcommands");
            for (name, docs) in subcommands.into_iter().flat_map(Reply::entries) {
                server.document(name, docs);
            }
        }
        Ok(server)
    }

    /// Adds what COMMAND says: a command, or its subcommands.
    fn add(&mut self, command: &Reply) {
        let field = |index: usize| command.items().get(index);
        let subcommands = field(9).map_or(&[][..], Reply::items);
        for subcommand in subcommands {
            self.add_one(subcommand);
        }
        if subcommands.is_empty() {
            self.add_one(command);
        }
    }

    fn add_one(&mut self, command: &Reply) {
        let Some(name) = command.items().first().and_then(Reply::text) else {
            return;
        };
        let arity = match command.items().get(1) {
            Some(Reply::Integer(arity)) => *arity,
            _ => 0,
        };
        let known = CommandDocs {
            arity,
            flags: texts(command, 2),
            categories: texts(command, 6),
            tips: texts(command, 7),
            ..CommandDocs::default()
        };
        self.commands.insert(proper(name), known);
    }

    fn document(&mut self, name: &str, docs: &Reply) {
        let Some(command) = self.commands.get_mut(&proper(name)) else {
            return;
        };
        let field = |name: &str| docs.get(name).and_then(Reply::text).map(str::to_owned);
        command.summary = field("summary");
        command.since = field("since");
        command.group = field("group");
        command.complexity = field("complexity");
        command.arguments = arguments(docs, DEPTH);
    }
}

impl Argument {
    fn read(reply: &Reply, depth: usize) -> Self {
        let field = |name: &str| reply.get(name).and_then(Reply::text).map(str::to_owned);
        let flags = reply.get("flags").map_or(&[][..], Reply::items);
        let has = |flag: &str| flags.iter().any(|here| here.text() == Some(flag));
        Self {
            name: field("display_text")
                .or_else(|| field("name"))
                .unwrap_or_default(),
            kind: field("type").unwrap_or_default(),
            token: field("token"),
            since: field("since"),
            optional: has("optional"),
            multiple: has("multiple"),
            multiple_token: has("multiple_token"),
            arguments: arguments(reply, depth),
        }
    }
}

fn arguments(reply: &Reply, depth: usize) -> Vec<Argument> {
    let Some(depth) = depth.checked_sub(1) else {
        return Vec::new();
    };
    let items = reply.get("arguments").map_or(&[][..], Reply::items);
    items
        .iter()
        .map(|argument| Argument::read(argument, depth))
        .collect()
}

/// A name as `commands.toml` writes it.
fn proper(name: &str) -> String {
    name.replace('|', " ").to_uppercase()
}

/// A list of texts within a list.
fn texts(reply: &Reply, index: usize) -> BTreeSet<String> {
    let items = reply.items().get(index).map_or(&[][..], Reply::items);
    let texts = items.iter().filter_map(Reply::text);
    texts.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::servers::ServerKind;

    #[test]
    fn a_real_server_tells_of_its_commands() {
        let server = crate::shared(ServerKind::default());
        let known = ServerCommands::ask(&mut server.connect().unwrap()).unwrap();
        assert_eq!(known.name, "valkey");
        assert!(!known.commands.contains_key("CONFIG"), "it is a container");
        assert!(known.commands.contains_key("CONFIG GET"));
        let set = &known.commands["SET"];
        assert_eq!(set.arity, -3);
        assert!(set.flags.contains("write"));
        assert!(set.categories.contains("@string"));
        let condition = set
            .arguments
            .iter()
            .find(|argument| argument.kind == "oneof");
        assert!(condition.unwrap().optional);
    }
}
