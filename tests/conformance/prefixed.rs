//! Every call through a handle that puts a prefix before keys: which words get it, against COMMAND GETKEYS, and what comes
//! back.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use typedis::prelude::*;
use typedis::{Args, Config, ErrorKind, Prefixed, Protocol, Request, Value};
use typedis_testkit::fake::Fake;

use crate::cases::{Case, cases};
use crate::exceptions::{Exception, Exceptions, reason};
use crate::keys::{UNLIKE_THE_SERVER, keys_by_server};
use crate::seeds::{Found, MAY_FAIL, around, seeds};
use crate::server::{Edition, Known, USUAL};

const PREFIX: &str = "app:";

/// Calls in which words that are no keys get the prefix.
const BESIDES_KEYS: &[Exception] = &[
    ("KEYS | SCAN | CLUSTERSCAN", "", "a pattern of keys"),
    (
        "SORT BY | SORT GET | SORT_RO BY | SORT_RO GET",
        "",
        "names of keys with a star for the element",
    ),
];

/// Calls without keys that the servers count among those about keys, and that go as they are.
const ABOUT_NO_KEYS: &[Exception] = &[
    ("OBJECT HELP", "", "it is a text"),
    ("RANDOMKEY", "", "a key without the prefix is an error"),
];

/// What went over the wire.
#[derive(Clone, Default)]
struct Sent(Arc<Mutex<Vec<Vec<Vec<u8>>>>>);

impl Sent {
    fn take(&self) -> Vec<Vec<Vec<u8>>> {
        std::mem::take(&mut self.0.lock().expect("nobody panicked with it"))
    }
}

/// A server that answers every call with OK, and a handle with a prefix to it.
async fn fake() -> (Fake, Sent, Prefixed<Exclusive>) {
    let sent = Sent::default();
    let record = sent.clone();
    let fake = Fake::answering(move |words| {
        let mut sent = record.0.lock().expect("nobody panicked with it");
        sent.push(words.bytes().to_vec());
        b"+OK\r\n".to_vec()
    });
    let fake = fake.await.expect("a port is free");
    let config = Config::from_url(&fake.url()).expect("the kit makes good URLs");
    let exclusive = typedis::exclusive(config.protocol(Protocol::Resp2)).await;
    let view = Prefixed::new(exclusive.expect("it answers"), PREFIX);
    sent.take();
    (fake, sent, view)
}

/// What became of the words of a call: each as it was sent, or the refusal.
async fn words_of(
    view: &Prefixed<Exclusive>,
    sent: &Sent,
    args: Args,
) -> Result<Vec<Vec<u8>>, String> {
    let outcome = Request::<_, Value>::from_args(view, args).await;
    let mut sent = sent.take();
    match (sent.pop(), outcome) {
        (Some(words), _) => Ok(words),
        (None, Err(error)) if matches!(error.kind(), ErrorKind::Usage(_)) => Err(error.to_string()),
        (None, outcome) => panic!("nothing was sent, and it ends with {outcome:?}"),
    }
}

/// The places of the words with the prefix, and the words that were added at the end.
fn prefixed(case: &Case, sent: &[Vec<u8>]) -> (Vec<usize>, Vec<String>) {
    let mut places = Vec::new();
    for (place, (word, sent)) in case.words.iter().zip(sent).enumerate() {
        let with_prefix = [PREFIX.as_bytes(), word].concat();
        if *sent == with_prefix {
            places.push(place);
        } else {
            assert_eq!(sent, word, "{}", case.line());
        }
    }
    let added = sent[case.words.len()..].iter();
    let added = added.map(|word| String::from_utf8_lossy(word).into_owned());
    (places, added.collect())
}

