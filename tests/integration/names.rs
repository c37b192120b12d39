//! Names that other people choose: nothing of them keeps a reply from being read, and none is lost.

use std::collections::BTreeSet;
use std::path::Path;

use typedis::prelude::*;
use typedis::{Error, Name, Result};
use typedis_testkit::ServerKind;

use crate::support::{Bench, on_servers};

/// No UTF-8, and a blank for those who split lines.
const ODD: &[u8] = b"l\xff\xfe";

/// What is text in each reply: `String` in place of `Name`, by the reason. Rows by their table, fields by their type.
const TEXTS: [(&str, &str); 8] = [
    (
        "words, numbers and texts of the server itself",
        "generic.object_encoding generic.object_help connection.reset server.acl_cat server.bgrewriteaof server.bgsave \
         server.latency_doctor server.latency_graph server.lolwut server.memory_doctor server.memory_malloc_stats \
         cluster.cluster_bumpepoch sentinel.sentinel_ckquorum sentinel.sentinel_debug server.command_getkeysandflags \
         search.ft_config_get ClientInfo.flags ClientInfo.other ClusterInfo.state ClusterInfo.other ClusterLink.direction \
         ClusterLink.events ShardNode.role ShardNode.health ClusterNode.flags SlotNode.metadata SlotStats.stats \
         SlotMigration.operation SlotMigration.slot_ranges SlotMigration.state SlotMigration.message SlotMigrationTask.slots \
         SlotMigrationTask.operation SlotMigrationTask.state SlotMigrationTask.last_error ServerHello.server ServerHello.version \
         ServerHello.mode ServerHello.role TrackingInfo.flags FunctionInfo.flags IndexInfo.index_options IndexInfo.dialect_stats \
         IndexDefinition.key_type IndexDefinition.default_language IndexedField.kind IndexedField.settings IndexedField.flags \
         SentinelPrimary.flags SentinelPrimary.role_reported SentinelReplica.flags SentinelReplica.role_reported \
         SentinelReplica.primary_link_status SentinelPeer.flags SentinelScript.flags AclUser.flags AclUser.databases \
         AclSelector.databases Role.state AclLogEntry.reason AclLogEntry.context CommandDetails.flags CommandDetails.acl_categories \
         CommandDetails.tips KeySpec.flags InfoSection.name LatencyEvent.event MemoryStats.other SeriesInfo.chunk_type \
         BackupStatus.error KeySearch.keyword generic.bless_get \
         SeriesInfo.duplicate_policy CompactionRule.aggregator",
    ),
    (
        "digits and letters that the server makes: hashes, ids, cursors",
        "string.digest geo.geohash server.acl_genpass scripting.script_load cluster.cluster_migration_import \
         cluster.cluster_myid cluster.cluster_myshardid cluster.clusterscan sentinel.sentinel_myid ClusterLink.node \
         ClusterShard.id ShardNode.id ClusterNode.id ClusterNode.primary ClusterNode.migrating ClusterNode.importing SlotNode.id \
         SlotMigration.name SlotMigration.target_node SlotMigration.source_node SlotMigrationTask.id SlotMigrationTask.source \
         SlotMigrationTask.dest SentinelPrimary.runid SentinelReplica.runid SentinelPeer.runid SentinelPeer.voted_leader \
         AclUser.passwords",
    ),
    (
        "names of commands, and what their authors say of them",
        "server.command_docs server.command_list server.latency_histogram CommandDetails.name KeySpec.notes CommandDocs.summary \
         CommandDocs.since CommandDocs.group CommandDocs.complexity CommandDocs.module CommandDocs.doc_flags \
         CommandDocs.deprecated_since CommandDocs.replaced_by CommandDocs.history CommandDocs.subcommands CommandArgument.name \
         CommandArgument.kind CommandArgument.display_text CommandArgument.token CommandArgument.summary CommandArgument.since \
         CommandArgument.deprecated_since CommandArgument.flags",
    ),
    (
        "the server takes letters, digits and underscores alone: functions, libraries, engines",
        "scripting.function_load FunctionLibrary.name FunctionLibrary.engine FunctionInfo.name FunctionStats.engines \
         RunningFunction.name",
    ),
    (
        "IP addresses, and host names of nodes, of which the server takes letters, digits, dots and dashes alone",
        "ShardNode.ip ShardNode.endpoint ShardNode.hostname NodeAddress.ip NodeAddress.hostname SlotNode.host",
    ),
    (
        "a word that a newer server may add",
        "BackupState.Other JsonValueType.Other KeyType.Other Quantization.Other",
    ),
    ("JSON is UTF-8", "json.json_objkeys ObjectKeys.0"),
    ("the caller's own message", "connection.ping"),
];

