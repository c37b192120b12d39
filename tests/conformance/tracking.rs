//! Which reads the servers track, against `cacheable` of the rows.

use std::collections::BTreeSet;
use std::time::Duration;

use typedis::commands::OnOff;
use typedis::prelude::*;
use typedis::pubsub::{Invalidation, Invalidations};
use typedis::{Protocol, Value};
use typedis_testkit::raw::RawConnection;

use crate::cases::{Case, cases};
use crate::exceptions::{Exception, Exceptions};
use crate::seeds::{Found, MAY_FAIL, seeds};
use crate::server::{Edition, Known, USUAL};

/// How long a report may take.
const WITHIN: Duration = Duration::from_secs(10);

/// A key that is read after each call: its report comes after those of the call.
const MARK: &str = "mark-of-the-test";

/// Reads that their rows call not cacheable although the servers track them: the reply depends on more than the keys.
const DEPENDS_ON_MORE: &[Exception] = &[
    (
        "TTL | PTTL | HTTL | HPTTL | STTL | SPTTL | OBJECT IDLETIME | XINFO STREAM | XINFO GROUPS | XINFO CONSUMERS | XPENDING",
        "",
        "the time goes on",
    ),
    (
        "HRANDFIELD | SRANDMEMBER | ZRANDMEMBER | VRANDMEMBER",
        "",
        "each reply is another",
    ),
    (
        "HSCAN | SSCAN | ZSCAN",
        "",
        "a cursor is of one pass over the keys",
    ),
    (
        "DUMP | OBJECT ENCODING | OBJECT FREQ | OBJECT REFCOUNT | MEMORY USAGE | JSON.DEBUG MEMORY | ARINFO",
        "",
        "it is about how the server stores the key",
    ),
    ("TOUCH", "", "it is for its effect on the server"),
    ("VSIM", "", "the search is an approximation"),
    (
        "SORT_RO | XREAD",
        "",
        "it reads more than its keys, or waits",
    ),
    (
        "CMS.QUERY | CMS.INFO",
        "modules",
        "CMS.INCRBY is not reported",
    ),
    (
        "@timeseries",
        "modules",
        "the series that depend on others change without a report",
    ),
];

/// Calls that change a key, which the server does not report. No command that reads such keys may be cacheable.
const UNREPORTED: &[Exception] = &[(
    "CMS.INCRBY",
    "modules",
    "the module does not tell the server of the change",
)];

#[test]
fn what_is_cacheable_is_tracked_by_every_server() {
    on_each_server(check);
}

#[test]
fn every_change_of_a_key_is_reported_by_every_server() {
    on_each_server(check_changes);
}

fn on_each_server<F: Future<Output = ()>>(check: impl Fn(&'static Edition) -> F + Sync) {
    std::thread::scope(|scope| {
        for edition in USUAL.into_iter().filter(|edition| edition.is_here()) {
            let check = &check;
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build();
                runtime
                    .expect("a runtime can be built")
                    .block_on(check(edition));
            });
        }
    });
}

/// A connection whose reads are tracked, and one that changes keys.
struct Pair {
    reader: Exclusive,
    reports: Invalidations,
    writer: RawConnection,
}

async fn check(edition: &'static Edition) {
    let server = edition.start();
    let all = cases();
    let reads = all.iter().filter(|case| {
        server.makes(case) && !case.keys.is_empty() && case.flags.contains(&"readonly")
    });
    let reads: Vec<&Case> = reads.collect();
    let mut exceptions = Exceptions::of(DEPENDS_ON_MORE, server.name(), &reads);
    let mut pair = Pair::new(&server).await;
    let mut wrong = Vec::new();
    for case in reads {
        let is_cacheable = (case.build)().info().cacheable;
        let keys: BTreeSet<Vec<u8>> = case
            .keys
            .iter()
            .map(|place| case.words[*place].clone())
            .collect();
        for found in [Found::Hit, Found::Miss] {
            let reported = pair.reported(case, found, &keys).await;
            let is_tracked = keys.is_subset(&reported);
            if is_cacheable && !is_tracked {
                wrong.push(format!("{} ({found:?}): is not tracked", case.line()));
            }
            if !is_cacheable && is_tracked && !exceptions.excuse(case) {
                wrong.push(format!("{} ({found:?}): is tracked", case.line()));
            }
        }
        if case.changes_its_connection() {
            pair = Pair::new(&server).await;
        }
    }
    wrong.extend(exceptions.unused());
    assert!(wrong.is_empty(), "{}:\n{}", server.name(), wrong.join("\n"));
}

