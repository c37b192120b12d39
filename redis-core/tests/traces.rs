//! What a subscriber of `tracing` is told, and what it is not. A process of its own: subscribers are global.

#![cfg(feature = "tracing")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::fmt;
use std::future::IntoFuture;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::instrument::Instrument;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_core::span::Current;
use typedis_core::{
    Cache, CommandInfo, Config, Connection, Exclusive, FromRedis, Pool, Raw, Request, Run, raw,
};
use typedis_testkit::{ServerKind, shared};

/// Waits for something that must come to an end.
async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(60), future).await {
        Ok(value) => value,
        Err(_) => panic!("it hangs: {what}"),
    }
}

fn words<R: FromRedis>(words: &[&str]) -> Raw<R> {
    let command = words[1..]
        .iter()
        .fold(raw(words[0]), |command, word| command.arg(*word));
    command.reply()
}

type Fields = BTreeMap<String, String>;

/// Keeps everything that it is told.
#[derive(Clone, Default)]
struct Recorder {
    next: Arc<AtomicU64>,
    spans: Arc<Mutex<BTreeMap<u64, Fields>>>,
    /// The spans that are entered, and the span around each.
    entered: Arc<Mutex<Vec<Id>>>,
    parents: Arc<Mutex<BTreeMap<u64, Option<Id>>>>,
    kinds: Arc<Mutex<BTreeMap<u64, &'static Metadata<'static>>>>,
    events: Arc<Mutex<Vec<Fields>>>,
    /// The levels and targets of the events.
    levels: Arc<Mutex<Vec<(Level, String)>>>,
}

struct Fill<'a>(&'a mut Fields);

impl Visit for Fill<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("typedis")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let id = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let mut fields = Fields::new();
        span.record(&mut Fill(&mut fields));
        let around = self.entered.lock().unwrap().last().cloned();
        self.parents.lock().unwrap().insert(id, around);
        self.kinds.lock().unwrap().insert(id, span.metadata());
        self.spans.lock().unwrap().insert(id, fields);
        Id::from_u64(id)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut spans = self.spans.lock().unwrap();
        values.record(&mut Fill(spans.get_mut(&span.into_u64()).unwrap()));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::new();
        event.record(&mut Fill(&mut fields));
        let metadata = event.metadata();
        let level = (*metadata.level(), metadata.target().to_owned());
        self.levels.lock().unwrap().push(level);
        self.events.lock().unwrap().push(fields);
    }

    fn enter(&self, span: &Id) {
        self.entered.lock().unwrap().push(span.clone());
    }

    fn exit(&self, span: &Id) {
        assert_eq!(self.entered.lock().unwrap().pop().as_ref(), Some(span));
    }

    fn current_span(&self) -> Current {
        match self.entered.lock().unwrap().last() {
            Some(id) => Current::new(id.clone(), self.kinds.lock().unwrap()[&id.into_u64()]),
            None => Current::none(),
        }
    }
}

impl Recorder {
    /// The operations of the spans so far, each with its `error.type` and its `db.response.status_code`.
    fn take_ends(&self) -> Vec<(String, String, String)> {
        let spans = std::mem::take(&mut *self.spans.lock().unwrap());
        let field = |span: &Fields, name| span.get(name).cloned().unwrap_or_default();
        let ends = spans.values().map(|span| {
            let failed = span.contains_key("error.type");
            assert_eq!(field(span, "otel.status_code") == "ERROR", failed);
            let [operation, kind, code] =
                ["db.operation.name", "error.type", "db.response.status_code"]
                    .map(|name| field(span, name));
            (operation, kind, code)
        });
        ends.collect()
    }
}

/// As [`Recorder::take_ends`] has it.
fn end(operation: &str, kind: &str, code: &str) -> (String, String, String) {
    (operation.to_owned(), kind.to_owned(), code.to_owned())
}