fn is_word(text: &str, word: &str) -> bool {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .any(|part| part == word)
}

/// The rows of the spec whose replies hold a `String`.
fn rows() -> BTreeSet<String> {
    let spec: toml::Table = include_str!("../../commands.toml")
        .parse()
        .expect("the spec is TOML");
    let groups = spec
        .iter()
        .filter_map(|(name, group)| Some((name, group.as_table()?)));
    let rows = groups.flat_map(|(group, rows)| {
        rows.iter()
            .map(move |(label, row)| (format!("{group}.{label}"), row))
    });
    let replies = |row: &toml::Value| {
        let all = ["reply", "replies"]
            .into_iter()
            .filter_map(|key| row.get(key));
        all.map(ToString::to_string).collect::<String>()
    };
    rows.filter(|(_, row)| row.get("syntax").is_some() && is_word(&replies(row), "String"))
        .map(|(name, _)| name)
        .collect()
}

/// The public fields of replies that hold a `String`.
fn fields(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            fields(&path, found);
            continue;
        }
        let source = std::fs::read_to_string(&path).expect("it is a text");
        let mut ty = String::new();
        let mut is_enum = false;
        for line in source
            .lines()
            .take_while(|line| !line.contains("#[cfg(test)]"))
        {
            let item = line
                .strip_prefix("pub struct ")
                .or_else(|| line.strip_prefix("pub enum "));
            if line.starts_with("pub enum ") || line == "}" {
                is_enum = line != "}";
            }
            if let Some(item) = item {
                ty = item
                    .split(|letter: char| !letter.is_alphanumeric())
                    .next()
                    .unwrap_or_default()
                    .to_owned();
                if is_word(item, "String") {
                    found.insert(format!("{ty}.0"));
                }
            }
            let member = line
                .strip_prefix("    ")
                .filter(|line| !line.starts_with([' ', '/', '#']));
            let field = member.and_then(|line| line.strip_prefix("pub ")?.split_once(": "));
            let variant = member.and_then(|line| line.strip_suffix("),")?.split_once('('));
            let of_variant = line
                .strip_prefix("        ")
                .filter(|_| is_enum)
                .and_then(|line| line.split_once(": "));
            if let Some((name, text)) = field.or(variant).or(of_variant)
                && !name.contains(' ')
                && is_word(text, "String")
            {
                found.insert(format!("{ty}.{name}"));
            }
        }
    }
}

#[test]
fn no_reply_takes_a_name_that_others_choose_for_text() {
    let mut found = rows();
    fields(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src/replies"),
        &mut found,
    );
    let listed: BTreeSet<String> = TEXTS
        .iter()
        .flat_map(|(_, places)| places.split_whitespace())
        .map(str::to_owned)
        .collect();
    let unlisted: Vec<_> = found.difference(&listed).collect();
    assert!(
        unlisted.is_empty(),
        "take `Name`, or say here why it is text: {unlisted:?}"
    );
    let gone: Vec<_> = listed.difference(&found).collect();
    assert!(gone.is_empty(), "these are no texts any more: {gone:?}");
}

