//! Live replies, against the declared types: every call, where it finds something, nothing, and too little.

use std::time::Duration;

use typedis::prelude::*;
use typedis::{ErrorKind, Protocol, Value};

use crate::cases::{Case, cases};
use crate::exceptions::{Exception, Exceptions};
use crate::outcomes::{Outcome, Outcomes};
use crate::own::{Arrangement, arrangement, ends_the_server};
use crate::seeds::{Found, MAY_FAIL, around, seeds};
use crate::server::{
    Edition, Known, OLD_REDIS, REDIS, REDIS_NODE, REDIS_SENTINEL, VALKEY, VALKEY_NODE,
    VALKEY_SENTINEL,
};

/// How long a call may take.
const WITHIN: Duration = Duration::from_secs(5);

/// Calls that a server answers with nothing but errors.
const ONLY_ERRORS: &[Exception] = &[
    (
        "CLIENT KILL 127.0.0.1:1",
        "",
        "a client's address is only known at run time: see `live`",
    ),
    (
        "CLIENT TRACKING REDIRECT",
        "",
        "a client's number is only known at run time: see `live`",
    ),
    (
        "FT.CREATE INDEXALL",
        "modules",
        "the module is older than the server, and does not have it; the other options: see `live`",
    ),
    (
        "FT.ADD NOSAVE | FT.SAFEADD NOSAVE",
        "modules",
        "the module has refused it since version 2.0",
    ),
    (
        "FT.CURSOR DEL | FT.CURSOR READ",
        "modules",
        "a cursor's number is only known at run time: see `live`",
    ),
    (
        "BF.LOADCHUNK | CF.LOADCHUNK",
        "modules",
        "the data is only known at run time: see `live`",
    ),
    (
        "FAILOVER | FAILOVER ABORT",
        "",
        "they need a replica, whose port is only known at run time: see `moments`",
    ),
    (
        "SHUTDOWN ABORT",
        "",
        "nothing is being shut down: see `moments`",
    ),
    (
        "SCRIPT KILL | FUNCTION KILL",
        "",
        "nothing runs: see `moments`",
    ),
    (
        "FUNCTION RESTORE",
        "",
        "the data is only known at run time: see `moments`",
    ),
    (
        "MODULE LOAD | MODULE LOADEX !CONFIG",
        "",
        "a module's path is only known at run time: see `moments`",
    ),
    (
        "MODULE LOADEX CONFIG",
        "",
        "not yet proven: the setting `enable-module-command` forbids it here, and a module with settings is needed",
    ),
    (
        "MODULE UNLOAD",
        "",
        "not yet proven: the setting `enable-module-command` forbids it here, and a module without types is needed",
    ),
    (
        "SENTINEL SIMULATE-FAILURE !CRASH-AFTER-ELECTION !CRASH-AFTER-PROMOTION",
        "",
        "one of the options is needed",
    ),
    (
        "CLUSTER FAILOVER !FORCE !TAKEOVER",
        "",
        "it needs a primary that answers: see `moments`",
    ),
    (
        "FT.SEARCH EXPAND",
        "modules RESP2",
        "the module offers it in RESP3 only",
    ),
];

/// Calls that never say that they found something.
const FIND_NOTHING: &[Exception] = &[
    (
        "ZADD XX !CH !INCR | GEOADD XX !CH",
        "",
        "they count what they add, and with XX they add nothing",
    ),
    (
        "BITFIELD_RO !GET",
        "",
        "without an operation nothing is read",
    ),
    (
        "OBJECT IDLETIME",
        "modules",
        "a module looks at a restored key, which is idle for 0 seconds from then on",
    ),
    ("SPUBLISH", "", "nobody listens here: see `live`"),
];

#[tokio::test]
async fn replies_of_valkey_decode_in_resp2() {
    decode_all(&VALKEY, Protocol::Resp2).await;
}

#[tokio::test]
async fn replies_of_valkey_decode_in_resp3() {
    decode_all(&VALKEY, Protocol::Newest).await;
}

