//! Restarts, kills and rotations under load: no wrong reply, no hang, and no doubt about what may have been applied.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use typedis_core::{
    Backoff, Config, Connection, ConnectionEvent, Credentials, Error, ErrorKind, Phase, Pool, Run,
    raw,
};
use typedis_testkit::{Server, ServerKind};

use crate::support::{at, event, ping, until, within};

/// Each call's deadline.
const DEADLINE: Duration = Duration::from_secs(5);
/// What a busy machine may add to it.
const SLACK: Duration = Duration::from_secs(10);
const TASKS: usize = 16;

/// What the callers met.
#[derive(Debug, Default)]
struct Tally {
    answered: AtomicU64,
    /// Failures of commands that may have been applied.
    doubtful: AtomicU64,
    /// Failures of commands that certainly were not.
    unsent: AtomicU64,
}

/// Callers that check every reply, until they are told to stop.
struct Load {
    tally: Arc<Tally>,
    stop: Arc<std::sync::atomic::AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    fn start(pool: &Pool) -> Self {
        let tally = Arc::<Tally>::default();
        let stop = Arc::<std::sync::atomic::AtomicBool>::default();
        let tasks = (0..TASKS)
            .map(|task| {
                let (pool, tally, stop) = (pool.clone(), tally.clone(), stop.clone());
                tokio::spawn(async move {
                    let mut number = 0;
                    while !stop.load(Ordering::Relaxed) {
                        call(&pool, &tally, task, number).await;
                        number += 1;
                    }
                })
            })
            .collect();
        Self { tally, stop, tasks }
    }

    fn answered(&self) -> u64 {
        self.tally.answered.load(Ordering::Relaxed)
    }

    /// Waits until the callers have got on.
    async fn progress(&self) {
        let before = self.answered();
        until(|| self.answered() > before + 2 * TASKS as u64).await;
    }

    /// Ends the callers. A panic of one, as over a wrong reply, is the test's.
    async fn stop(self) -> Arc<Tally> {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            within(task).await.unwrap();
        }
        self.tally
    }
}

/// One call whose reply is its own question, by a shared lane, or a leased socket, or a transaction.
async fn call(pool: &Pool, tally: &Tally, task: usize, number: u64) {
    let text = format!("{task}:{number}");
    let start = Instant::now();
    let echo = || raw("ECHO").arg(&text).reply::<String>();
    let outcome = match number % 4 {
        0 => pool.run(echo().readonly()).await,
        1 => pool.run(echo()).await,
        2 => match pool.exclusive().await {
            Ok(lease) => lease.run(echo()).await,
            Err(error) => Err(error),
        },
        _ => {
            let both = pool.transaction().run(echo()).run(echo()).await;
            both.map(|(first, second)| {
                assert_eq!(first, second);
                first
            })
        }
    };
    assert!(
        start.elapsed() < DEADLINE + SLACK,
        "a call took {:?}",
        start.elapsed()
    );
    match outcome {
        Ok(reply) => {
            assert_eq!(reply, text, "somebody else's reply");
            tally.answered.fetch_add(1, Ordering::Relaxed);
        }
        Err(error) => judge(tally, &error),
    }
}

/// The only failures that there may be.
fn judge(tally: &Tally, error: &Error) {
    match error.phase() {
        Phase::MaybeApplied => {
            assert!(
                matches!(
                    error.kind(),
                    ErrorKind::ConnectionLost(_) | ErrorKind::Timeout
                ),
                "{error}"
            );
            assert!(
                error
                    .to_string()
                    .contains("may or may not have been carried out"),
                "{error}"
            );
            assert!(!error.is_retryable(), "{error}");
            tally.doubtful.fetch_add(1, Ordering::Relaxed);
        }
        Phase::NotSent => {
            // A socket of one's own does not come back by itself, and a lease cannot be had while the server is away.
            assert!(
                matches!(
                    error.kind(),
                    ErrorKind::ConnectionLost(_) | ErrorKind::Connect(_) | ErrorKind::Timeout
                ),
                "{error}"
            );
            tally.unsent.fetch_add(1, Ordering::Relaxed);
        }
        phase => panic!("{phase:?}: {error}"),
    }
}