#[tokio::test]
async fn spans_have_the_names_of_opentelemetry_and_show_no_argument() {
    let recorder = Recorder::default();
    let _guard = tracing::subscriber::set_default(recorder.clone());
    let address = shared(ServerKind::Valkey9).addr();
    let conn = Connection::open(Config::tcp("127.0.0.1", address.port()).database(1))
        .await
        .unwrap();
    let set = words::<()>(&["SET", "secret-key", "secret-value"]);
    conn.run(set).await.unwrap();
    conn.run(words::<i64>(&["INCR", "secret-key"]))
        .await
        .unwrap_err();
    let _: ((), String) = conn
        .pipeline()
        .run(words(&["SET", "secret-key", "secret-value"]))
        .run(words(&["GET", "secret-key"]))
        .await
        .unwrap();

    let spans: Vec<Fields> = recorder.spans.lock().unwrap().values().cloned().collect();
    let [set, incr, pipeline] = &spans[..] else {
        panic!("{spans:#?}");
    };
    for span in &spans {
        assert_eq!(span["db.system.name"], "redis");
        assert_eq!(span["db.namespace"], "1");
        assert_eq!(span["server.address"], "127.0.0.1");
        assert_eq!(span["server.port"], address.port().to_string());
        assert_eq!(span["otel.kind"], "client");
    }
    assert_eq!(
        (
            set["db.operation.name"].as_str(),
            set["db.query.text"].as_str()
        ),
        ("SET", "SET ? ?")
    );
    assert!(!set.contains_key("error.type"));
    assert_eq!(incr["error.type"], "ERR");
    assert_eq!(incr["db.response.status_code"], "ERR");
    assert_eq!(pipeline["db.operation.name"], "PIPELINE");
    assert_eq!(pipeline["db.operation.batch.size"], "2");
    assert_eq!(pipeline["db.query.text"], "SET; GET");

    let events = recorder.events.lock().unwrap().clone();
    assert!(
        events
            .iter()
            .any(|event| event["message"].starts_with("connected to 127.0.0.1")),
        "{events:#?}"
    );
    assert!(
        events
            .iter()
            .any(|event| event["message"].starts_with("ready at 127.0.0.1")),
        "{events:#?}"
    );
    assert!(!format!("{spans:?} {events:?}").contains("secret"));
}

/// While a server is down every attempt fails; warnings become rarer, and all of it has one target.
#[tokio::test]
async fn a_server_that_stays_down_does_not_fill_the_log() {
    let recorder = Recorder::default();
    let _guard = tracing::subscriber::set_default(recorder.clone());
    let nowhere = typedis_testkit::ClosedPort::new().unwrap();
    let pause = std::time::Duration::from_millis(1);
    let backoff = typedis_core::Backoff {
        first: pause,
        longest: pause,
    };
    let config = Config::tcp("127.0.0.1", nowhere.addr().port())
        .backoff(backoff)
        .command_timeout(std::time::Duration::from_secs(60));
    let conn = Connection::lazy(config).unwrap();
    let waiting = conn.run(words::<String>(&["PING"])).send();
    let failures = || {
        let (events, levels) = (
            recorder.events.lock().unwrap(),
            recorder.levels.lock().unwrap(),
        );
        let failed = events
            .iter()
            .zip(levels.iter())
            .filter(|(event, _)| event["message"].contains("could not connect"));
        failed.map(|(_, level)| level.clone()).collect::<Vec<_>>()
    };
    let enough = async {
        while failures().len() < 20 {
            tokio::task::yield_now().await;
        }
    };
    soon("20 failures", enough).await;
    drop(waiting);
    let failures = failures();
    assert!(failures.iter().all(|(_, target)| target == "typedis"));
    for (index, (level, _)) in failures.iter().enumerate() {
        let expected = if (index + 1).is_power_of_two() {
            Level::WARN
        } else {
            Level::DEBUG
        };
        assert_eq!(*level, expected, "failure {}", index + 1);
    }
}

