//! Commands that are built from words: no sequence of them gives a caller a reply that is not its own.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;
use typedis::cluster::ReadFrom;
use typedis::prelude::*;
use typedis::{Config, ErrorKind, Phase, Protocol, Raw, Result, Value};
use typedis_testkit::fake::{Answer, FakeCluster};
use typedis_testkit::{Server, ServerCommands, ServerKind};

/// All commands that servers are known to have, and their words.
const INVENTORY: &str = include_str!("../../xtask/data/inventory.tsv");

/// What would end the server, or have it serve nobody for a while.
const NOT_RUN: [&str; 7] = [
    "SHUTDOWN",
    "DEBUG",
    "FAILOVER",
    "REPLICAOF",
    "SLAVEOF",
    "CLIENT PAUSE",
    "MIGRATE",
];

/// What commands are given, so that some of them get beyond their arguments.
const ARGUMENTS: [&str; 12] = [
    "k", "1", "0", "x", "ON", "OFF", "SKIP", "block", "STREAMS", "$", "k2", "2",
];

/// A row of `commands.toml` that a shared handle does not take.
#[derive(Debug)]
struct Unshared {
    name: String,
    /// The words of a call, which need not mean anything beyond the name.
    words: Vec<String>,
    changes: bool,
    refused: Option<String>,
}

/// What `commands.toml` says, read apart from the macro that expands it.
fn unshared() -> Vec<Unshared> {
    let spec: toml::Table = include_str!("../../commands.toml")
        .parse()
        .expect("the spec is TOML");
    let rows = spec
        .values()
        .filter_map(toml::Value::as_table)
        .flat_map(|group| group.values());
    let rows = rows.filter_map(|row| {
        let text = |key: &str| row.get(key).and_then(toml::Value::as_str);
        let (syntax, blocking, state) = (text("syntax")?, text("blocking"), text("state"));
        if blocking.is_none() && state.is_none() {
            return None;
        }
        let name = name_of(syntax);
        let mut words: Vec<String> = name.split(' ').map(str::to_owned).collect();
        words.extend(["1", "1"].map(str::to_owned));
        words.extend(
            blocking
                .filter(|word| word.chars().all(char::is_uppercase))
                .map(str::to_owned),
        );
        words.push("1".to_owned());
        Some(Unshared {
            name,
            words,
            changes: state.is_some(),
            refused: None,
        })
    });
    let refused = spec["refused"].as_table().expect("it is a table");
    let refused = refused.iter().map(|(name, advice)| Unshared {
        name: name.clone(),
        words: name.split(' ').chain(["x"]).map(str::to_owned).collect(),
        changes: false,
        refused: advice.as_str().map(str::to_owned),
    });
    rows.chain(refused).collect()
}

fn name_of(syntax: &str) -> String {
    let is_name = |word: &&str| {
        word.chars()
            .all(|c| c.is_ascii_uppercase() || "-.:_".contains(c))
    };
    let words = syntax.split(' ').take_while(is_name).take(2);
    words.collect::<Vec<_>>().join(" ")
}

/// The words as a raw command, some of them given as its name.
fn build(words: &[String], named: usize) -> Raw {
    let (name, rest) = words.split_at(named);
    rest.iter()
        .fold(typedis::raw(&name.join(" ")), |raw, word| raw.arg(word))
}

/// Every way to spell and to divide the words.
fn spellings(words: &[String]) -> impl Iterator<Item = Raw> {
    let lower: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    let mixed = words.iter().map(|word| {
        let letters = word.chars().enumerate();
        letters
            .map(|(index, letter)| {
                if index % 2 == 0 {
                    letter.to_ascii_lowercase()
                } else {
                    letter
                }
            })
            .collect::<String>()
    });
    // Servers before 7.0 compare words as C does.
    let ended = words.iter().map(|word| format!("{word}\0"));
    let all = [words.to_vec(), lower, mixed.collect(), ended.collect()];
    all.into_iter()
        .flat_map(|words| (0..=2).map(move |named| build(&words, named.min(words.len()))))
}

