//! Sentinels that are behind the others: no connection leaves a healthy primary because of them.

use std::sync::{Arc, Mutex};

use typedis_core::{Config, Connection, Exclusive, Run, Timeout, raw};
use typedis_testkit::fake::Fake;
use typedis_testkit::{Server, ServerKind};

use crate::support::{Told, by, node, questions, saying, until, within};

/// A message that makes the watch ask once more.
const SUSPECTS: (&str, &str) = ("+odown", "master shop 127.0.0.1 1 #quorum 2/2");

fn server() -> Server {
    Server::start(ServerKind::Valkey9).unwrap()
}

fn replica_of(primary: &Server) -> Server {
    Server::builder(ServerKind::Valkey9)
        .line(format!("replicaof 127.0.0.1 {}", primary.port()))
        .start()
        .unwrap()
}

/// A shared connection, and a lease that waits for an element, at the right primary.
struct AtWork {
    config: Config,
    conn: Connection,
    lease: Exclusive,
    direct: Connection,
}

impl AtWork {
    async fn at(primary: &Server, config: Config) -> Self {
        let direct = Connection::open(primary.url()).await.unwrap();
        let conn = within(Connection::open(&config)).await.unwrap();
        assert_eq!(node(&conn).await.unwrap().0, primary.port());
        let lease = within(Exclusive::open(&config)).await.unwrap();
        Self {
            config,
            conn,
            lease,
            direct,
        }
    }

    /// Checks that no socket was left while `happens` was waited for.
    async fn stays(self, happens: impl AsyncFnMut() -> bool) {
        let (lease, direct) = (self.lease, self.direct);
        let wait = tokio::spawn(async move {
            let pop = raw("BLPOP").key("q").arg(0).blocks_for(Timeout::FOREVER);
            lease.run(pop.reply::<Option<(String, i64)>>()).await
        });
        until(happens).await;
        let _: i64 = within(direct.run(raw("LPUSH").key("q").arg(7).reply()))
            .await
            .unwrap();
        let popped = within(wait).await.unwrap().unwrap();
        assert_eq!(popped, Some(("q".to_owned(), 7)));
        within(node(&self.conn)).await.unwrap();
        assert_eq!(self.conn.stats().reconnects, 0);
    }
}

/// Two Sentinels, of which the first is right. `behind` is what the second says.
async fn right_and_behind(right: Told, behind: Told) -> (Fake, Fake, Config) {
    let one = saying(move || right).await;
    let two = saying(move || behind).await;
    let config = by("shop", &[one.addr(), two.addr()]);
    (one, two, config)
}

/// The watch goes on to the other Sentinel, which does not say how old its answer is. The node that it names does.
#[tokio::test]
async fn a_replica_that_a_sentinel_takes_for_the_primary_attracts_no_connection() {
    let primary = server();
    let replica = replica_of(&primary);
    let behind = Told {
        message: Some(SUSPECTS),
        ..Told::at(replica.port(), None)
    };
    let (one, two, config) = right_and_behind(Told::at(primary.port(), None), behind).await;
    let work = AtWork::at(&primary, config).await;
    drop(one);
    // The first question is answered and heeded when the second comes.
    work.stays(async || questions(&two) >= 2).await;
}

/// It would take writes, and they would be lost.
#[tokio::test]
async fn a_former_primary_that_still_takes_writes_attracts_no_connection() {
    let (primary, former) = (server(), server());
    let behind = Told {
        message: Some(SUSPECTS),
        ..Told::at(former.port(), 3)
    };
    let (one, two, config) = right_and_behind(Told::at(primary.port(), 5), behind).await;
    let work = AtWork::at(&primary, config).await;
    drop(one);
    until(async || questions(&two) >= 2).await;
    // A new connection has only this Sentinel to ask, and goes where the primary was last.
    let conn = within(Connection::open(&work.config)).await.unwrap();
    assert_eq!(node(&conn).await.unwrap().0, primary.port());
    work.stays(async || questions(&two) >= 4).await;
}

/// It serves those that it has, although nobody can ask it for its role.
#[tokio::test]
async fn a_primary_that_takes_no_more_clients_loses_no_connection() {
    let (primary, former) = (server(), server());
    let behind = Told {
        message: Some(SUSPECTS),
        ..Told::at(former.port(), 3)
    };
    let (one, two, config) = right_and_behind(Told::at(primary.port(), 5), behind).await;
    let work = AtWork::at(&primary, config).await;
    let mut direct = primary.connect().unwrap();
    direct.call(&["CONFIG", "SET", "maxclients", "1"]).unwrap();
    drop(one);
    work.stays(async || questions(&two) >= 2).await;
}