async fn check_changes(edition: &'static Edition) {
    let server = edition.start();
    let all = cases();
    let writes = all.iter().filter(|case| {
        server.makes(case)
            && !case.keys.is_empty()
            && case.flags.contains(&"write")
            && !case.flags.contains(&"blocking")
    });
    let writes: Vec<&Case> = writes.collect();
    let mut exceptions = Exceptions::of(UNREPORTED, server.name(), &writes);
    let mut pair = Pair::new(&server).await;
    let mut wrong = Vec::new();
    for case in writes {
        let keys: BTreeSet<Vec<u8>> = case
            .keys
            .iter()
            .map(|place| case.words[*place].clone())
            .collect();
        for found in [Found::Hit, Found::Miss] {
            let unreported = pair.unreported(case, found, &keys).await;
            if !unreported.is_empty() && !exceptions.excuse(case) {
                wrong.push(format!(
                    "{} ({found:?}): a change is not reported",
                    case.line()
                ));
            }
        }
        if case.changes_its_connection() {
            pair = Pair::new(&server).await;
        }
    }
    wrong.extend(exceptions.unused());
    assert!(wrong.is_empty(), "{}:\n{}", server.name(), wrong.join("\n"));
}

impl Pair {
    async fn new(server: &Known) -> Self {
        let reader = server.connect(Protocol::Newest).await;
        let reports = reader.invalidations().expect("it speaks RESP3");
        reader.client_tracking(OnOff::On).await.expect("it tracks");
        Self {
            reader,
            reports,
            writer: server.raw(),
        }
    }

    /// The keys that are reported when all keys of a call are changed after it was made.
    async fn reported(
        &mut self,
        case: &Case,
        found: Found,
        keys: &BTreeSet<Vec<u8>>,
    ) -> BTreeSet<Vec<u8>> {
        self.prepare(case, found, keys).await;
        // A refusal is tracked as well, so it does not matter what it says.
        let call = raw(&String::from_utf8_lossy(&case.words[0])).args(&case.words[1..]);
        let _ = self.reader.run(call.reply::<Value>()).await;
        for key in keys {
            let key = String::from_utf8_lossy(key);
            self.write(&["DEL", &key]);
            self.write(&["SET", &key, "x"]);
        }
        self.until_the_mark().await
    }

    /// Makes the keys as a call may find them.
    async fn prepare(&mut self, case: &Case, found: Found, keys: &BTreeSet<Vec<u8>>) {
        for key in keys {
            self.write(&["DEL", &String::from_utf8_lossy(key)]);
        }
        for seed in seeds(case, found) {
            let words: Vec<&str> = seed
                .iter()
                .map(|word| word.trim_start_matches(MAY_FAIL))
                .collect();
            self.write(&words);
        }
        self.until_the_mark().await;
    }

    /// The keys that a call of the writer changes without a report to the reader.
    async fn unreported(
        &mut self,
        case: &Case,
        found: Found,
        keys: &BTreeSet<Vec<u8>>,
    ) -> BTreeSet<Vec<u8>> {
        self.prepare(case, found, keys).await;
        for key in keys {
            let read = raw("EXISTS").key(key.as_slice()).reply::<i64>();
            self.reader.run(read).await.expect("it can be asked");
        }
        let before = self.contents(keys);
        let words = case.text();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.write(&words);
        let after = self.contents(keys);
        let reported = self.until_the_mark().await;
        let changed = keys.iter().zip(before).zip(after);
        let changed = changed.filter(|((_, before), after)| before != after);
        let unreported = changed.map(|((key, _), _)| key.clone());
        unreported.filter(|key| !reported.contains(key)).collect()
    }

    /// What the keys hold, serialized.
    fn contents(&mut self, keys: &BTreeSet<Vec<u8>>) -> Vec<String> {
        let mut dump = |key: &Vec<u8>| {
            let dump = self.writer.call(&["DUMP", &String::from_utf8_lossy(key)]);
            format!("{dump:?}")
        };
        keys.iter().map(&mut dump).collect()
    }

    /// What is refused in preparation leaves the key as it is.
    fn write(&mut self, words: &[&str]) {
        let _ = self.writer.call(words);
    }

    /// The keys that are reported up to that of the mark.
    async fn until_the_mark(&mut self) -> BTreeSet<Vec<u8>> {
        let read = raw("GET").key(MARK).reply::<Option<String>>();
        self.reader.run(read).await.expect("the mark can be read");
        self.write(&["SET", MARK, "x"]);
        let mut reported = BTreeSet::new();
        loop {
            let next = tokio::time::timeout(WITHIN, self.reports.next()).await;
            match next.expect("a report comes").expect("it goes on") {
                Ok(Invalidation::Keys(keys)) => {
                    if keys.iter().any(|key| key == MARK) {
                        return reported;
                    }
                    reported.extend(keys.iter().map(|key| key.to_vec()));
                }
                // A seed flushed the server: nothing is known of the keys.
                Ok(Invalidation::All) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}