#[tokio::test]
async fn every_call_gets_the_prefix_on_its_keys_and_nothing_else() {
    let (_fake, sent, view) = fake().await;
    let all = cases();
    let made: Vec<&Case> = all.iter().collect();
    let mut besides = Exceptions::of(BESIDES_KEYS, "", &made);
    let mut wrong = Vec::new();
    for case in &all {
        let Ok(words) = words_of(&view, &sent, (case.build)()).await else {
            continue;
        };
        let (places, added) = prefixed(case, &words);
        // These say where a call goes, and are no keys.
        let is_route = case.is("SPUBLISH | CLUSTERSCAN");
        let keys: &[usize] = if is_route { &[] } else { &case.keys };
        let is_right = places == keys && added.is_empty();
        if !is_right && !besides.excuse(case) {
            wrong.push(format!("{}: {places:?} and {added:?}", case.line()));
        }
    }
    wrong.extend(besides.unused());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn the_words_with_the_prefix_are_the_keys_of_every_server() {
    for edition in USUAL.into_iter().filter(|edition| edition.is_here()) {
        compare(edition).await;
    }
}

async fn compare(edition: &'static Edition) {
    let server = edition.start();
    let conn = server.connect(Protocol::Newest).await;
    let about_keys = about_keys(&conn).await;
    let (_fake, sent, view) = fake().await;
    let all = cases();
    let made: Vec<&Case> = all.iter().filter(|case| server.makes(case)).collect();
    let mut unlike = Exceptions::of(UNLIKE_THE_SERVER, server.name(), &made);
    let mut besides = Exceptions::of(BESIDES_KEYS, server.name(), &made);
    let mut without = Exceptions::of(ABOUT_NO_KEYS, server.name(), &made);
    let mut wrong = Vec::new();
    for case in made {
        let mut there = keys_by_server(&conn, case).await.unwrap_or_default();
        match words_of(&view, &sent, (case.build)()).await {
            Ok(words) => {
                let (places, added) = prefixed(case, &words);
                let mut here: Vec<String> = places
                    .iter()
                    .map(|place| case.text()[*place].clone())
                    .collect();
                here.sort();
                there.sort();
                let is_right = here == there && added.is_empty();
                if !is_right && !unlike.excuse(case) && !besides.excuse(case) {
                    wrong.push(format!("{}: {here:?} and {added:?}", case.line()));
                }
                let is_open = here.is_empty() && added.is_empty();
                if is_open && about_keys.contains(case.command) && !without.excuse(case) {
                    wrong.push(format!("{}: it is about keys", case.line()));
                }
            }
            Err(_) if there.is_empty() || unlike.excuse(case) => {}
            Err(why) => wrong.push(format!("{}: {why}", case.line())),
        }
    }
    wrong.extend(besides.unused());
    assert!(wrong.is_empty(), "{}:\n{}", server.name(), wrong.join("\n"));
}

/// The commands that a server counts among those about keys; older ones do not say.
async fn about_keys(conn: &Exclusive) -> BTreeSet<String> {
    let list = raw("COMMAND LIST").args(["FILTERBY", "ACLCAT", "keyspace"]);
    let list = conn.run(list.reply::<Vec<String>>()).await;
    let names = list.unwrap_or_default().into_iter();
    names
        .map(|name| name.replace('|', " ").to_uppercase())
        .collect()
}

/// Calls whose replies depend on chance or on the clock. Of them only the names are looked at.
const NEVER_THE_SAME: &[Exception] = &[
    (
        "SPOP | SRANDMEMBER | HRANDFIELD | ZRANDMEMBER | VRANDMEMBER | RANDOMKEY",
        "",
        "each reply is another",
    ),
    (
        "VLINKS | VINFO | VSIM",
        "",
        "the graph of a vector set is made by chance",
    ),
    (
        "TTL | PTTL | HTTL | HPTTL | STTL | SPTTL | EXPIRETIME | PEXPIRETIME | HEXPIRETIME | HPEXPIRETIME | SEXPIRETIME | SPEXPIRETIME",
        "",
        "the time goes on",
    ),
    (
        "XADD | XPENDING | XINFO STREAM | XINFO GROUPS | XINFO CONSUMERS | XREADGROUP CLAIM | OBJECT IDLETIME",
        "",
        "the time goes on",
    ),
    (
        "TS.ADD | TS.INCRBY | TS.DECRBY | TS.MADD",
        "",
        "the time goes on",
    ),
    ("MEMORY USAGE", "", "a longer name takes more"),
    (
        "TS.DELETERULE | TS.INFO",
        "",
        "the module tells of the first key only, so that the rule is not seeded",
    ),
];

#[test]
fn replies_are_those_of_a_handle_without_a_prefix() {
    std::thread::scope(|scope| {
        for edition in USUAL.into_iter().filter(|edition| edition.is_here()) {
            for protocol in [Protocol::Resp2, Protocol::Newest] {
                scope.spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread()
                        .enable_all()
                        .build();
                    let runtime = runtime.expect("a runtime can be built");
                    runtime.block_on(reply_the_same(edition, protocol));
                });
            }
        }
    });
}

