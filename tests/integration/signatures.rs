//! What a user's own types and functions name can be named through the library.

use std::collections::BTreeSet;
use std::fs;
use std::future::{Future, IntoFuture};
use std::path::Path;

use typedis::generic::{
    AllowsBlocking, ChainFuture, Commit, EachPipeline, Execute, IntoHost, IntoRequest, Mode, Plain,
    Queues, Sink,
};
use typedis::prelude::*;
use typedis::{
    Batch, BatchHandle, Chain, Detached, Request, Result, Target, ToArgs, Watched, Worker,
};
use typedis_testkit::fake::Fake;

use crate::support::{Bench, on_servers};

on_servers! {
    functions_pass_on_what_the_methods_of_handles_take;
}

/// Handles that are kept until the batch has been executed.
struct Counters {
    visits: BatchHandle<i64>,
    others: Vec<BatchHandle<i64>>,
}

async fn run_twice<C>(client: impl Client, command: impl Fn() -> C) -> Result<(C::Reply, C::Reply)>
where
    C: IntoRequest<Sink = Detached>,
    C::Reply: FromRedis,
{
    Ok((client.run(command()).await?, client.run(command()).await?))
}

fn push_all<C>(
    batch: &mut Batch<'_>,
    commands: impl IntoIterator<Item = C>,
) -> Vec<BatchHandle<C::Reply>>
where
    C: IntoRequest<Sink = Detached>,
{
    let commands = commands.into_iter();
    commands.map(|command| batch.push(command)).collect()
}

fn for_each<'a, I, C>(
    client: &'a impl Client,
    items: I,
    command: impl Fn(Detached, I::Item) -> C,
) -> EachPipeline<'a, C::Reply>
where
    I: IntoIterator,
    C: IntoRequest<Sink = Detached>,
{
    client.pipeline_each(items, command)
}

/// Watches twice at most.
async fn watch<'p, K, F, Fut, T>(
    pool: &'p Pool,
    keys: K,
    attempt: F,
) -> Result<<T::Sink as Commit>::Tuple>
where
    K: ToArgs,
    F: Fn(Watched) -> Fut + Send + 'p,
    Fut: Future<Output = Result<T>> + Send + 'p,
    T: Target + Send + 'p,
    T::Sink: Commit + Send,
    <T::Sink as Commit>::Tuple: Send,
{
    pool.watch(keys, attempt).attempts(2).await
}

/// Adds to a pipeline or a transaction.
fn longer<M: Mode, L>(chain: Chain<'_, M, L>) -> Chain<'_, M, (L, i64)> {
    chain.incr("n").into_sink()
}

/// What waits for the replies of a pipeline.
struct Later<'a> {
    replies: ChainFuture<'a, ((), i64)>,
}

/// A command of any handle, as its only part.
async fn counted<T, S>(target: T) -> Result<S::Output>
where
    T: Target<Sink = S>,
    S: Execute<i64>,
{
    target.incr("n").await
}

/// The failure of one command of a pipeline is its own.
fn attempted<S: Sink + Queues>(request: Request<S, i64>) -> Request<S, Result<i64>> {
    request.attempt()
}

/// Scans any handle that has scans.
async fn members<'h, T>(handle: T) -> Result<Vec<String>>
where
    T: Target,
    T::Sink: IntoHost<'h>,
{
    handle.sscan("members", 0).stream().try_collect().await
}

/// Waits for an element, on any handle on which commands may block.
async fn next<'c, C>(client: &'c C) -> Result<Option<String>>
where
    C: Client,
    &'c C: AllowsBlocking,
{
    let popped = client.blpop::<String>(["jobs"], 1).await?;
    Ok(popped.map(|(_, job)| job))
}

/// A wrapper of workers over any handle.
fn worker<C>(client: &C, consumer: &str) -> Worker
where
    C: Client + Clone + 'static,
    for<'c> &'c C: AllowsBlocking,
{
    Worker::new(client, "mails", "senders", consumer).batch(1)
}

async fn functions_pass_on_what_the_methods_of_handles_take(bench: Bench) -> Result<()> {
    let (conn, pool) = (bench.connect().await, bench.pool().await);
    assert_eq!(run_twice(&conn, || cmd().incr("n")).await?, (1, 2));

    let mut batch = conn.batch();
    let counters = Counters {
        visits: batch.push(cmd().incr("visits")),
        others: push_all(&mut batch, ["a", "b"].map(|key| cmd().incr(key))),
    };
    let mut replies = batch.execute().await?;
    assert_eq!(replies.take(counters.visits)?, 1);
    for other in counters.others {
        assert_eq!(replies.take(other)?, 1);
    }
    let counts = for_each(&pool, ["a", "b"], |c, key| c.incr(key)).await?;
    assert_eq!(counts, [2, 2]);

    let add = |watched: Watched| async move {
        let n = watched.get::<i64>("n").await?.unwrap_or(0);
        Ok(watched.transaction().set("n", n + 1).incr("n"))
    };
    assert_eq!(watch(&pool, ["n"], add).await?, ((), 4));

    let later = Later {
        replies: longer::<Plain, ()>(conn.pipeline()).into_future(),
    };
    assert_eq!(later.replies.await?, (5,));
    assert_eq!(longer(conn.transaction()).await?, (6,));
    assert_eq!(counted(&conn).await?, 7);
    let (tried,) = attempted(conn.pipeline().incr("n")).await?;
    assert_eq!(tried?, 8);

    conn.sadd("members", ["ada"]).await?;
    assert_eq!(members(&conn).await?, ["ada"]);
    let exclusive = pool.exclusive().await?;
    assert_eq!(members(&exclusive).await?, ["ada"]);
    conn.rpush("jobs", ["mail"]).await?;
    assert_eq!(next(&pool).await?.as_deref(), Some("mail"));
    let tally = worker(&pool, "one").run_until(async {}, |_: typedis::Job<String>| async {
        Ok::<(), typedis::Error>(())
    });
    assert_eq!(tally.await?.done, 0);
    Ok(())
}