#[tokio::test]
async fn replies_of_redis_decode_in_resp2() {
    decode_all(&REDIS, Protocol::Resp2).await;
}

#[tokio::test]
async fn replies_of_redis_decode_in_resp3() {
    decode_all(&REDIS, Protocol::Newest).await;
}

#[test]
fn replies_of_valkey_nodes_decode() {
    decode_in_both(&VALKEY_NODE);
}

#[test]
fn replies_of_redis_nodes_decode() {
    decode_in_both(&REDIS_NODE);
}

#[test]
fn replies_of_valkey_sentinels_decode() {
    decode_in_both(&VALKEY_SENTINEL);
}

#[test]
fn replies_of_redis_sentinels_decode() {
    decode_in_both(&REDIS_SENTINEL);
}

#[tokio::test]
async fn replies_to_what_later_versions_no_longer_have_decode() {
    decode_all(&OLD_REDIS, Protocol::Resp2).await;
    decode_all(&OLD_REDIS, Protocol::Newest).await;
}

/// Both protocols at once, since much of the time is spent on waiting for servers.
fn decode_in_both(edition: &'static Edition) {
    std::thread::scope(|scope| {
        for protocol in [Protocol::Resp2, Protocol::Newest] {
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build();
                let runtime = runtime.expect("a runtime can be built");
                runtime.block_on(decode_all(edition, protocol));
            });
        }
    });
}

async fn decode_all(edition: &'static Edition, protocol: Protocol) {
    let server = edition.start();
    let resp = match protocol {
        Protocol::Resp2 => "RESP2",
        _ => "RESP3",
    };
    let place = format!("{} in {resp}", server.name());
    let all = cases();
    let made: Vec<&Case> = all.iter().filter(|case| server.makes(case)).collect();
    let mut only_errors = Exceptions::of(ONLY_ERRORS, &place, &made);
    let mut find_nothing = Exceptions::of(FIND_NOTHING, &place, &made);
    let mut outcomes = Outcomes::of(&place, &made);
    let mut wrong = Vec::new();
    let mut caller = Caller::new(&server, protocol).await;
    for case in made {
        let seen = caller.call(case).await;
        let decoded = seen.answered && seen.unfit.is_empty();
        let outcome = Outcome::live(case, decoded, ONLY_ERRORS);
        outcomes.add(case, server.name(), resp, outcome);
        wrong.extend(
            seen.unfit
                .iter()
                .map(|why| format!("{}: {why}", case.line())),
        );
        if !seen.answered && seen.unfit.is_empty() && !only_errors.excuse(case) {
            let error = seen.errors.first().map(String::as_str);
            wrong.push(format!(
                "{}: only errors: {}",
                case.line(),
                error.unwrap_or_default()
            ));
        }
        if seen.answered && !seen.found && finds(case) && !find_nothing.excuse(case) {
            wrong.push(format!("{}: finds nothing", case.line()));
        }
    }
    outcomes.write();
    wrong.extend(only_errors.unused().chain(find_nothing.unused()));
    assert!(wrong.is_empty(), "{place}:\n{}", wrong.join("\n"));
}

/// Whether the reply should say that something was found, or done.
fn finds(case: &Case) -> bool {
    case.reply != "()" && (!case.keys.is_empty() || case.flags.contains(&"readonly"))
}

/// What came of a call in all states.
#[derive(Default)]
struct Seen {
    /// It was answered with something else than an error.
    answered: bool,
    /// It was answered with something else than nothing.
    found: bool,
    errors: Vec<String>,
    /// Replies that are not of the declared type.
    unfit: Vec<String>,
}

impl Seen {
    fn add(&mut self, case: &Case, found: Found, reply: typedis::Result<typedis::Frame>) {
        match reply.and_then(|frame| (case.decode)(&frame).map(|()| frame)) {
            Ok(frame) => {
                self.answered = true;
                self.found |= frame
                    .decode::<Value>()
                    .is_ok_and(|value| says_something(&value));
            }
            Err(error) if matches!(error.kind(), ErrorKind::Server(_)) => {
                self.errors.push(error.to_string());
            }
            Err(error) => self
                .unfit
                .push(format!("{found:?} as {}: {error}", case.reply)),
        }
    }
}

