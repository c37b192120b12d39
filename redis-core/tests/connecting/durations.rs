//! The longest duration stands for no limit, wherever one is taken.

use std::future::IntoFuture;
use std::time::Duration;

use typedis_core::{Backoff, Config, Connection, Credentials, MaintNotifications, Pool, Run, raw};
use typedis_testkit::{ServerKind, database};

use crate::support::{at, ping, within};

const MAX: Duration = Duration::MAX;

async fn soon<F: IntoFuture>(work: F) -> F::Output {
    within(work.into_future()).await
}

/// What sets a setting.
type Set = fn(Config) -> Config;

/// Each setting that is a duration, by its name.
fn settings() -> Vec<(&'static str, Set)> {
    vec![
        ("connect_timeout", |config| config.connect_timeout(MAX)),
        ("command_timeout", |config| config.command_timeout(MAX)),
        ("liveness", |config| config.liveness(MAX)),
        ("keep_alive", |config| config.keep_alive(MAX)),
        ("idle_timeout", |config| config.idle_timeout(MAX)),
        ("max_age", |config| config.max_age(MAX)),
        ("maint_extra_time", |config| {
            let config = config.maint_notifications(MaintNotifications::Auto);
            config.maint_extra_time(MAX)
        }),
        ("backoff", |config| {
            config.backoff(Backoff {
                first: MAX,
                longest: MAX,
            })
        }),
        ("valid_for", |config| {
            config.credentials_provider(|| async {
                Ok::<_, std::io::Error>(Credentials::new("default", "any").valid_for(MAX))
            })
        }),
    ]
}

#[tokio::test]
async fn the_longest_duration_is_taken_by_every_setting() {
    let db = database(ServerKind::Valkey9);
    for (name, set) in settings() {
        let config = set(at(db.server().addr()).database(db.number()));
        println!("{name}");
        let conn = soon(Connection::open(config.clone())).await.unwrap();
        assert_eq!(ping(&conn).await.unwrap(), "PONG", "{name}");
        assert!(soon(conn.close()).await.is_clean(), "{name}");
        let pool = soon(Pool::open(config.lanes(1)));
        let pool = pool.await.unwrap();
        let pong = soon(pool.run(raw("PING").reply::<String>())).await;
        assert_eq!(pong.unwrap(), "PONG", "{name}");
        let pop = raw("BLPOP").key("nothing").arg(0.01).blocks_for(0.01);
        let popped = soon(pool.run(pop.reply::<Option<Vec<u8>>>())).await;
        assert_eq!(popped.unwrap(), None, "{name}");
        assert!(soon(pool.close()).await.is_clean(), "{name}");
    }
}

#[tokio::test]
async fn the_longest_duration_is_taken_by_every_call() {
    let db = database(ServerKind::Valkey9);
    let conn = Connection::open(at(db.server().addr()).database(db.number()));
    let conn = soon(conn).await.unwrap();
    let call = conn.run(raw("PING").reply::<String>()).deadline(MAX);
    assert_eq!(soon(call).await.unwrap(), "PONG");
    let subscribed = conn.subscribe("news").deadline(MAX);
    drop(soon(subscribed).await.unwrap());
    #[cfg(feature = "cache")]
    reads_over_a_cache(&conn).await;
    let closed = soon(conn.close().within(MAX)).await;
    assert!(closed.is_clean());
    let pool = Pool::open(at(db.server().addr())).await.unwrap();
    assert!(soon(pool.close().within(MAX)).await.is_clean());
}

#[cfg(feature = "cache")]
async fn reads_over_a_cache(conn: &Connection) {
    let settings = typedis_core::Cache::default().ttl(MAX).max_unheard(MAX);
    let cached = conn.cached(settings).unwrap();
    let get = || raw("GET").key("k").reply::<Option<String>>();
    for _ in 0..2 {
        assert_eq!(soon(cached.run(get())).await.unwrap(), None);
    }
}
