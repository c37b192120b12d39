//! What blocks, when its server hangs or loses its role.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use typedis::prelude::*;
use typedis::{Config, Error, ErrorKind, Job, Phase, Protocol, Result, Worker, WorkerEvent};
use typedis_testkit::sentinel_service::SERVICE;
use typedis_testkit::{SentinelService, Server, ServerKind};

/// Longer than anything here takes, on a busy machine too.
const LONG: Duration = Duration::from_secs(120);

/// All bounds of time that a client has, so that the failover alone can explain that it goes on.
const MINUTES: Duration = Duration::from_secs(600);

const BOTH: [Protocol; 2] = [Protocol::Newest, Protocol::Resp2];

async fn within<F: Future>(work: F) -> F::Output {
    let outcome = tokio::time::timeout(LONG, work).await;
    outcome.expect("it goes on")
}

/// What INFO says of a section.
fn info(server: &Server, section: &str) -> String {
    let info = server
        .connect()
        .and_then(|mut raw| raw.call(&["INFO", section]));
    info.expect("it runs")
}

/// How many calls of BLPOP have ended.
fn calls(server: &Server) -> u64 {
    let stats = info(server, "commandstats");
    let calls = stats
        .split_once("cmdstat_blpop:calls=")
        .and_then(|(_, rest)| rest.split_once(','));
    calls.map_or(0, |(calls, _)| calls.parse().expect("it is a number"))
}

