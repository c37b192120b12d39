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
    Edition, Known, REDIS_6, REDIS_7, REDIS_8, REDIS_8_10, REDIS_STACK, VALKEY_8, VALKEY_9,
};

/// How long a call may take: none gets near it, on a busy machine neither.
const WITHIN: Duration = Duration::from_secs(30);

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
        "the module is older than the server, and does not have it; all other options are called without it, too",
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
        "MODULE LOAD | MODULE LOADEX | MODULE UNLOAD",
        "",
        "a module's path is only known at run time: see `modules`",
    ),
    (
        "SENTINEL SIMULATE-FAILURE !CRASH-AFTER-ELECTION !CRASH-AFTER-PROMOTION",
        "!6.2.5",
        "one of the options is needed",
    ),
    (
        "CLUSTER FAILOVER !FORCE !TAKEOVER",
        "",
        "it needs a primary that answers: see `moments`",
    ),
    (
        "HOTKEYS START SLOTS",
        "",
        "only a node of a cluster takes slots: see `moments`",
    ),
    (
        "BACKUP SEAL | BACKUP ABORT",
        "",
        "they need a backup that has begun: see `moments`",
    ),
    (
        "FT.SEARCH EXPAND",
        "modules RESP2",
        "the module offers it in RESP3 only",
    ),
];

/// Calls that a server answers with something else than the declared type in some state.
const UNFIT: &[Exception] = &[(
    "GEORADIUS STORE | GEORADIUS STOREDIST | GEORADIUSBYMEMBER STORE | GEORADIUSBYMEMBER STOREDIST | GEOSEARCHSTORE",
    "6.2.5",
    "an empty array where the source is absent, mended in 7.0; an array that passes for a number would hide faults",
)];

/// Calls whose reply needs another type than the one that the example of the command shows for a call without options.
const NOT_AS_SHOWN: &[Exception] = &[(
    "FT.SEARCH EXPAND",
    "modules RESP3",
    "fields are JSON values with `FORMAT EXPAND`, not strings",
)];

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

macro_rules! tests {
    ($($name:ident: $edition:expr;)*) => {$(
        #[test]
        fn $name() {
            static EDITION: Edition = $edition;
            decode_in_both(&EDITION);
        }
    )*};
}

tests! {
    replies_of_redis_6_decode: REDIS_6;
    replies_of_redis_7_decode: REDIS_7;
    replies_of_redis_8_with_modules_decode: REDIS_STACK;
    replies_of_redis_8_10_decode: REDIS_8_10;
    replies_of_valkey_8_decode: VALKEY_8;
    replies_of_valkey_9_decode: VALKEY_9;
    replies_of_redis_6_nodes_decode: REDIS_6.node();
    replies_of_redis_7_nodes_decode: REDIS_7.node();
    replies_of_redis_8_nodes_decode: REDIS_8.node();
    replies_of_redis_8_10_nodes_decode: REDIS_8_10.node();
    replies_of_valkey_8_nodes_decode: VALKEY_8.node();
    replies_of_valkey_9_nodes_decode: VALKEY_9.node();
    replies_of_redis_6_sentinels_decode: REDIS_6.sentinel();
    replies_of_redis_7_sentinels_decode: REDIS_7.sentinel();
    replies_of_redis_8_sentinels_decode: REDIS_8.sentinel();
    replies_of_redis_8_10_sentinels_decode: REDIS_8_10.sentinel();
    replies_of_valkey_8_sentinels_decode: VALKEY_8.sentinel();
    replies_of_valkey_9_sentinels_decode: VALKEY_9.sentinel();
}

/// Both protocols at once, since much of the time is spent on waiting for servers.
fn decode_in_both(edition: &'static Edition) {
    if !edition.is_here() {
        return;
    }
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
    let mut other_refusals = Exceptions::of(OTHER_REFUSALS, &place, &made);
    let mut unfit = Exceptions::of(UNFIT, &place, &made);
    let mut not_as_shown = Exceptions::of(NOT_AS_SHOWN, &place, &made);
    let mut outcomes = Outcomes::of(&place, &made);
    let mut wrong = Vec::new();
    let mut caller = Caller::new(&server, protocol).await;
    for case in made {
        let mut seen = caller.call(case).await;
        if !seen.unfit.is_empty() && unfit.excuse(case) {
            seen.unfit.clear();
        }
        if seen.not_as_shown.is_empty() || !not_as_shown.excuse(case) {
            seen.unfit.append(&mut seen.not_as_shown);
        }
        let decoded = seen.answered && seen.unfit.is_empty();
        let outcome = Outcome::live(case, decoded, &place, ONLY_ERRORS);
        outcomes.add(case, (server.name(), resp), outcome);
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
        if let Some(error) = seen.other_refusals.first()
            && seen.answered
            && !other_refusals.excuse(case)
        {
            wrong.push(format!(
                "{}: not for the type of its key: {error}",
                case.line()
            ));
        }
        if seen.answered && !seen.found && finds(case) && !find_nothing.excuse(case) {
            wrong.push(format!("{}: finds nothing", case.line()));
        }
    }
    outcomes.write();
    let unused = only_errors.unused().chain(find_nothing.unused());
    wrong.extend(unused.chain(other_refusals.unused()).chain(unfit.unused()));
    wrong.extend(not_as_shown.unused());
    assert!(wrong.is_empty(), "{place}:\n{}", wrong.join("\n"));
}