#[track_caller]
fn is_refused(outcome: Result<impl Sized>, row: &Unshared, place: &str) -> String {
    let Err(error) = outcome else {
        panic!("{row:?} was not refused {place}")
    };
    assert!(
        matches!(error.kind(), ErrorKind::Usage(_)),
        "{place}: {row:?}: {error}"
    );
    assert_eq!(error.phase(), Phase::NotSent, "{place}: {row:?}: {error}");
    let text = error.to_string();
    let says = match row {
        Unshared {
            refused: Some(advice),
            ..
        } => text.contains(advice),
        Unshared { changes: true, .. } => text.contains("take an `Exclusive`"),
        _ => text.contains("call it on a `Pool`"),
    };
    assert!(says, "{place}: {row:?}: {text}");
    text
}

/// Nothing listens there: what is refused is refused before a connection is needed.
const NOWHERE: &str = "redis://127.0.0.1:1";

#[tokio::test]
async fn a_raw_command_is_refused_where_its_method_does_not_compile() -> Result<()> {
    let conn = typedis::connect_lazy(NOWHERE)?;
    let pool = Pool::lazy(NOWHERE)?;
    let rows = unshared();
    assert!(rows.len() > 40, "{} rows are few", rows.len());
    for row in &rows {
        for command in spellings(&row.words) {
            is_refused(conn.run(command).await, row, "on a connection");
        }
        for command in spellings(&row.words) {
            is_refused(
                conn.pipeline().ping().run(command).await,
                row,
                "in a pipeline",
            );
        }
        for command in spellings(&row.words) {
            is_refused(
                pool.transaction().run(command).await,
                row,
                "in a transaction",
            );
        }
        for command in spellings(&row.words) {
            let mut batch = conn.batch();
            let _ = batch.push(command);
            is_refused(batch.execute().await, row, "in a batch");
        }
        let each = conn.pipeline_each([()], |_, ()| build(&row.words, 1));
        is_refused(each.await, row, "in a pipeline of like commands");
        if row.changes || row.refused.is_some() {
            for command in spellings(&row.words) {
                is_refused(pool.run(command).await, row, "on a pool");
            }
        }
    }
    Ok(())
}