/// A Sentinel that catches up tells of moves that are long over.
#[tokio::test]
async fn a_message_is_no_more_than_a_reason_to_ask() {
    let (primary, former) = (server(), server());
    let message = format!(
        "shop 127.0.0.1 {} 127.0.0.1 {}",
        primary.port(),
        former.port()
    );
    let message: &'static str = message.leak();
    let told = Told {
        message: Some(("+switch-master", message)),
        ..Told::at(primary.port(), 5)
    };
    let sentinel = saying(move || told).await;
    let work = AtWork::at(&primary, by("shop", &[sentinel.addr()])).await;
    // Two connects, the look at the beginning, the one for the message, and one because of the connects.
    work.stays(async || questions(&sentinel) >= 5).await;
}

/// Then its numbers begin again.
#[tokio::test]
async fn a_service_that_is_monitored_anew_is_followed() {
    let (old, new) = (server(), server());
    let told = Arc::new(Mutex::new(Told::at(old.port(), 5)));
    let says = told.clone();
    let sentinel = saying(move || *says.lock().unwrap()).await;
    let config = by("shop", &[sentinel.addr()]);
    let conn = within(Connection::open(&config)).await.unwrap();
    assert_eq!(node(&conn).await.unwrap().0, old.port());
    *told.lock().unwrap() = Told::at(new.port(), 0);
    // A new connection has the watch ask at once.
    let second = within(Connection::open(&config)).await.unwrap();
    for conn in [conn, second] {
        until(async || node(&conn).await.is_ok_and(|(port, _)| port == new.port())).await;
    }
}

/// A connection of a service that three Sentinels knew, of which two are gone for good. The first says what `told` holds.
struct Redeployed {
    config: Config,
    conn: Connection,
    told: Arc<Mutex<Told>>,
    sentinel: Fake,
}

impl Redeployed {
    async fn from(old: &Server) -> Self {
        let told = Arc::new(Mutex::new(Told::at(old.port(), 5)));
        let says = told.clone();
        let sentinel = saying(move || *says.lock().unwrap()).await;
        let at = Told::at(old.port(), 5);
        let (second, third) = (saying(move || at).await, saying(move || at).await);
        let config = by("shop", &[sentinel.addr(), second.addr(), third.addr()]);
        let conn = within(Connection::open(&config)).await.unwrap();
        assert_eq!(node(&conn).await.unwrap().0, old.port());
        Self {
            config,
            conn,
            told,
            sentinel,
        }
    }

    fn says(&self, told: Told) {
        *self.told.lock().unwrap() = told;
    }

    /// Waits until the connection is at this server. A new connection has the watch ask at once.
    async fn arrives_at(&self, server: &Server) -> Connection {
        let second = within(Connection::open(&self.config)).await.unwrap();
        until(async || {
            node(&self.conn)
                .await
                .is_ok_and(|(port, _)| port == server.port())
        })
        .await;
        second
    }
}

/// Otherwise numbers would never begin again, and no failover of the new service would be followed.
#[tokio::test]
async fn a_service_that_is_deployed_anew_is_followed_although_old_sentinels_are_gone() {
    let (old, first, second) = (server(), server(), server());
    let service = Redeployed::from(&old).await;
    drop(old);
    service.says(Told::at(first.port(), 0));
    service.arrives_at(&first).await;
    // The first one stays up: only what the Sentinel says takes connections off it.
    service.says(Told::at(second.port(), 1));
    service.arrives_at(&second).await;
}

#[tokio::test]
async fn what_replaces_a_former_primary_is_followed_and_its_sentinels_learned() {
    let (old, new) = (server(), server());
    let service = Redeployed::from(&old).await;
    let replaced = new.port();
    let other = saying(move || Told::at(replaced, 0)).await;
    let mut direct = old.connect().unwrap();
    direct
        .call(&["REPLICAOF", "127.0.0.1", &new.port().to_string()])
        .unwrap();
    service.says(Told {
        other: Some(other.addr().port()),
        ..Told::at(new.port(), 0)
    });
    let second = service.arrives_at(&new).await;
    // Only the other one is left to ask.
    let Redeployed {
        config, sentinel, ..
    } = service;
    drop((second, sentinel));
    until(async || Connection::open(&config).await.is_ok()).await;
    assert!(questions(&other) > 0);
}