/// A pop that fails for its key has taken the element all the same.
async fn a_pop_never_fails_for_its_key(bench: Bench) -> Result<()> {
    let pool = bench.pool().await;
    let key = || Some(Name::from(ODD));
    for member in 0..4 {
        pool.rpush(ODD, ["x"]).await?;
        pool.zadd([ODD, b"z"].concat(), [(1, member)]).await?;
    }
    let popped = pool.blpop::<String>([ODD], 1).await?;
    assert_eq!(popped.map(|(key, _)| key), key());
    let popped = pool.brpop::<String>([ODD], 1).await?;
    assert_eq!(popped.map(|(key, _)| key), key());
    let end = || typedis::commands::ListEnd::Left;
    let popped = pool.lmpop::<String>([ODD], end()).await?;
    assert_eq!(popped.map(|(key, _)| key), key());
    let popped = pool.blmpop::<String>(1, [ODD], end()).await?;
    assert_eq!(popped.map(|(key, _)| key), key());
    let sorted = [ODD, b"z"].concat();
    let popped = pool.bzpopmin::<String>([&sorted], 1).await?;
    let (popped, ..) = popped.expect("there is one");
    assert_eq!(popped, sorted);
    // What came is sent back as it came.
    assert!(pool.exists([&popped]).await? == 1);
    Ok(())
}

async fn names_of_any_bytes_are_read(bench: Bench) -> Result<()> {
    let pool = bench.pool().await;
    let channel = [ODD, bench.database.number().to_string().as_bytes()].concat();
    pool.xadd(&channel, "*", [("f", "v")]).await?;
    let read = pool
        .xread::<Vec<(String, String)>>([(channel.clone(), 0)])
        .await?;
    assert_eq!(read.expect("there is an entry")[0].0, channel);
    pool.xgroup_create(&channel, ODD, 0).await?;
    let groups = pool.xinfo_groups(&channel).await?;
    assert_eq!(groups[0].name, *ODD);
    let conn = bench.connect().await;
    let held = conn.subscribe(Name::from(channel.clone())).await?;
    let channels = pool.pubsub_channels().await?;
    assert!(channels.iter().any(|name| *name == channel), "{channels:?}");
    let counts = pool.pubsub_numsub([&channel]).await?;
    assert_eq!(counts, [(Name::from(channel), 1)]);
    drop(held);
    Ok(())
}

on_servers! {
    a_pop_never_fails_for_its_key;
    names_of_any_bytes_are_read;
}

/// Anybody who can connect writes into this log.
#[tokio::test]
async fn a_login_with_random_bytes_leaves_the_log_readable() -> Result<()> {
    for kind in [ServerKind::Valkey9, ServerKind::Redis8, ServerKind::Redis6] {
        let server = typedis_testkit::Server::start(kind).expect("it starts");
        let pool = typedis::pool(server.url()).await?;
        let own = pool.exclusive().await?;
        let error: Error = own
            .auth(b"no password at all")
            .username(ODD)
            .await
            .unwrap_err();
        assert!(error.server().is_some(), "{error}");
        let log = pool.acl_log().await?;
        assert_eq!(log[0].username, *ODD, "{kind:?}");
        let clients = pool.client_list().await?;
        assert!(!clients.is_empty());
        // An error's name comes from whoever raises it.
        let _ = pool
            .eval::<()>("return redis.error_reply('\\255x no')", (), ())
            .await;
        assert!(pool.info().await?.get("uptime_in_seconds").is_some());
    }
    Ok(())
}

/// The address of such a client is the path of the socket.
#[tokio::test]
async fn the_clients_of_a_socket_in_a_folder_with_a_blank_are_listed() -> Result<()> {
    for kind in [ServerKind::Valkey9, ServerKind::Redis8, ServerKind::Redis6] {
        let folder = std::env::temp_dir().join(format!("my sock {kind:?} {}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("it can be made");
        let path = folder.join("x.sock");
        let line = format!("unixsocket \"{}\"", path.display());
        let server = typedis_testkit::Server::builder(kind)
            .line(line)
            .start()
            .expect("it starts");
        let conn = typedis::connect(typedis::Config::unix(&path)).await?;
        let clients = conn.client_list().await?;
        // Valkey 9 puts it into brackets.
        let whole = format!("{}:0", path.display());
        let has_it = |address: &Name| address.trim_matches(['[', ']']).starts_with(&whole);
        let own: Vec<_> = clients
            .iter()
            .filter(|client| has_it(&client.addr) && has_it(&client.laddr))
            .collect();
        assert_eq!(own.len(), 1, "{kind:?}: {clients:?}");
        assert_eq!(own[0].lib_name.is_empty(), kind == ServerKind::Redis6);
        drop(server);
        std::fs::remove_dir_all(&folder).expect("it can be removed");
    }
    Ok(())
}