/// Its sockets to replicas are shared too.
#[tokio::test]
async fn a_handle_that_reads_from_replicas_refuses_what_changes_its_socket() -> Result<()> {
    let fake = FakeCluster::start(1, |_| Answer::Usual).await.unwrap();
    let cluster = typedis::cluster(fake.url()).await?;
    let views = [cluster.replicas(), cluster.read_from(ReadFrom::Any)];
    for row in unshared() {
        if !row.changes && row.refused.is_none() {
            continue;
        }
        for view in &views {
            for command in spellings(&row.words) {
                let command = command.key("k").readonly();
                is_refused(view.run(command).await, &row, "on a view of a cluster");
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_command_without_a_name_is_refused() -> Result<()> {
    let conn = typedis::connect_lazy(NOWHERE)?;
    for command in [typedis::raw(""), typedis::raw(" ").args(())] {
        let error = conn.run(command).await.unwrap_err();
        assert!(error.to_string().contains("give it one word"), "{error}");
    }
    Ok(())
}

/// A server that the test may change as it likes.
fn own_server(kind: ServerKind) -> Server {
    Server::start(kind).expect("the servers of the tests are there")
}

fn config(server: &Server, protocol: Protocol) -> Config {
    Config::from_url(&server.url())
        .expect("the kit makes good URLs")
        .protocol(protocol)
        .command_timeout(Some(Duration::from_secs(20)))
}

/// Every name that is known anywhere: of the rows, of the inventory, of the server itself.
fn names(server: &Server) -> Vec<String> {
    let mut conn = server.connect().expect("the server lets us in");
    let live = ServerCommands::ask(&mut conn).expect("the server names its commands");
    let inventory = INVENTORY.lines().filter_map(|line| line.split('\t').next());
    let mut names: BTreeSet<String> = inventory.map(str::to_owned).collect();
    names.extend(live.commands.into_keys());
    names.extend(unshared().into_iter().map(|row| row.name));
    names.retain(|name| {
        !NOT_RUN
            .iter()
            .any(|not| name == not || name.starts_with(&format!("{not} ")))
    });
    names.into_iter().collect()
}

/// A generator whose numbers a failure can be repeated with.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        // Knuth's MMIX.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default() % sides
    }

    fn command(&mut self, name: &str) -> Raw {
        let mut words: Vec<String> = name.split(' ').map(str::to_owned).collect();
        if self.roll(2) == 0 {
            words
                .iter_mut()
                .for_each(|word| *word = word.to_lowercase());
        }
        let named = self.roll(words.len() + 1);
        for _ in 0..self.roll(4) {
            words.push(ARGUMENTS[self.roll(ARGUMENTS.len())].to_owned());
        }
        build(&words, named)
    }
}

/// Asks for values that nobody else asks for, and notes each answer that is not the one.
async fn echo_until(stop: Arc<AtomicBool>, conn: Connection, task: usize) -> Result<(), String> {
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let value = format!("{task}-{number}");
        match conn.echo::<String>(&value).await {
            Ok(echoed) if echoed == value => {}
            other => return Err(format!("asked for {value}, and got {other:?}")),
        }
    }
    Ok(())
}

/// How long the reply of a raw command is waited for.
const WAITED: Duration = Duration::from_millis(100);

async fn briefly<T>(future: impl IntoFuture<Output = Result<T>>) -> Option<Result<T>> {
    timeout(WAITED, future.into_future()).await.ok()
}

/// Runs a command on every handle that others may share.
async fn run_shared(dice: &mut Dice, name: &str, conn: &Connection, pool: &Pool) {
    briefly(conn.run(dice.command(name))).await;
    briefly(pool.run(dice.command(name))).await;
    let own = dice.roll(1000);
    let tail = |outcome: Option<Result<(Value, String)>>| {
        if let Some(Ok((_, echoed))) = outcome {
            assert_eq!(echoed, own.to_string(), "behind {name} in a pipeline");
        }
    };
    tail(briefly(conn.pipeline().run(dice.command(name)).echo::<String>(own)).await);
    tail(
        briefly(
            pool.transaction()
                .run(dice.command(name))
                .echo::<String>(own),
        )
        .await,
    );
    let mut batch = pool.batch();
    let _ = batch.push(dice.command(name));
    let echo = batch.push(cmd().echo::<String>(own));
    if let Some(Ok(mut replies)) = briefly(batch.execute()).await
        && let Ok(echoed) = replies.take(echo)
    {
        assert_eq!(echoed, own.to_string(), "behind {name} in a batch");
    }
}

/// Runs commands on a socket of its own, and looks at the reply of the one behind each.
async fn run_alone(dice: &mut Dice, names: &[String], own: &Exclusive) {
    let mut queues = false;
    for _ in 0..3 {
        let name = &names[dice.roll(names.len())];
        let outcome = briefly(own.run(dice.command(name))).await;
        if outcome.is_none() {
            return;
        }
        queues |= name == "MULTI";
        let value = dice.roll(1000).to_string();
        if let Some(Ok(echoed)) = briefly(own.echo::<String>(&value)).await {
            let is_queued = queues && echoed == "QUEUED";
            assert!(
                is_queued || echoed == value,
                "behind {name}: {echoed} in place of {value}"
            );
        }
    }
}

async fn no_reply_goes_astray(kind: ServerKind, protocol: Protocol) -> Result<()> {
    let server = own_server(kind);
    let names = names(&server);
    let conn = typedis::connect(config(&server, protocol)).await?;
    let pool = typedis::pool(config(&server, protocol)).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let mut echoes = JoinSet::new();
    for task in 0..4 {
        echoes.spawn(echo_until(stop.clone(), conn.clone(), task));
    }
    let mut dice = Dice(7);
    for name in &names {
        run_shared(&mut dice, name, &conn, &pool).await;
    }
    for _ in 0..names.len() {
        run_alone(&mut dice, &names, &pool.exclusive().await?).await;
    }
    assert_eq!(pool.echo::<String>("end").await?, "end");
    stop.store(true, Ordering::Relaxed);
    while let Some(echoed) = echoes.join_next().await {
        let echoed = echoed.expect("an echo does not panic");
        assert!(echoed.is_ok(), "{kind:?}, {protocol:?}: {echoed:?}");
    }
    Ok(())
}

// Not Redis with its modules: some of their commands crash the server when they are given these words.
macro_rules! on_every_server {
    ($($name:ident: $kind:ident, $protocol:ident;)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() -> Result<()> {
            no_reply_goes_astray(ServerKind::$kind, Protocol::$protocol).await
        }
    )*};
}