fn config(server: &Server) -> Config {
    at(server.addr())
        .command_timeout(DEADLINE)
        .backoff(Backoff {
            first: Duration::from_millis(5),
            longest: Duration::from_millis(100),
        })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_restarted_twenty_times_gives_no_wrong_reply() {
    let server = Server::start(ServerKind::Valkey9).unwrap();
    let pool = Pool::open(config(&server)).await.unwrap();
    let load = Load::start(&pool);
    for _ in 0..20 {
        load.progress().await;
        tokio::task::block_in_place(|| server.restart().unwrap());
    }
    load.progress().await;
    let tally = load.stop().await;
    assert!(pool.stats().reconnects >= 20, "{:?}", pool.stats());
    println!("restarts: {tally:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_every_50_milliseconds_for_10_seconds() {
    const ENOUGH: u64 = 50;
    let server = Server::start(ServerKind::Valkey9).unwrap();
    let pool = Pool::open(config(&server)).await.unwrap();
    let load = Load::start(&pool);
    let mut raw = server.connect().unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    let mut kills = 0;
    // A busy machine does not do as much in that time.
    let killing = async {
        while Instant::now() < end || kills < ENOUGH || pool.stats().reconnects < ENOUGH {
            tokio::time::sleep(Duration::from_millis(50)).await;
            raw.call(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"])
                .unwrap();
            kills += 1;
        }
    };
    within(killing).await;
    load.progress().await;
    let tally = load.stop().await;
    println!("{kills} kills: {tally:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_is_rotated_under_load_is_never_the_wrong_one() {
    let server = Server::builder(ServerKind::Valkey9)
        .line("user alice on >p0 ~* +@all")
        .start()
        .unwrap();
    let current = Arc::new(Mutex::new("p0".to_owned()));
    let provided = current.clone();
    let config = config(&server).credentials_provider(move || {
        let password = provided.lock().unwrap().clone();
        async move {
            Ok::<_, std::io::Error>(
                Credentials::new("alice", password).valid_for(Duration::from_millis(200)),
            )
        }
    });
    let pool = Pool::open(config).await.unwrap();
    let load = Load::start(&pool);
    let mut events = pool.events();
    let mut raw = server.connect().unwrap();
    for number in 1..=10 {
        let (old, new) = (format!("p{}", number - 1), format!("p{number}"));
        raw.call(&["ACL", "SETUSER", "alice", &format!(">{new}")])
            .unwrap();
        current.lock().unwrap().clone_from(&new);
        // Both lanes have asked at least once since; only then the old one goes.
        for _ in 0..4 {
            event(&mut events, |event| {
                *event == ConnectionEvent::Reauthenticated
            })
            .await;
        }
        raw.call(&["ACL", "SETUSER", "alice", &format!("<{old}")])
            .unwrap();
        if number % 3 == 0 {
            raw.call(&["CLIENT", "KILL", "USER", "alice"]).unwrap();
        }
        load.progress().await;
    }
    let tally = load.stop().await;
    println!("rotations: {tally:?}");
}

#[tokio::test]
async fn idle_callers_never_notice_that_the_server_hung_up() {
    let server = Server::builder(ServerKind::Valkey9)
        .line("timeout 1")
        .start()
        .unwrap();
    // Nothing is said on an idle line, so that the server does hang up.
    let config = at(server.addr()).liveness(None);
    let conn = Connection::open(&config).await.unwrap();
    let pool = Pool::open(&config).await.unwrap();
    let mut events = conn.events();
    for _ in 0..4 {
        event(&mut events, |event| {
            matches!(event, ConnectionEvent::Lost(_))
        })
        .await;
        // Neither while the line is down, nor later.
        assert_eq!(ping(&conn).await.unwrap(), "PONG");
        assert_eq!(crate::support::say(&pool, &["PING"]).await.unwrap(), "PONG");
        let lease = within(pool.exclusive()).await.unwrap();
        assert_eq!(
            crate::support::say(&lease, &["PING"]).await.unwrap(),
            "PONG"
        );
    }
    assert!(conn.stats().reconnects >= 4);
}
