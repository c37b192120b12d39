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

#[test]
fn what_is_cacheable_is_tracked_by_every_server() {
    std::thread::scope(|scope| {
        for edition in USUAL.into_iter().filter(|edition| edition.is_here()) {
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