/// Whether the reply should say that something was found, or done.
fn finds(case: &Case) -> bool {
    case.reply != "()" && (!case.keys.is_empty() || case.flags.contains(&"readonly"))
}

/// Calls that something else stops before the type of their keys does.
const OTHER_REFUSALS: &[Exception] = &[
    (
        "CMS.INITBYDIM | CMS.INITBYPROB | TOPK.RESERVE | TS.CREATE",
        "modules",
        "the key exists, of whatever type",
    ),
    ("RESTORE !REPLACE", "", "the key exists, of whatever type"),
    ("CF.DEL", "modules", "no filter is found"),
    (
        "DELEX IFEQ | DELEX IFNE | DELEX IFDEQ | DELEX IFDNE",
        "8.10.2",
        "the server has other words for it",
    ),
    (
        "OBJECT FREQ",
        "",
        "it is of the policy that is set for the other states",
    ),
];

/// What a refusal says that is for the type of a key; modules and old commands have words of their own.
const WRONG_TYPE: [&str; 4] = [
    "WRONGTYPE",
    "wrong Redis type",
    "must contain string values",
    "not a TSDB key",
];

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
    /// Replies that are not of the type that the example shows.
    not_as_shown: Vec<String>,
    /// Refusals of keys of another type that do not say so.
    other_refusals: Vec<String>,
}

impl Seen {
    fn add(&mut self, case: &Case, found: Found, reply: typedis::Result<typedis::Frame>) {
        match reply.and_then(|frame| (case.decode)(&frame).map(|()| frame)) {
            Ok(frame) => {
                if let Err(error) = (case.decode_shown)(&frame) {
                    let shown = case.shown;
                    self.not_as_shown
                        .push(format!("{found:?} as the example's {shown}: {error}"));
                }
                self.answered = true;
                self.found |= frame
                    .decode::<Value>()
                    .is_ok_and(|value| says_something(&value));
            }
            Err(error) => self.add_error(case, found, &error),
        }
    }

    fn add_error(&mut self, case: &Case, found: Found, error: &typedis::Error) {
        match error.kind() {
            ErrorKind::Server(_) => {
                self.errors.push(error.to_string());
                let text = error.to_string();
                let is_expected = WRONG_TYPE.iter().any(|words| text.contains(words));
                if found == Found::WrongType && !is_expected {
                    self.other_refusals.push(error.to_string());
                }
            }
            _ => self
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
        for &found in Found::states(case) {
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
        // A sentinel's PING takes no argument.
        if own.is_none() && self.server.edition().holds_data() && !conn.is_closed() {
            in_step(conn, case).await;
        }
        reply
    }
}

/// The next reply on a connection is that to the next command, whatever became of the last one.
async fn in_step(conn: &Exclusive, case: &Case) {
    let echo = conn.run(raw("PING").arg(case.call).reply::<String>()).await;
    assert_eq!(echo.ok().as_deref(), Some(case.call), "out of step");
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
        let mut replies = match batch.execute().await {
            // What changes the connection has no place in a batch.
            Err(error) if matches!(error.kind(), ErrorKind::Usage(_)) => {
                run_alone(conn, lines).await;
                continue;
            }
            replies => replies.expect("the seeds can be sent"),
        };
        for (handle, line) in handles.into_iter().zip(lines) {
            let reply = replies.take(handle);
            if !line[0].starts_with(MAY_FAIL) {
                reply.unwrap_or_else(|error| panic!("{line:?} is refused: {error}"));
            }
        }
    }
}

/// Runs what prepares a call, one command after another.
async fn run_alone(conn: &Exclusive, lines: &[Vec<String>]) {
    for line in lines {
        let command = raw(line[0].trim_start_matches(MAY_FAIL)).args(&line[1..]);
        let reply = conn.run(command.reply::<Value>()).await;
        if !line[0].starts_with(MAY_FAIL) {
            reply.unwrap_or_else(|error| panic!("{line:?} is refused: {error}"));
        }
    }
}