/// Whether a reply is anything but nil, empty, zero or negative, all through.
fn says_something(value: &Value) -> bool {
    match value {
        Value::Nil | Value::Error(_) => false,
        Value::Integer(integer) => *integer > 0,
        Value::Boolean(truth) => *truth,
        Value::Array(items) | Value::Set(items) => items.iter().any(says_something),
        Value::Map(entries) => entries.iter().any(|(_, value)| says_something(value)),
        other => other.as_bytes().is_none_or(|bytes| !bytes.is_empty()),
    }
}

/// Makes the calls.
struct Caller<'a> {
    server: &'a Known,
    protocol: Protocol,
    conn: Exclusive,
}

impl<'a> Caller<'a> {
    async fn new(server: &'a Known, protocol: Protocol) -> Self {
        let conn = server.connect(protocol).await;
        Self {
            server,
            protocol,
            conn,
        }
    }

    async fn call(&mut self, case: &Case) -> Seen {
        match arrangement(case) {
            Some(arrangement) => self.call_alone(case, arrangement).await,
            None => self.call_in_all_states(case).await,
        }
    }

    /// Makes a call where it can do no harm to the others.
    async fn call_alone(&self, case: &Case, arrangement: Arrangement) -> Seen {
        let server = self.server.edition().start_own(arrangement);
        let caller = Caller::new(&server, self.protocol).await;
        run(&caller.conn, seeds(case, Found::Hit)).await;
        let mut seen = Seen::default();
        match caller.reply(case).await {
            Err(error) if ends_the_server(case) && is_closed(&error) => {
                seen.answered = server.ends();
            }
            reply => seen.add(case, Found::Hit, reply),
        }
        seen
    }

    async fn call_in_all_states(&mut self, case: &Case) -> Seen {
        let mut seen = Seen::default();
        for found in Found::ALL {
            if self.conn.is_closed() {
                self.conn = self.server.connect(self.protocol).await;
            }
            let mut seeds = seeds(case, found);
            if self.server.edition().holds_data() {
                seeds.insert(0, vec!["FLUSHALL".to_owned()]);
            }
            run(&self.conn, seeds).await;
            let reply = self.reply(case).await;
            seen.add(case, found, reply);
        }
        seen
    }

    async fn reply(&self, case: &Case) -> typedis::Result<typedis::Frame> {
        let own = match case.changes_its_connection() {
            true => Some(self.server.connect(self.protocol).await),
            false => None,
        };
        let conn = own.as_ref().unwrap_or(&self.conn);
        let [before, after] = around(case);
        run(conn, before).await;
        let mut args = (case.build)();
        args.set_deadline(WITHIN);
        let reply = conn.execute(args).await;
        run(conn, after).await;
        reply
    }
}

/// Whether the server closed the connection instead of an answer.
fn is_closed(error: &typedis::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionLost(_))
}

/// Runs what prepares a call, in one write; what may be refused begins another, because Redis 8.2.3 does not answer a
/// refused AUTH that follows other commands in one write.
async fn run(conn: &Exclusive, lines: Vec<Vec<String>>) {
    for lines in lines.chunk_by(|_, next| !next[0].starts_with(MAY_FAIL)) {
        let mut batch = conn.batch();
        let handles: Vec<_> = lines
            .iter()
            .map(|words| {
                let name = words[0].trim_start_matches(MAY_FAIL);
                batch.push(raw(name).args(&words[1..]).reply::<Value>())
            })
            .collect();
        let mut replies = batch.execute().await.expect("the seeds can be sent");
        for (handle, line) in handles.into_iter().zip(lines) {
            let reply = replies.take(handle);
            if !line[0].starts_with(MAY_FAIL) {
                reply.unwrap_or_else(|error| panic!("{line:?} is refused: {error}"));
            }
        }
    }
}