fn source(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(root.join(path)).expect("it can be read")
}

/// The names that the `pub use`s of a file export for users.
fn exported(source: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut rest = source;
    while let Some((before, use_)) = rest.split_once("\npub use ") {
        let (path, after) = use_.split_once(';').expect("it ends");
        let is_hidden = before.trim_end().ends_with("#[doc(hidden)]");
        let (module, list) = path.split_once('{').unwrap_or(("", path));
        for name in list.trim_end_matches('}').split(',').filter(|_| !is_hidden) {
            let name = name.rsplit("::").next().unwrap_or(name).trim();
            let name = match name {
                "self" => module.trim_end_matches("::").rsplit("::").next(),
                name => Some(name),
            };
            names.extend(name.filter(|name| !name.is_empty()).map(str::to_owned));
        }
        rest = after;
    }
    names
}

/// The traits that a file declares for users.
fn traits(source: &str) -> Vec<String> {
    let mut traits = Vec::new();
    let mut is_hidden = false;
    for line in source.lines() {
        if let Some(declared) = line.strip_prefix("pub trait ") {
            let name = declared
                .split(|letter: char| !letter.is_alphanumeric())
                .next();
            traits.extend(name.filter(|_| !is_hidden).map(str::to_owned));
        }
        // It stands among the lines right above the trait.
        is_hidden = line == "#[doc(hidden)]" || (is_hidden && line.starts_with("#["));
    }
    traits
}

fn each_source(folder: &Path, work: &mut impl FnMut(&str)) {
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            each_source(&path, work);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            work(&fs::read_to_string(&path).expect("it can be read"));
        }
    }
}

#[test]
fn what_the_core_exports_can_be_named_through_the_library() {
    let core = exported(&source("redis-core/src/lib.rs"));
    assert!(core.len() > 120, "{core:?}");
    let library = exported(&source("src/lib.rs"));
    let generic = exported(&source("src/generic.rs"));
    // The library has its own, which knows all commands.
    let own = BTreeSet::from(["raw".to_owned()]);
    let missing: Vec<_> = core
        .iter()
        .filter(|name| {
            ![&library, &generic, &own]
                .iter()
                .any(|set| set.contains(*name))
        })
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    let twice: Vec<_> = library.intersection(&generic).collect();
    assert!(twice.is_empty(), "these have two public paths: {twice:?}");
}

#[test]
fn every_bound_of_the_core_is_exported() {
    // In hidden modules: what derives and option builders call.
    let mut known = BTreeSet::from(["Field".to_owned(), "Made".to_owned()]);
    for file in ["lib", "cache/mod", "cluster/mod", "pubsub/mod"] {
        known.extend(exported(&source(&format!("redis-core/src/{file}.rs"))));
    }
    let mut missing = Vec::new();
    let mut checked = 0;
    let core = Path::new(env!("CARGO_MANIFEST_DIR")).join("redis-core/src");
    each_source(&core, &mut |source| {
        for name in traits(source) {
            checked += 1;
            if !known.contains(&name) {
                missing.push(name);
            }
        }
    });
    assert!(checked > 20, "{checked}");
    assert!(
        missing.is_empty(),
        "nobody can name these bounds: {missing:?}"
    );
}

/// What became of a command, under a name of its own.
#[derive(Debug, FromRedis)]
struct Kept(Result<i64>);

/// As if it had been asked for by `.attempt()`.
#[tokio::test]
async fn a_failure_that_a_newtype_keeps_names_its_command() -> Result<()> {
    let fake = Fake::answering(|words| match words.name().as_str() {
        "INCR" => b"-ERR value is not an integer\r\n".to_vec(),
        _ => b"+OK\r\n".to_vec(),
    });
    let fake = fake.await.expect("a port is free");
    let config = typedis::Config::from_url(&fake.url())?.protocol(typedis::Protocol::Resp2);
    let conn = typedis::connect(config).await?;
    let incr = || raw("INCR").key("text").reply::<Kept>();
    let (_, Kept(second)) = conn.pipeline().run(incr()).run(incr()).await?;
    let error = second.expect_err("it is no number");
    assert_eq!(error.command(), Some("INCR"));
    assert_eq!(error.index(), Some(1));
    Ok(())
}
