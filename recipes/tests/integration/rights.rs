//! The pages name the keys and commands that each recipe needs: a user with these rights, and no others, can use it, and no script calls another command.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use typedis::Config;
use typedis::prelude::*;
use typedis_recipes::{
    Begun, CacheAside, Election, Gcra, Idempotency, Lock, Queue, Retry, Semaphore, SlidingWindow,
};

use crate::support::*;

/// The rights that a page names.
struct Rights {
    keys: &'static str,
    commands: BTreeSet<&'static str>,
}

/// What stands behind "needs the keys", for each recipe of a page.
fn rights(page: &'static str) -> Vec<Rights> {
    let parts = page.split("needs the keys `").skip(1);
    let rights = parts.map(|part| {
        let (keys, rest) = part.split_once("` and the commands ").unwrap();
        let (commands, _) = rest.split_once('.').unwrap();
        let commands = commands.split([' ', ',']);
        let commands = commands.filter(|word| !word.is_empty() && *word != "and");
        Rights {
            keys,
            commands: commands.collect(),
        }
    });
    rights.collect()
}

/// The rights that the page of a recipe names.
macro_rules! rights {
    ($page:literal) => {
        rights(include_str!(concat!(
            "../../../docs/guide/recipes/",
            $page,
            ".md"
        )))
    };
}

/// The rights of each recipe, the beginning of its scripts' names, and what it calls besides them: a call that was given up is noted by SET.
fn recipes() -> Vec<(Rights, &'static str, &'static [&'static str])> {
    let others: [&[&str]; 8] = [
        &["SET"],
        &["SET"],
        &["SET", "HGET"],
        &["SET", "DEL"],
        &["SET", "DEL"],
        &[],
        &[],
        &[],
    ];
    let scripts = [
        "lock_",
        "semaphore_",
        "lock_",
        "cache_",
        "run_",
        "queue_",
        "limit_gcra",
        "limit_window",
    ];
    let pages = [
        rights!("lock"),
        rights!("semaphore"),
        rights!("election"),
        rights!("cache-aside"),
        rights!("idempotency"),
        rights!("queue"),
        rights!("rate-limit"),
    ];
    let rights: Vec<Rights> = pages.into_iter().flatten().collect();
    assert_eq!(rights.len(), scripts.len());
    let recipes = rights.into_iter().zip(scripts).zip(others);
    recipes
        .map(|((rights, scripts), others)| (rights, scripts, others))
        .collect()
}

/// The commands that the scripts call whose names begin like this.
fn called(scripts: &str) -> BTreeSet<String> {
    let mut called = BTreeSet::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("lua");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.starts_with(scripts) {
            let text = std::fs::read_to_string(&path).unwrap();
            let calls = text.split("redis.call('").skip(1);
            called.extend(calls.map(|call| call.split('\'').next().unwrap().to_owned()));
        }
    }
    assert!(!called.is_empty(), "{scripts}");
    called
}

#[test]
fn the_pages_name_the_commands_that_the_scripts_call() {
    for (rights, scripts, others) in recipes() {
        let mut expected = called(scripts);
        expected.extend(
            ["EVALSHA", "EVAL"]
                .iter()
                .chain(others)
                .map(|&name| name.to_owned()),
        );
        let named: BTreeSet<String> = rights
            .commands
            .iter()
            .map(|&name| name.to_owned())
            .collect();
        assert_eq!(named, expected, "{}", rights.keys);
    }
}