/// Waits until this many clients wait for an element or entry at this server.
async fn blocked(server: &Server, count: u64) {
    let wanted = format!("blocked_clients:{count}\r\n");
    within(async {
        while !info(server, "clients").contains(&wanted) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

async fn patient_pool(service: &SentinelService) -> Pool {
    let hosts = service
        .sentinels
        .iter()
        .map(|sentinel| ("127.0.0.1", sentinel.port()));
    let config = Config::sentinel(SERVICE, hosts)
        .liveness(MINUTES)
        .connect_timeout(MINUTES)
        .command_timeout(MINUTES);
    typedis::pool(config)
        .await
        .expect("the Sentinels lead to it")
}

/// Stops the primary, and waits until a Sentinel says that another server is the primary now.
async fn fail_over(service: &SentinelService) -> Instant {
    let mut switches = Vec::new();
    for sentinel in &service.sentinels {
        let conn = typedis::connect(sentinel.url()).await.expect("it runs");
        let [switch] = conn
            .subscribe(["+switch-master"])
            .await
            .expect("it has that channel");
        switches.push(switch);
    }
    service.pause_primary().expect("it runs");
    let [one, two, three] = &mut switches[..] else {
        panic!("there are three Sentinels")
    };
    within(async {
        tokio::select! {
            _ = one.next() => {}
            _ = two.next() => {}
            _ = three.next() => {}
        }
    })
    .await;
    Instant::now()
}

#[tokio::test]
async fn what_blocks_goes_on_at_the_new_primary() -> Result<()> {
    let service = SentinelService::start().expect("the servers start");
    let pool = patient_pool(&service).await;
    let popping = tokio::spawn({
        let pool = pool.clone();
        async move {
            match pool.blpop::<u32>(["popped"], 0).await {
                Err(error) => {
                    assert_eq!(error.phase(), Phase::MaybeApplied, "{error}");
                    pool.blpop::<u32>(["popped"], 0).await
                }
                outcome => outcome,
            }
        }
    });
    let listening = tokio::spawn({
        let mut elements = pool.listen::<u32>(["listened"]);
        async move {
            loop {
                match elements.next().await {
                    Ok((_, element)) => return element,
                    Err(error) => assert!(error.is_connection(), "{error}"),
                }
            }
        }
    });
    let tailing = tokio::spawn({
        let mut entries = pool.tail::<BTreeMap<String, u32>>([("tailed", "0")]);
        async move {
            loop {
                match entries.next().await {
                    Ok((_, entry)) => return entry.fields["n"],
                    Err(error) => assert!(error.is_connection(), "{error}"),
                }
            }
        }
    });
    let (done, stop) = tokio::sync::oneshot::channel();
    let working = tokio::spawn({
        let worker = Worker::new(&pool, "worked", "group", "one").on_event(|event| {
            if let WorkerEvent::Interrupted(error) = event {
                println!("the worker was interrupted: {error}");
            }
        });
        let mut done = Some(done);
        worker.run_until(stop, move |job: Job<BTreeMap<String, u32>>| {
            assert_eq!(job.fields["n"], 4);
            done.take().map(|done| done.send(()));
            async { Ok::<(), String>(()) }
        })
    });
    blocked(&service.primary, 4).await;

    let switched = fail_over(&service).await;
    blocked(&service.replica, 4).await;
    println!(
        "all four block at the new primary {:.2?} after the switch",
        switched.elapsed()
    );
    let promoted = typedis::connect(service.replica.url()).await?;
    promoted.rpush("popped", 1).await?;
    promoted.rpush("listened", 2).await?;
    promoted.xadd("tailed", "*", [("n", 3)]).await?;
    promoted.xadd("worked", "*", [("n", 4)]).await?;
    let popped = within(popping).await.expect("no panic")?;
    assert_eq!(popped, Some(("popped".into(), 1)));
    assert_eq!(within(listening).await.expect("no panic"), 2);
    assert_eq!(within(tailing).await.expect("no panic"), 3);
    assert_eq!(within(working).await.expect("no panic")?.done, 1);
    Ok(())
}

/// Runs a test, each time on a server of its own, until it says that it has shown what it should. The bounds for silence are short here: a server that
/// stands still for a moment, as on a busy machine, is taken for dead, which is no fault; then the test is run again.
async fn on_a_server_that_goes_on(test: impl AsyncFn(&Server) -> Result<bool>) -> Result<()> {
    within(async {
        loop {
            let server = Server::start(ServerKind::Valkey9).expect("it starts");
            match test(&server).await {
                Ok(true) => return Ok(()),
                Ok(false) => println!("once more"),
                Err(error) if is_silent(&error) => println!("once more: {error}"),
                Err(error) => return Err(error),
            }
        }
    })
    .await
}

/// Whether an error says that the connection was given up because nothing came.
fn is_silent(error: &Error) -> bool {
    let is_lost = matches!(error.kind(), ErrorKind::ConnectionLost(_));
    is_lost && error.to_string().contains("no sign of life")
}

/// A pool that takes a server for dead which says nothing for this long.
async fn hasty_pool(server: &Server, protocol: Protocol, liveness: Duration) -> Result<Pool> {
    let config = Config::from_url(&server.url())?.protocol(protocol);
    typedis::pool(config.liveness(liveness)).await
}

/// Without Sentinels it is the silence that tells.
#[tokio::test]
async fn a_server_that_hangs_while_it_holds_an_endless_wait_is_noticed() -> Result<()> {
    for protocol in BOTH {
        on_a_server_that_goes_on(async |server| is_noticed(server, protocol).await).await?;
    }
    Ok(())
}

async fn is_noticed(server: &Server, protocol: Protocol) -> Result<bool> {
    let pool = hasty_pool(server, protocol, Duration::from_secs(1)).await?;
    let mut popping = tokio::spawn({
        let pool = pool.clone();
        async move { pool.blpop::<u32>(["q"], 0).await }
    });
    tokio::select! {
        early = &mut popping => {
            return Err(early.expect("no panic").expect_err("nothing is there"));
        }
        () = blocked(server, 1) => {}
    }
    server.pause().expect("it runs");
    let start = Instant::now();
    let error = within(popping)
        .await
        .expect("no panic")
        .expect_err("it is silent");
    println!("noticed after {:.2?}", start.elapsed());
    assert!(is_silent(&error), "{error}");
    assert_eq!(error.phase(), Phase::MaybeApplied);
    server.resume().expect("it runs");
    pool.rpush("q", 7).await?;
    let popped = within(pool.blpop::<u32>(["q"], 0)).await?;
    assert_eq!(popped, Some(("q".into(), 7)));
    Ok(true)
}

/// Each wait has many pieces here, which end while elements come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_comes_twice_between_two_pieces_of_a_wait() -> Result<()> {
    on_a_server_that_goes_on(async |server| comes_once(server).await).await
}

async fn comes_once(server: &Server) -> Result<bool> {
    const ELEMENTS: u32 = 200;
    // A piece is 100 ms, about as long as each of the readers waits for an element.
    let pool = hasty_pool(server, Protocol::Newest, Duration::from_millis(400)).await?;
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move {
                let mut taken = Vec::new();
                while let Some((_, element)) = pool.blpop::<u32>(["q"], 0).await? {
                    if element == u32::MAX {
                        break;
                    }
                    taken.push(element);
                }
                Ok::<_, Error>(taken)
            })
        })
        .collect();
    let is_lost = || readers.iter().any(JoinHandle::is_finished);
    within(async {
        while calls(server) < 8 && !is_lost() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    for element in 0..ELEMENTS {
        pool.rpush("q", element).await?;
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    pool.rpush("q", [u32::MAX; 4]).await?;
    let mut all = Vec::new();
    for reader in readers {
        all.extend(within(reader).await.expect("no panic")?);
    }
    all.sort_unstable();
    assert_eq!(all, (0..ELEMENTS).collect::<Vec<_>>());
    println!("{} calls for {ELEMENTS} elements", calls(server));
    Ok(true)
}

/// Its caller's time, not that of a piece.
#[tokio::test]
async fn a_long_wait_ends_when_its_time_is_up_and_an_endless_one_by_its_deadline() -> Result<()> {
    on_a_server_that_goes_on(async |server| ends_in_time(server).await).await
}

/// Whether the waits had pieces: if this program stood still meanwhile, their time may have been up after the first.
async fn ends_in_time(server: &Server) -> Result<bool> {
    let pool = hasty_pool(server, Protocol::Newest, Duration::from_millis(400)).await?;
    let wait = Duration::from_millis(700);
    let start = Instant::now();
    assert_eq!(within(pool.blpop::<u32>(["q"], wait)).await?, None);
    assert!(start.elapsed() >= wait, "{:?}", start.elapsed());
    let endless = pool.blpop::<u32>(["q"], 0).deadline(wait);
    let error = within(endless).await.expect_err("its time is up");
    if is_silent(&error) {
        return Err(error);
    }
    assert!(error.is_timeout(), "{error}");
    assert!(start.elapsed() >= 2 * wait, "{:?}", start.elapsed());
    Ok(calls(server) > 2)
}