async fn reply_the_same(edition: &'static Edition, protocol: Protocol) {
    let server = edition.start();
    let all = cases();
    let made = all.iter().filter(|case| server.makes(case));
    // Others have no names, and some of them end the server.
    let named =
        |case: &&Case| !case.keys.is_empty() || case.is("KEYS | SCAN | RANDOMKEY | CLUSTERSCAN");
    let made: Vec<&Case> = made.filter(named).collect();
    let mut wrong = Vec::new();
    let mut pair = Pair::new(&server, protocol).await;
    for case in made {
        let is_refused = (case.build)().info().state.is_some() || case.is("MIGRATE");
        if is_refused {
            continue;
        }
        let plain = pair.reply(case, false).await;
        let with_prefix = pair.reply(case, true).await;
        let (Ok(plain), Ok(with_prefix)) = (plain, with_prefix) else {
            pair = Pair::new(&server, protocol).await;
            continue;
        };
        let is_same = plain == with_prefix || reason(NEVER_THE_SAME, server.name(), case).is_some();
        if !is_same || with_prefix.contains(PREFIX) {
            wrong.push(format!("{}: {plain} and {with_prefix}", case.line()));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} {protocol:?}:\n{}",
        server.name(),
        wrong.join("\n")
    );
}

/// A handle without and one with the prefix, and one that prepares the keys.
struct Pair {
    view: Prefixed<Exclusive>,
    seeder: Exclusive,
}

impl Pair {
    async fn new(server: &Known, protocol: Protocol) -> Self {
        Self {
            view: Prefixed::new(server.connect(protocol).await, PREFIX),
            seeder: server.connect(protocol).await,
        }
    }

    /// The reply to a call that finds something, as text.
    async fn reply(&self, case: &Case, has_prefix: bool) -> typedis::Result<String> {
        self.seeder.flushall().await?;
        let [before, _] = around(case);
        for seed in seeds(case, Found::Hit).into_iter().chain(before) {
            self.seed(&seed, has_prefix).await?;
        }
        let reply = match has_prefix {
            true => Request::<_, Value>::from_args(&self.view, (case.build)()).await,
            false => Request::<_, Value>::from_args(self.view.inner(), (case.build)()).await,
        };
        match reply {
            Ok(reply) => Ok(format!("{reply:?}")),
            Err(error) if matches!(error.kind(), ErrorKind::Server(_)) => Ok(error.to_string()),
            Err(error) => Err(error),
        }
    }

    /// Prepares keys; the server says which words are keys.
    async fn seed(&self, words: &[String], has_prefix: bool) -> typedis::Result<()> {
        let mut words: Vec<String> = words.to_vec();
        words[0] = words[0].trim_start_matches(MAY_FAIL).to_owned();
        if has_prefix {
            let keys = raw("COMMAND GETKEYS").args(&words);
            let keys = self.seeder.run(keys.reply::<Vec<String>>()).await;
            let keys = keys.unwrap_or_default();
            for word in words.iter_mut().skip(1).filter(|word| keys.contains(word)) {
                word.insert_str(0, PREFIX);
            }
        }
        let seed = raw(&words[0]).args(&words[1..]).reply::<Value>();
        // What is refused in preparation leaves the key as it is.
        match self.seeder.run(seed).await {
            Err(error) if !matches!(error.kind(), ErrorKind::Server(_)) => Err(error),
            _ => Ok(()),
        }
    }
}
