#![allow(clippy::unwrap_used)]

use std::fmt::Debug;
use std::future::IntoFuture;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use typedis_testkit::{ServerKind, database};

use super::{Connection, Leases, Pool};
use crate::command::{Args, CommandInfo, Keys, ToArg, command_info};
use crate::config::Config;
use crate::request::{Run, Target};
use crate::runtime::Lock;
use crate::wire::outgoing::Outgoing;
use crate::{AnyClient, Prefixed, Raw, Script, WithPrefix, raw};

const SECRET: &str = "hunter2";

static SET: CommandInfo = command_info!("SET");

/// A command that holds the secret twice: copied, and as a long value that is shared.
fn args() -> Args {
    let mut args = Args::new(&SET, Keys::Ignored);
    args.arg("key", SECRET);
    args.arg("value", &bytes::Bytes::from(SECRET.repeat(10_000)));
    args
}

fn login() -> Raw<()> {
    raw("AUTH").arg(SECRET).reply()
}

/// Debug, in both forms, shows the secret neither as text nor as the list of its bytes.
#[track_caller]
fn assert_hidden(what: &str, value: &dyn Debug) {
    let list = |separator: &str| {
        let numbers = SECRET.bytes().map(|byte| byte.to_string());
        numbers.collect::<Vec<_>>().join(separator)
    };
    for text in [format!("{value:?}"), format!("{value:#?}")] {
        let words: String = text.split_whitespace().collect();
        assert!(!text.contains(SECRET), "{what}: {text}");
        assert!(!words.contains(&list(",")), "{what}: {text}");
    }
}

#[test]
fn debug_of_a_command_shows_its_name_and_not_its_arguments() {
    let mut args = args();
    assert_hidden("Args", &args);
    assert!(format!("{args:?}").contains("SET"));
    let mut out = Outgoing::default();
    args.write_to(&mut out);
    assert_hidden("Outgoing", &out);
    assert_hidden("Args, sent", &args);
    assert_hidden("Raw", &login());
    let mut buffer = Vec::new();
    let mut writer = crate::command::ArgWriter::new(&mut buffer, true);
    SECRET.write_arg(&mut writer).unwrap();
    assert_hidden("ArgWriter", &writer);
}

#[tokio::test]
async fn debug_of_what_is_being_executed_shows_no_arguments() {
    let db = database(ServerKind::Valkey9);
    let address = db.server().addr();
    let config = Config::tcp(address.ip().to_string(), address.port()).lanes(1);
    let connection = Connection::open(config.clone()).await.unwrap();
    let pool = Pool::open(config).await.unwrap();
    let lease = pool.exclusive().await.unwrap();
    let boxed = || Box::new(args());
    assert_hidden("Pending", &connection.begin(boxed()));
    assert_hidden("PoolPending", &pool.begin(boxed()));
    assert_hidden("Pending, leased", &lease.call(boxed()));
    let mut sent = connection.begin(boxed());
    sent.submit();
    assert_hidden("Pending, sent", &sent);
    let client = AnyClient::new(connection.clone());
    let prefixed: Prefixed<Connection> = connection.clone().with_prefix("app:");
    assert_hidden("Request", &connection.run(login()));
    assert_hidden("Request, of a pool", &pool.run(login()));
    assert_hidden("Request, of a lease", &lease.run(login()));
    assert_hidden("Request, of any client", &client.run(login()));
    assert_hidden("Request, with a prefix", &prefixed.run(login()));
    let mut batch = connection.batch();
    let handle = batch.push(login());
    assert_hidden("Batch", &batch);
    assert_hidden("BatchHandle", &handle);
    let script = Script::new(format!("return '{SECRET}'"));
    let call = || script.call::<()>((), ());
    let pipeline = || connection.pipeline().run(login()).run(call());
    let transaction = || connection.transaction().run(login()).run(call());
    assert_hidden("Request, of a pipeline", &pipeline());
    assert_hidden("Chain", &pipeline().into_sink());
    assert_hidden("Chain, atomic", &transaction().into_sink());
    assert_hidden("ChainFuture", &pipeline().into_sink().into_future());
    let open = lease.begin().await.unwrap();
    let queued = open.run(login());
    assert_hidden("OpenPending", &queued);
    drop(queued);
    assert_hidden("Open", &open);
}

/// A lane that is closed while nobody uses it may be opened to another server.
#[tokio::test]
async fn commands_for_one_server_take_a_lane_that_is_kept_open() {
    let pool = Pool::lazy(Config::tcp("127.0.0.1", 1).lanes(8).min_lanes(2)).unwrap();
    let kept = pool.lanes().split_at(2).0;
    for _ in 0..100 {
        let lane = pool.steady_lane();
        assert!(kept.iter().any(|kept| std::ptr::eq(kept, lane)));
    }
}

#[tokio::test]
async fn a_lane_that_has_ended_gets_no_commands_while_another_is_left() {
    let pool = Pool::lazy(Config::tcp("127.0.0.1", 1).lanes(2)).unwrap();
    let (ended, other) = (pool.lanes().first().unwrap(), pool.lanes().get(1).unwrap());
    ended.abort();
    let calls = (0..100).map(|_| {
        let mut call = other.begin(Box::new(Args::new(&SET, Keys::Ignored)));
        assert!(call.submit());
        call
    });
    let _waiting: Vec<_> = calls.collect();
    for _ in 0..100 {
        assert!(std::ptr::eq(pool.lane(), other));
    }
}

/// Stands for the driver of a lane, and notes whether sockets were still lent when there was something to do.
struct Ordered {
    leases: Arc<Leases>,
    were_closing: Lock<Option<bool>>,
}

impl Wake for Ordered {
    fn wake(self: Arc<Self>) {
        let were_closing = self.leases.is_closing();
        self.were_closing.lock().get_or_insert(were_closing);
    }
}

/// Over the lanes the wait is ended of whoever is lent a socket and then goes away.
#[tokio::test]
async fn a_pool_that_is_closed_lends_nothing_before_its_lanes_may_end() {
    let pool = Pool::lazy(Config::tcp("127.0.0.1", 1)).unwrap();
    let ordered = Arc::new(Ordered {
        leases: pool.leases().clone(),
        were_closing: Lock::default(),
    });
    let link = pool.first_lane().link();
    link.with(&mut Vec::new(), |queue, _| {
        queue.park(&ordered.clone().into());
    });
    let mut closing = pool.close().into_future();
    let polled = closing
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
    assert_eq!(*ordered.were_closing.lock(), Some(true));
}
