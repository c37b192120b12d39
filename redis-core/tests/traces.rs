//! What a subscriber of `tracing` is told, and what it is not. A process of its own: subscribers are global.

#![cfg(feature = "tracing")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use typedis_core::{Config, Connection, FromRedis, Raw, Run, raw};
use typedis_testkit::{ServerKind, shared};

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

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
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
    // Nothing listens there: the port was taken a moment ago, and is not given away again so soon.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = port.local_addr().unwrap();
    drop(port);
    let pause = std::time::Duration::from_millis(1);
    let backoff = typedis_core::Backoff {
        first: pause,
        longest: pause,
    };
    let config = Config::tcp("127.0.0.1", address.port())
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
    while failures().len() < 20 {
        tokio::task::yield_now().await;
    }
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