on_every_server! {
    no_reply_goes_astray_on_valkey_9_in_resp3: Valkey9, Newest;
    no_reply_goes_astray_on_valkey_9_in_resp2: Valkey9, Resp2;
    no_reply_goes_astray_on_valkey_8_in_resp3: Valkey8, Newest;
    no_reply_goes_astray_on_redis_8_in_resp3: Redis8, Newest;
    no_reply_goes_astray_on_redis_8_in_resp2: Redis8, Resp2;
    no_reply_goes_astray_on_redis_6_in_resp3: Redis6, Newest;
    no_reply_goes_astray_on_redis_6_in_resp2: Redis6, Resp2;
}

/// Commands of which a server says that they block, are refused in scripts or transactions, or belong to pub/sub, and that all
/// the same are answered with one reply and change nothing on their connection.
const HARMLESS: &str = "ACL AUTH BACKUP BGREWRITEAOF BGSAVE CLIENT CLUSTER COMMAND CONFIG DEBUG EVAL EVALSHA EVAL_RO EVALSHA_RO FAILOVER \
    FCALL FCALL_RO FUNCTION LATENCY MEMORY MIGRATE MODULE PUBLISH PUBSUB REPLICAOF ROLE SAVE SCRIPT SHUTDOWN SLAVEOF SLOWLOG \
    SPUBLISH COMMANDLOG HOTKEYS FT.CURSOR";

#[test]
fn every_command_of_which_a_server_says_that_it_is_special_is_known() {
    let known: BTreeSet<String> = unshared().into_iter().map(|row| row.name).collect();
    let harmless: BTreeSet<&str> = HARMLESS.split_whitespace().collect();
    for kind in ServerKind::PINNED {
        let mut conn = typedis_testkit::shared(kind)
            .connect()
            .expect("the server lets us in");
        let live = ServerCommands::ask(&mut conn).expect("the server names its commands");
        // Modules forbid in scripts what only their nodes say to one another.
        let special = live.commands.iter().filter(|(name, docs)| {
            let flags: &[&str] = if name.contains('.') {
                &["blocking", "pubsub"]
            } else {
                &["blocking", "noscript", "no_multi", "pubsub"]
            };
            flags.iter().any(|flag| docs.flags.contains(*flag))
        });
        let names: BTreeSet<&String> = special.map(|(name, _)| name).collect();
        assert!(
            names.contains(&"SUBSCRIBE".to_owned()),
            "{kind:?} says nothing"
        );
        for name in names {
            let first = name.split(' ').next().unwrap_or_default();
            assert!(
                known.contains(name)
                    || known
                        .iter()
                        .any(|known| known.starts_with(&format!("{name} ")))
                    || harmless.contains(first),
                "{name} of {kind:?} is neither known nor harmless"
            );
        }
    }
}
