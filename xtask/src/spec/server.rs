//! What a live server tells of itself: [`Server`], from COMMAND and COMMAND DOCS.

use std::collections::{BTreeMap, BTreeSet};
use std::net::ToSocketAddrs as _;

use typedis_testkit::raw::{RawConnection, Reply};

use crate::Result;

/// How deep the arguments of a command may be nested.
const DEPTH: usize = 16;

/// A server's commands.
#[derive(Debug, Default)]
pub(crate) struct Server {
    /// `redis` or `valkey`.
    pub(crate) name: String,
    pub(crate) version: String,
    /// Name in upper case, a subcommand's with a blank → the command; containers of subcommands are left out.
    pub(crate) commands: BTreeMap<String, Command>,
}

/// A command as its server documents it.
#[derive(Debug, Default)]
pub(crate) struct Command {
    pub(crate) flags: BTreeSet<String>,
    pub(crate) summary: Option<String>,
    pub(crate) since: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) complexity: Option<String>,
    pub(crate) arguments: Vec<Argument>,
}

/// A node of the tree of arguments.
#[derive(Debug, Default)]
pub(crate) struct Argument {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) token: Option<String>,
    pub(crate) since: Option<String>,
    pub(crate) optional: bool,
    pub(crate) multiple: bool,
    pub(crate) multiple_token: bool,
    pub(crate) arguments: Vec<Argument>,
}

impl Server {
    /// Asks the server at a URL.
    pub(crate) fn ask(url: &str) -> Result<Self> {
        let mut conn = connect(url)?;
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
        // Servers before version 7 know nothing of arguments.
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
        let flags = command.items().get(2).map_or(&[][..], Reply::items);
        let flags = flags.iter().filter_map(Reply::text).map(str::to_owned);
        let known = Command {
            flags: flags.collect(),
            ..Command::default()
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

/// Connects to `redis://[[username]:password@]host[:port]`.
fn connect(url: &str) -> Result<RawConnection> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split(['/', '?']).next().unwrap_or_default();
    let (login, place) = rest.rsplit_once('@').unwrap_or(("", rest));
    let place = match place.rsplit_once(':') {
        Some(_) => place.to_owned(),
        None => format!("{place}:6379"),
    };
    let address = place
        .to_socket_addrs()
        .ok()
        .and_then(|mut found| found.next());
    let address = address.ok_or_else(|| format!("{place} is no address of a server"))?;
    let mut conn = RawConnection::connect(address)
        .map_err(|error| format!("cannot connect to {place}: {error}"))?;
    match login.split_once(':').unwrap_or(("", login)) {
        (_, "") => {}
        ("", password) => drop(conn.call(&["AUTH", password])?),
        (username, password) => drop(conn.call(&["AUTH", username, password])?),
    }
    Ok(conn)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_real_server_tells_of_its_commands() {
        let server = typedis_testkit::shared(typedis_testkit::ServerKind::default());
        let known = Server::ask(&server.url()).unwrap();
        assert_eq!(known.name, "valkey");
        assert!(!known.commands.contains_key("CONFIG"), "it is a container");
        assert!(known.commands.contains_key("CONFIG GET"));
        let set = &known.commands["SET"];
        assert!(set.flags.contains("write"));
        let condition = set
            .arguments
            .iter()
            .find(|argument| argument.kind == "oneof");
        assert!(condition.unwrap().optional);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        assert!(
            Server::ask("redis://nowhere.invalid")
                .unwrap_err()
                .to_string()
                .contains("no address")
        );
    }
}