#[tokio::test]
async fn the_span_of_a_command_on_a_cluster_names_the_node_that_answered() {
    use typedis_testkit::fake::{Answer, FakeCluster};

    let fake = FakeCluster::start(3, |asked| {
        match (asked.command.name().as_str(), asked.node) {
            ("GET", 1) => Answer::Reply(b"+v\r\n".to_vec()),
            ("GET", _) => Answer::moved(12_182, asked.addr(1)),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    let cluster = typedis_core::cluster::Cluster::open(fake.url())
        .await
        .unwrap();
    let recorder = Recorder::default();
    let _guard = tracing::subscriber::set_default(recorder.clone());
    let get = raw("GET").key("foo").readonly().reply::<String>();
    assert_eq!(cluster.run(get).await.unwrap(), "v");
    let spans: Vec<Fields> = recorder.spans.lock().unwrap().values().cloned().collect();
    let span = spans
        .iter()
        .find(|span| span["db.operation.name"] == "GET")
        .unwrap();
    assert_eq!(span["server.port"], fake.node(1).addr().port().to_string());
}

/// A connection to a server that has a text at `text`.
async fn connection(database: u16) -> (Config, Connection) {
    let port = shared(ServerKind::Valkey9).addr().port();
    let config = Config::tcp("127.0.0.1", port).database(database.into());
    let conn = Connection::open(config.clone()).await.unwrap();
    conn.run(words::<()>(&["SET", "text", "x"])).await.unwrap();
    (config, conn)
}

#[tokio::test]
async fn the_span_of_many_commands_has_the_first_of_their_errors() {
    let (config, conn) = connection(2).await;
    let recorder = Recorder::default();
    let _guard = tracing::subscriber::set_default(recorder.clone());
    let fine = || words::<String>(&["GET", "text"]);
    let (_, wrong, _) = conn
        .pipeline()
        .run(fine())
        .run(words::<i64>(&["LLEN", "text"]))
        .attempt()
        .run(fine())
        .await
        .unwrap();
    wrong.unwrap_err();
    assert_eq!(
        recorder.take_ends(),
        [end("PIPELINE", "WRONGTYPE", "WRONGTYPE")]
    );

    conn.transaction().run(fine()).await.unwrap();
    assert_eq!(recorder.take_ends(), [end("MULTI", "", "")]);

    // An error within the array of EXEC.
    let transaction = conn.transaction().run(fine());
    let outcome = transaction.run(words::<i64>(&["LLEN", "text"])).await;
    outcome.unwrap_err();
    assert_eq!(
        recorder.take_ends(),
        [end("MULTI", "WRONGTYPE", "WRONGTYPE")]
    );

    // What makes EXEC answer EXECABORT.
    let transaction = conn.transaction().run(words::<i64>(&["LLEN"]));
    transaction.run(fine()).await.unwrap_err();
    assert_eq!(recorder.take_ends(), [end("MULTI", "ERR", "ERR")]);

    let own = Exclusive::open(config).await.unwrap();
    let open = own.begin().await.unwrap();
    let length = open.run(words::<i64>(&["LLEN", "text"])).await.unwrap();
    open.exec().await.unwrap().take(length).unwrap_err();
    let ends = recorder.take_ends();
    assert_eq!(
        ends.last(),
        Some(&end("EXEC", "WRONGTYPE", "WRONGTYPE")),
        "{ends:?}"
    );
}

#[tokio::test]
async fn what_is_refused_before_it_is_sent_is_told() {
    let (_, conn) = connection(3).await;
    let recorder = Recorder::default();
    let _guard = tracing::subscriber::set_default(recorder.clone());
    // It would have others wait.
    let wait = raw("BLPOP").key("list").arg(1).blocks_for(1).reply::<()>();
    conn.run(wait).await.unwrap_err();
    assert_eq!(recorder.take_ends(), [end("BLPOP", "usage", "")]);
}

static GET: CommandInfo = CommandInfo::new("GET", b"$3\r\nGET\r\n", 1)
    .readonly()
    .cacheable();

#[tokio::test]
async fn the_span_of_a_cached_read_has_the_error_of_the_read() {
    let (_, conn) = connection(4).await;
    let push = words::<i64>(&["LPUSH", "list", "x"]);
    conn.run(push).await.unwrap();
    let cache = conn.cached(Cache::default()).unwrap();
    let recorder = Recorder::default();
    let _guard = tracing::subscriber::set_default(recorder.clone());
    for (key, code) in [("text", ""), ("list", "WRONGTYPE")] {
        let read: Request<_, String> = Request::new(&cache, &GET, |args| args.key("key", key));
        assert_eq!(read.await.is_err(), !code.is_empty());
        assert_eq!(recorder.take_ends(), [end("GET", code, code)]);
    }
}

#[tokio::test]
async fn on_a_cluster_only_what_is_an_outcome_is_an_error_of_a_span() {
    use typedis_testkit::fake::{Answer, FakeCluster};

    let fake = FakeCluster::start(1, |asked| {
        match (
            asked.command.name().as_str(),
            asked.command.text(1).as_str(),
        ) {
            ("GET", "moved") if !asked.asking => Answer::ask(0, asked.addr(0)),
            ("GET", "wrong") => Answer::error("WRONGTYPE no text"),
            ("GET", _) => Answer::Reply(b"+v\r\n".to_vec()),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    let cluster = typedis_core::cluster::Cluster::open(fake.url())
        .await
        .unwrap();
    let recorder = Recorder::default();
    let _guard = tracing::subscriber::set_default(recorder.clone());
    let moved =
        || Request::<_, String>::new(cluster.pipeline(), &GET, |args| args.key("key", "moved"));
    let get = |key| raw("GET").key(key).readonly().reply::<String>();
    moved().run(get("fine")).await.unwrap();
    let (first, second) = (end("PIPELINE", "", ""), end("GET", "", ""));
    assert_eq!(recorder.take_ends(), [first, second]);
    moved().run(get("wrong")).await.unwrap_err();
    let (first, second) = (
        end("PIPELINE", "WRONGTYPE", "WRONGTYPE"),
        end("GET", "", ""),
    );
    assert_eq!(recorder.take_ends(), [first, second]);
}

fn blpop(key: &str) -> Raw<(String, String)> {
    raw("BLPOP").key(key).arg(0).blocks_for(0).reply()
}

/// A pool on which nothing has a limit, and to which what nobody waits for may be reported.
async fn pool(address: SocketAddr, reports: bool) -> Pool {
    let config = Config::tcp(address.ip().to_string(), address.port());
    let config = config.command_timeout(None).liveness(None);
    let pool = Pool::open(config.lanes(1)).await.unwrap();
    if reports {
        pool.on_unclaimed(|_| {});
    }
    pool
}

#[tokio::test]
async fn the_span_of_a_command_that_blocks_is_within_that_of_its_caller() {
    for reports in [false, true] {
        let pool = pool(shared(ServerKind::Valkey9).addr(), reports).await;
        let push = words::<i64>(&["LPUSH", "for-a-span", "x"]);
        pool.run(push).await.unwrap();
        let recorder = Recorder::default();
        let _guard = tracing::subscriber::set_default(recorder.clone());
        let caller = tracing::info_span!(target: "typedis", "caller");
        let call = pool.run(blpop("for-a-span")).into_future();
        call.instrument(caller.clone()).await.unwrap();
        let spans = recorder.spans.lock().unwrap().clone();
        let operation = |fields: &Fields| fields.get("db.operation.name").cloned();
        let mut spans = spans.iter();
        let pop = spans.find(|(_, fields)| operation(fields).as_deref() == Some("BLPOP"));
        let parents = recorder.parents.lock().unwrap();
        assert_eq!(parents[pop.unwrap().0], caller.id(), "{reports}");
    }
}

#[tokio::test]
async fn the_span_of_a_command_that_blocks_ends_with_the_timeout_of_its_caller() {
    use typedis_testkit::fake::Fake;

    const DEADLINE: Duration = Duration::from_secs(3_600);
    let waits = Arc::new(tokio::sync::Notify::new());
    for reports in [false, true] {
        let waits = waits.clone();
        let blocks = waits.clone();
        let fake = Fake::start(move |mut peer| {
            let blocks = blocks.clone();
            async move {
                peer.answer_until("BLPOP", "+OK\r\n").await?;
                blocks.notify_one();
                peer.until_closed().await
            }
        });
        let fake = fake.await.unwrap();
        let pool = pool(fake.addr(), reports).await;
        let recorder = Recorder::default();
        let _guard = tracing::subscriber::set_default(recorder.clone());
        let call = pool.run(blpop("nothing")).deadline(DEADLINE);
        let mut call = Box::pin(call.into_future());
        tokio::select! {
            popped = &mut call => panic!("nothing is there to pop: {popped:?}"),
            () = soon("BLPOP", waits.notified()) => {}
        }
        // Nothing else ends when the clock is set forward.
        tokio::time::pause();
        tokio::time::advance(DEADLINE).await;
        tokio::time::resume();
        let error = call.await.unwrap_err();
        assert!(error.is_timeout(), "{error}");
        let ends = recorder.take_ends();
        assert!(
            ends.contains(&end("BLPOP", "timeout", "")),
            "{reports}: {ends:?}"
        );
    }
}
