#![allow(clippy::unwrap_used)]

use crate::spec::known::Written;
use typedis_testkit::{CommandDocs, Server, ServerKind};

use super::*;

fn server() -> ServerCommands {
    let token = |token: &str| Argument {
        kind: "pure-token".to_owned(),
        token: Some(token.to_owned()),
        ..Argument::default()
    };
    let set = CommandDocs {
        arguments: vec![token("nx"), token("NEW")],
        ..CommandDocs::default()
    };
    let mut server = ServerCommands {
        name: "redis".to_owned(),
        version: "9.0.0".to_owned(),
        ..ServerCommands::default()
    };
    server.commands.insert("SET".to_owned(), set);
    for name in ["GET", "SETNEW", "OBJECT HELP", "FT.CONFIG"] {
        server
            .commands
            .insert(name.to_owned(), CommandDocs::default());
    }
    server
}

const SPEC: &str = r#"
    [string.set]
    syntax = "SET key value [NX]"
    [string.get]
    syntax = "GET key"
    [search.ft_config_get]
    syntax = "FT.CONFIG GET option"
"#;

#[test]
fn new_commands_and_new_words_are_missing() {
    let spec = Spec::read(SPEC, &Written::default()).unwrap();
    let missing = Missing::find(&spec, &server());
    assert_eq!(missing.commands, ["SETNEW"]);
    let words: Vec<_> = missing.options.iter().collect();
    assert_eq!(words, [(&"SET".to_owned(), &vec!["NEW".to_owned()])]);
    assert_eq!(missing.left_out.len(), 1, "HELP is left out");
}

#[test]
fn each_of_them_has_a_row() {
    let spec = Spec::read(SPEC, &Written::default()).unwrap();
    let server = server();
    let text = Missing::find(&spec, &server).render(&spec, &server);
    let rows: toml::Table = text.parse().unwrap();
    assert_eq!(rows["module"]["setnew"]["syntax"].as_str(), Some("SETNEW"));
    assert!(rows["string"]["set"]["options"].get("NEW").is_some());
}

/// Every command of the test servers or of the documentation of newer ones, and the words of its arguments: one line
/// each, separated by tabs.
const INVENTORY: &str = include_str!("../../../data/inventory.tsv");

/// The inventory as if a server had sent it.
fn inventory() -> ServerCommands {
    let mut server = ServerCommands::default();
    for line in INVENTORY.lines() {
        let mut fields = line.split('\t');
        let name = fields.next().unwrap();
        let word = |word: &str| Argument {
            token: Some(word.to_owned()),
            ..Argument::default()
        };
        let command = CommandDocs {
            arguments: fields.map(word).collect(),
            ..CommandDocs::default()
        };
        server.commands.insert(name.to_owned(), command);
    }
    server
}

/// The commands of the test servers, as normal servers and as sentinels.
fn servers() -> impl Iterator<Item = ServerCommands> {
    let kinds = ServerKind::PINNED
        .into_iter()
        .chain([ServerKind::SystemRedis]);
    let here = kinds.filter(|kind| is_here(*kind));
    let builders = here.flat_map(|kind| [Server::builder(kind), Server::builder(kind).sentinel()]);
    builders.map(|builder| {
        let server = builder.start().unwrap();
        ServerCommands::ask(&mut server.connect().unwrap()).unwrap()
    })
}

/// Whether this machine can have a server.
fn is_here(kind: ServerKind) -> bool {
    match typedis_testkit::servers::find(kind) {
        Err(error) if error.is_unavailable() => false,
        found => found.is_ok(),
    }
}

#[test]
fn all_of_the_inventory_and_of_the_servers_is_in_the_spec() {
    let spec = crate::spec::spec().unwrap();
    let (mut lacking, mut left_out) = (Vec::<String>::new(), BTreeSet::new());
    for server in servers().chain([inventory()]) {
        let missing = Missing::find(&spec, &server);
        let place = format!("{} {}", server.name, server.version);
        let commands = missing.commands.iter();
        let commands = commands.map(|name| format!("{place}: {name}"));
        let options = missing.options.iter();
        let options = options.map(|(name, words)| format!("{place}: {name} {words:?}"));
        lacking.extend(commands.chain(options));
        left_out.extend(missing.left_out.into_iter().map(|(_, reason)| reason));
    }
    assert!(lacking.is_empty(), "{}", lacking.join("\n"));
    if !ServerKind::PINNED.into_iter().all(is_here) {
        return;
    }
    let refused = spec.refused.values().cloned();
    let reasons = exceptions::all().map(|(_, reason)| reason.to_owned());
    let reasons = reasons.chain(refused);
    let unused: Vec<_> = reasons
        .filter(|reason| !left_out.contains(reason))
        .collect();
    assert!(
        unused.is_empty(),
        "nothing is left out because of {unused:?}"
    );
}
