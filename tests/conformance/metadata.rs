//! How many words a call has, and its flags, against COMMAND.

use std::collections::{BTreeMap, BTreeSet};

use typedis_core::{RequestPolicy, ResponsePolicy};
use typedis_testkit::{CommandDocs, ServerCommands};

use crate::cases::{Case, cases};
use crate::exceptions::{Exception, Exceptions};
use crate::server::{Edition, USUAL};

/// Commands whose number of words the servers tell otherwise.
const OTHER_ARITY: &[Exception] = &[
    (
        "@bloom | @count_min | @cuckoo | @search !FT.CONFIG !FT.CURSOR | @json !DEBUG | @tdigest | @timeseries | @top_k | @vector_set",
        "modules",
        "modules count their arguments themselves, and say -1 of every command",
    ),
    (
        "HOTKEYS START",
        "8.10.2",
        "the server counts the words of the name only",
    ),
    (
        "XCFGSET",
        "8.10.2",
        "the type that stands for the settings has an example of both; one is needed, which the server tells by an error",
    ),
    (
        "VADD",
        "8.10.2",
        "a vector in one word would be shorter, which the example is not",
    ),
    (
        "ACL SETUSER",
        "!6.2.5",
        "the type that stands for the rules has an example of several words; none are needed",
    ),
    (
        "BITFIELD",
        "",
        "the type that stands for the operations has an example of several words; none are needed",
    ),
    (
        "CLUSTER MIGRATESLOTS",
        "9.1.2",
        "nothing to migrate is less than the server takes",
    ),
    (
        "GEOSEARCH | GEOSEARCHSTORE",
        "9.1.2",
        "a polygon of a single corner would be shorter, which the server refuses",
    ),
    ("PFMERGE", "", "without a source there is nothing to merge"),
    (
        "PUBSUB NUMSUB | PUBSUB SHARDNUMSUB",
        "!6.2.5",
        "without a channel there is nothing to ask for",
    ),
    (
        "COMMAND GETKEYS | COMMAND GETKEYSANDFLAGS",
        "7.0.15",
        "a fault of the server, which demands an argument of the command that it is asked about",
    ),
];

/// Commands whose flags are not those of the servers.
const OTHER_FLAGS: &[Exception] = &[
    (
        "BLMOVE | BLPOP | BRPOP | BRPOPLPUSH | BZPOPMAX | BZPOPMIN | WAIT",
        "Redis !8.",
        "before 7.2 scripts must not block, while later these do not block in scripts",
    ),
    (
        "XREAD | XREADGROUP",
        "6.2.5",
        "the server has no flag for commands that block",
    ),
    ("RESET", "6.2.5", "it asks for a login first"),
    (
        "FT.ALIASADD | FT.ALIASDEL | FT.ALIASUPDATE | FT.DICTADD | FT.DICTDEL",
        "modules",
        "they change what the module keeps, so that a replica must not be asked",
    ),
    ("TOPK.COUNT", "modules", "it changes nothing"),
];

/// Commands whose policies are not those that the servers tell.
const OTHER_POLICIES: &[Exception] = &[
    (
        "DBSIZE | DEL | EXISTS | FLUSHALL | FLUSHDB | INFO | KEYS | MGET | MSET | PING | RANDOMKEY | SCAN | TOUCH | UNLINK | WAIT",
        "6.2.5",
        "servers before 7.0 tell no policies",
    ),
    (
        "MSETEX",
        "",
        "the servers say that it can be split; Redis refuses keys of several slots, and Valkey 9.1.2 writes them where nobody finds them; a condition holds for all keys together",
    ),
];

/// Commands that a server has, and does not tell of.
const NOT_THERE: &[Exception] = &[("QUIT", "6.2.5", "the server does not call it a command")];

/// The flags that the spec has as well; `dangerous` is a category of the access control list.
const FLAGS: [&str; 7] = [
    "readonly", "write", "fast", "admin", "noscript", "no_auth", "blocking",
];

#[test]
fn as_many_words_are_sent_as_every_server_demands() {
    compare_all(OTHER_ARITY, |cases, docs| {
        let least = cases
            .iter()
            .map(|case| case.least)
            .min()
            .unwrap_or_default();
        let most = cases.iter().map(|case| case.words.len()).max();
        let fits = match usize::try_from(docs.arity) {
            Ok(arity) => least == arity && most == Some(arity),
            Err(_) => least == docs.arity.unsigned_abs() as usize,
        };
        (!fits).then(|| format!("{least} to {most:?} words, but there {}", docs.arity))
    });
}