/// Uses the recipe with these keys, which is called `a`.
async fn run_through(keys: &str, conn: &Connection) {
    match keys {
        "~{lock:NAME}*" => {
            let lock = Lock::new(conn, "a");
            let guard = lock.acquire().await.unwrap();
            assert!(lock.try_acquire().await.unwrap().is_none());
            guard.release().await.unwrap();
        }
        "~{semaphore:NAME}*" => {
            let semaphore = Semaphore::new(conn, "a", 1);
            let permit = semaphore.acquire().await.unwrap();
            assert!(semaphore.try_acquire().await.unwrap().is_none());
            permit.release().await.unwrap();
        }
        "~{election:NAME}*" => {
            let election = Election::new(conn, "a", "x");
            let leadership = election.campaign().await.unwrap();
            assert_eq!(election.leader().await.unwrap().as_deref(), Some("x"));
            leadership.resign().await.unwrap();
        }
        "~{cache:NAME:*" => {
            let cache = CacheAside::new(conn, "a");
            let load = || async { Ok::<_, String>(7) };
            assert_eq!(cache.get::<u64, _, _, _>("x", load).await.unwrap(), 7);
            cache.forget("x").await.unwrap();
        }
        "~{idempotency:NAME:*" => {
            let requests = Idempotency::new(conn, "a");
            let begun = requests.begin::<String>("x").await.unwrap();
            let Begun::Run(run) = begun else {
                panic!("{begun:?}")
            };
            run.finish(&"done".to_owned()).await.unwrap();
            let again = requests.begin::<String>("x").await.unwrap();
            assert!(matches!(again, Begun::Replay(_)), "{again:?}");
            requests.forget("x").await.unwrap();
        }
        "~{queue:NAME}*" => queue(conn).await,
        "~{gcra:NAME:*" => {
            let gcra = Gcra::new(conn, "a", 1, Duration::from_secs(3600));
            assert!(gcra.check("x").await.unwrap().is_allowed());
            assert!(!gcra.check("x").await.unwrap().is_allowed());
        }
        "~{window:NAME:*" => {
            let window = SlidingWindow::new(conn, "a", 1, Duration::from_secs(3600));
            assert!(window.check("x").await.unwrap().is_allowed());
            assert!(!window.check("x").await.unwrap().is_allowed());
        }
        other => panic!("no recipe has the keys {other}"),
    }
}

/// Everything that can happen to a job.
async fn queue(conn: &Connection) {
    let queue = Queue::new(conn, "a").max_deliveries(1);
    queue.push_as("x", "text", Duration::ZERO).await.unwrap();
    let job = queue.take::<String>().await.unwrap().unwrap();
    assert!(job.extend().await.unwrap());
    assert!(matches!(job.failed("no route").await.unwrap(), Retry::Dead));
    assert_eq!(queue.dead::<String>(9).await.unwrap().len(), 1);
    assert!(queue.revive("x").await.unwrap());
    let job = queue.take::<String>().await.unwrap().unwrap();
    assert!(job.done().await.unwrap());
    queue.push_as("y", "text", Duration::ZERO).await.unwrap();
    let job = queue.take::<String>().await.unwrap().unwrap();
    job.failed("no route").await.unwrap();
    assert!(queue.discard("y").await.unwrap());
}

#[tokio::test]
async fn a_user_with_the_rights_that_a_page_names_can_use_the_recipe() {
    for kind in KINDS {
        let bench = Bench::new(kind).await;
        for (rights, ..) in recipes() {
            let keys = rights.keys.replace("NAME", "a");
            let user = format!("user-{}-{keys}", bench.database.number());
            let mut rules = vec!["reset".to_owned(), "on".to_owned(), ">secret".to_owned()];
            rules.push(keys);
            // SELECT is for the database of the test.
            let commands = rights.commands.iter().chain(&["SELECT"]);
            rules.extend(commands.map(|command| format!("+{}", command.to_ascii_lowercase())));
            bench.direct.acl_setuser(&user, rules).await.unwrap();

            let config = Config::from_url(&bench.database.url()).unwrap();
            let conn = typedis::connect(config.credentials(&user, "secret")).await;
            let conn = conn.unwrap();
            let refused = conn.get::<String>("another").await.unwrap_err();
            let code = refused.server().map(|refusal| refusal.code());
            assert_eq!(code, Some("NOPERM"), "{kind:?} {}", rights.keys);
            soon(rights.keys, run_through(rights.keys, &conn)).await;
            bench.direct.acl_deluser([&user]).await.unwrap();
        }
    }
}