#[test]
fn flags_are_those_of_every_server() {
    compare_all(OTHER_FLAGS, |cases, docs| {
        let mut ours: BTreeSet<&str> = cases.iter().flat_map(|case| case.flags.clone()).collect();
        if cases.iter().any(|case| case.blocking) {
            ours.insert("blocking");
        }
        let theirs = docs.flags.iter().map(String::as_str);
        let mut theirs: BTreeSet<&str> = theirs.filter(|flag| FLAGS.contains(flag)).collect();
        if docs.categories.contains("@dangerous") {
            theirs.insert("dangerous");
        }
        (ours != theirs).then(|| format!("{ours:?}, but there {theirs:?}"))
    });
}

#[test]
fn policies_for_clusters_are_those_of_every_server() {
    compare_all(OTHER_POLICIES, |cases, docs| {
        let ours: BTreeSet<String> = cases.iter().flat_map(|case| policies(case)).collect();
        let is_policy = |tip: &&String| tip.contains("_policy:");
        let theirs: BTreeSet<String> = docs.tips.iter().filter(is_policy).cloned().collect();
        (ours != theirs).then(|| format!("{ours:?}, but there {theirs:?}"))
    });
}

/// The policies of a call, as servers write them.
fn policies(case: &Case) -> Vec<String> {
    let info = (case.build)().info();
    let request = match info.request_policy {
        RequestPolicy::AllNodes => Some("all_nodes"),
        RequestPolicy::AllShards => Some("all_shards"),
        RequestPolicy::MultiShard => Some("multi_shard"),
        RequestPolicy::Special => Some("special"),
        _ => None,
    };
    let response = match info.response_policy {
        ResponsePolicy::OneSucceeded => Some("one_succeeded"),
        ResponsePolicy::AllSucceeded => Some("all_succeeded"),
        ResponsePolicy::AggSum => Some("agg_sum"),
        ResponsePolicy::AggMin => Some("agg_min"),
        ResponsePolicy::AggMax => Some("agg_max"),
        ResponsePolicy::AggLogicalAnd => Some("agg_logical_and"),
        ResponsePolicy::AggLogicalOr => Some("agg_logical_or"),
        ResponsePolicy::Special => Some("special"),
        _ => None,
    };
    let request = request.map(|policy| format!("request_policy:{policy}"));
    let response = response.map(|policy| format!("response_policy:{policy}"));
    request.into_iter().chain(response).collect()
}

/// Compares each command with what each server says of it.
fn compare_all(list: &[Exception], differs: impl Fn(&[&Case], &CommandDocs) -> Option<String>) {
    let mut wrong = Vec::new();
    for edition in USUAL.into_iter().filter(|edition| edition.is_here()) {
        for edition in [Edition::clone(edition), edition.node()] {
            wrong.extend(compare(&edition, list, &differs));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn compare(
    edition: &Edition,
    list: &[Exception],
    differs: impl Fn(&[&Case], &CommandDocs) -> Option<String>,
) -> Vec<String> {
    let server = edition.builder().start().expect("the server starts");
    let mut conn = server.connect().expect("the server lets us in");
    let known = ServerCommands::ask(&mut conn).expect("it tells of its commands");
    let all = cases();
    let made: Vec<&Case> = all.iter().filter(|case| edition.makes(case)).collect();
    let mut exceptions = Exceptions::of(list, edition.name(), &made);
    let mut not_there = Exceptions::of(NOT_THERE, edition.name(), &made);
    let mut commands: BTreeMap<&str, Vec<&Case>> = BTreeMap::new();
    for case in made {
        commands.entry(case.command).or_default().push(case);
    }
    let mut wrong = Vec::new();
    for (name, cases) in commands {
        let Some(docs) = known.commands.get(name) else {
            // Old servers and modules know a container only, and all know some subcommands of ours as arguments.
            let first = name.split(' ').next().unwrap_or_default();
            let is_there = known.commands.keys().any(|name| name.starts_with(first));
            if !is_there && !cases.iter().any(|case| not_there.excuse(case)) {
                wrong.push(format!("{}: {name} is not there", edition.name()));
            }
            continue;
        };
        if let Some(why) = differs(&cases, docs)
            && !cases.iter().any(|case| exceptions.excuse(case))
        {
            wrong.push(format!("{}: {name}: {why}", edition.name()));
        }
    }
    wrong.extend(exceptions.unused().chain(not_there.unused()));
    wrong
}
