//! What is done to the servers: [`Fault`], chosen by a seed, one after the other.

use std::thread::sleep;
use std::time::{Duration, Instant};

use fastrand::Rng;
use typedis_testkit::Server;
use typedis_testkit::proxy::{Cut, Lane, Proxy};
use typedis_testkit::sentinel_service::SERVICE;

use crate::Result;
use crate::tally::Tally;
use crate::world::{USER, World};

/// How long Sentinels may take for a failover that they began.
const FAILED_OVER_WITHIN: Duration = Duration::from_secs(15);

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Reset,
    Close,
    CutAtByte,
    HalfClose,
    Stall,
    BlackHole,
    Delay,
    Pieces,
    Slow,
    Refuse,
    ClientKill,
    Stop,
    Kill,
    Failover,
    Promotion,
    SlotMove,
    Password,
    ScriptFlush,
    #[cfg(feature = "tls")]
    Certificate,
}

impl Fault {
    pub(crate) const ALL: &[Self] = &[
        Self::Reset,
        Self::Close,
        Self::CutAtByte,
        Self::HalfClose,
        Self::Stall,
        Self::BlackHole,
        Self::Delay,
        Self::Pieces,
        Self::Slow,
        Self::Refuse,
        Self::ClientKill,
        Self::Stop,
        Self::Kill,
        Self::Failover,
        Self::Promotion,
        Self::SlotMove,
        Self::Password,
        Self::ScriptFlush,
        #[cfg(feature = "tls")]
        Self::Certificate,
    ];

    /// Its name in the report.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Reset => "connections reset",
            Self::Close => "connections closed",
            Self::CutAtByte => "connection cut at a byte",
            Self::HalfClose => "one direction ended",
            Self::Stall => "bytes held back",
            Self::BlackHole => "bytes swallowed, then reset",
            Self::Delay => "bytes delayed",
            Self::Pieces => "bytes in small pieces",
            Self::Slow => "few bytes a second",
            Self::Refuse => "connections refused",
            Self::ClientKill => "CLIENT KILL",
            Self::Stop => "server stopped and continued",
            Self::Kill => "server killed and restarted",
            Self::Failover => "failover of the service",
            Self::Promotion => "failover in the cluster",
            Self::SlotMove => "slots moved",
            Self::Password => "password changed",
            Self::ScriptFlush => "scripts forgotten",
            #[cfg(feature = "tls")]
            Self::Certificate => "certificate changed",
        }
    }

    /// One of them, with equal chances.
    pub(crate) fn any(random: &mut Rng) -> Self {
        random.choice(Self::ALL).copied().unwrap_or(Self::Reset)
    }

    /// Causes it, waits until it is over, and counts it. What servers refuse is counted apart, as while they are busy with
    /// another change.
    pub(crate) fn happen(self, world: &World, tally: &Tally, random: &mut Rng) {
        match self.attempt(world, random) {
            Ok(()) => tally.fault(self.name()),
            Err(error) => tally.refused(self.name(), &error),
        }
    }

    /// An error says why it did not happen, or not as a whole. In any case nothing of it goes on.
    fn attempt(self, world: &World, random: &mut Rng) -> Result {
        let happened = self.cause(world, random);
        world.calm_but_for_cuts();
        if happened.is_err() {
            put_right(world)?;
        }
        happened
    }

    fn cause(self, world: &World, random: &mut Rng) -> Result {
        match self {
            Self::Reset => any_proxy(world, random).cut_all(Cut::Reset),
            Self::Close => any_proxy(world, random).cut_all(Cut::Close),
            Self::CutAtByte => {
                let bytes = random.u64(1..200_000);
                let lane = any_lane(any_proxy(world, random), random);
                lane.cut_after(bytes, Cut::Reset);
            }
            Self::HalfClose => any_lane(any_proxy(world, random), random).half_close(),
            Self::Stall => {
                let lane = any_lane(any_proxy(world, random), random);
                lane.hold();
                pause(random, 200..5_000);
                lane.resume();
            }
            Self::BlackHole => black_hole(any_proxy(world, random), random),
            Self::Delay => {
                let lanes = any_proxy(world, random).lanes();
                let longest = random.u64(1..60);
                for lane in lanes {
                    lane.delay(Duration::ZERO, Duration::from_millis(longest));
                }
                pause(random, 1_000..5_000);
            }
            Self::Pieces => {
                let bytes = random.usize(1..10);
                any_lane(any_proxy(world, random), random).chunks(bytes);
                pause(random, 1_000..4_000);
            }
            Self::Slow => {
                any_lane(any_proxy(world, random), random).rate(100_000);
                pause(random, 1_000..4_000);
            }
            Self::Refuse => {
                let proxy = any_proxy(world, random);
                proxy.refuse(true);
                proxy.cut_all(Cut::Reset);
                pause(random, 200..4_000);
            }
            Self::ClientKill => client_kill(any_server(world, random).as_ref(), random)?,
            Self::Stop => {
                let server = any_server(world, random);
                server.as_ref().pause()?;
                pause(random, 200..5_000);
                server.as_ref().resume()?;
            }
            Self::Kill => kill(world, any_server(world, random).as_ref(), random)?,
            Self::Failover => fail_over(world)?,
            Self::Promotion => promote(world, random)?,
            Self::SlotMove => move_slots(world, random)?,
            Self::Password => change_password(world, random)?,
            Self::ScriptFlush => {
                for server in all_servers(world) {
                    server.as_ref().connect()?.call(&["SCRIPT", "FLUSH"])?;
                }
            }
            #[cfg(feature = "tls")]
            Self::Certificate => world.tls.rotate()?,
        }
        Ok(())
    }
}

/// Ends what a fault may have left that was broken off: servers that stand still or are gone, and a password that clients do
/// not know.
fn put_right(world: &World) -> Result {
    for server in all_servers(world) {
        let server = server.as_ref();
        if !server.is_running() {
            server.restart()?;
        }
    }
    world.restore_password()
}

/// A server, wherever it belongs.
enum AnyServer<'w> {
    Single(&'w Server),
    Node(std::sync::Arc<typedis_testkit::cluster::Node>),
}

impl AsRef<Server> for AnyServer<'_> {
    fn as_ref(&self) -> &Server {
        match self {
            Self::Single(server) => server,
            Self::Node(node) => node.server(),
        }
    }
}

/// All servers but the Sentinels.
fn all_servers(world: &World) -> Vec<AnyServer<'_>> {
    let mut servers = vec![AnyServer::Single(&world.single)];
    servers.extend(world.services().map(AnyServer::Single));
    servers.extend(world.cluster.nodes().into_iter().map(AnyServer::Node));
    servers
}

/// One of the three parts of the world, then one of its servers.
fn any_server<'w>(world: &'w World, random: &mut Rng) -> AnyServer<'w> {
    let nodes = world.cluster.nodes();
    match (random.u8(0..3), random.choice(nodes)) {
        (0, Some(node)) => AnyServer::Node(node),
        (1, _) => {
            let [one, other] = world.services();
            AnyServer::Single(if random.bool() { one } else { other })
        }
        _ => AnyServer::Single(&world.single),
    }
}

fn any_proxy<'w>(world: &'w World, random: &mut Rng) -> &'w Proxy {
    #[cfg(feature = "tls")]
    let singles = [&world.tcp, &world.tls.proxy];
    #[cfg(not(feature = "tls"))]
    let singles = [&world.tcp];
    let proxies: Vec<&Proxy> = if random.bool() {
        world.nodes.iter().collect()
    } else {
        singles.to_vec()
    };
    random.choice(proxies).unwrap_or(&world.tcp)
}

fn any_lane<'p>(proxy: &'p Proxy, random: &mut Rng) -> &'p Lane {
    if random.bool() {
        proxy.to_server()
    } else {
        proxy.to_client()
    }
}

fn pause(random: &mut Rng, milliseconds: std::ops::Range<u64>) {
    sleep(Duration::from_millis(random.u64(milliseconds)));
}

/// As a network that fails: what was swallowed does not come, so its connections do not go on.
fn black_hole(proxy: &Proxy, random: &mut Rng) {
    match random.u8(0..3) {
        0 => proxy.to_server().black_hole(),
        1 => proxy.to_client().black_hole(),
        _ => proxy.black_hole(),
    }
    pause(random, 500..6_000);
    // No connection may see one part of its bytes swallowed and the next one pass.
    proxy.refuse(true);
    proxy.cut_all(Cut::Reset);
    sleep(Duration::from_millis(100));
    proxy.heal();
    proxy.refuse(false);
}

fn client_kill(server: &Server, random: &mut Rng) -> Result {
    let kind = random.choice(["normal", "pubsub"]).unwrap_or("normal");
    let killed = server.connect()?.call(&["CLIENT", "KILL", "TYPE", kind])?;
    match killed.as_str() {
        "0" => Err(format!("the server has no client of the type {kind}").into()),
        _ => Ok(()),
    }
}

fn kill(world: &World, server: &Server, random: &mut Rng) -> Result {
    server.kill()?;
    pause(random, 0..2_000);
    server.restart()?;
    if server.port() == world.single.port() {
        // It has forgotten the password that was set since its start.
        pause(random, 0..300);
        world.restore_password()?;
    }
    Ok(())
}

fn fail_over(world: &World) -> Result {
    let sentinel = world.service.sentinels.first().ok_or("no Sentinel")?;
    let mut admin = sentinel.connect()?;
    let before = world.primary_port();
    let before = before.ok_or("the Sentinel names no primary")?;
    // It refuses if there is no replica in order.
    admin.call(&["SENTINEL", "FAILOVER", SERVICE])?;
    let end = Instant::now() + FAILED_OVER_WITHIN;
    // It may have no answer for a moment.
    while world.primary_port().is_none_or(|now| now == before) {
        if Instant::now() > end {
            return Err("the Sentinels began a failover, and gave it up".into());
        }
        sleep(Duration::from_millis(50));
    }
    // Until the other one follows.
    sleep(Duration::from_secs(2));
    Ok(())
}

/// A replica takes over in good order: the primary waits until it has everything.
fn promote(world: &World, random: &mut Rng) -> Result {
    let mut primaries = world.cluster.primaries()?;
    random.shuffle(&mut primaries);
    for primary in primaries {
        if let Some(replica) = world.cluster.replicas_of(&primary)?.first() {
            return Ok(replica.take_over()?);
        }
    }
    Err("no primary has a replica".into())
}

/// Slots that have keys go to another primary, key by key.
fn move_slots(world: &World, random: &mut Rng) -> Result {
    let mut moved = 0;
    for _ in 0..random.u32(1..4) {
        moved += u32::from(move_slot(world, random)?);
    }
    match moved {
        0 => Err("no key was found whose slot could move".into()),
        _ => Ok(()),
    }
}

/// Returns whether a slot was found that could be moved.
fn move_slot(world: &World, random: &mut Rng) -> Result<bool> {
    let cluster = &world.cluster;
    let mut primaries = cluster.primaries()?;
    random.shuffle(&mut primaries);
    let [from, to, ..] = primaries.as_slice() else {
        return Ok(false);
    };
    let slot = cluster.slot_of(&from.call(&["RANDOMKEY"])?)?;
    if cluster.owner_of(slot)?.id() != from.id() {
        return Ok(false);
    }
    let moving = cluster.begin_move(slot, to)?;
    pause(random, 0..500);
    let some = moving.migrate(random.usize(1..4));
    pause(random, 0..500);
    // Also if a node refused: what stays half moved is not a fault that ends.
    moving.finish()?;
    some?;
    Ok(true)
}

/// Clients get the new password before the old one ends, or a moment too late.
fn change_password(world: &World, random: &mut Rng) -> Result {
    let new = format!("password-{}", random.u32(..));
    let mut admin = world.single.connect()?;
    if random.bool() {
        admin.call(&["ACL", "SETUSER", USER, &format!(">{new}")])?;
        let old = format!("<{}", world.password.get());
        world.password.set(new);
        admin.call(&["ACL", "SETUSER", USER, &old])?;
    } else {
        let words = ["ACL", "SETUSER", USER, "resetpass", &format!(">{new}")];
        admin.call(&words)?;
        admin.call(&["CLIENT", "KILL", "TYPE", "normal"])?;
        pause(random, 0..1_500);
        world.password.set(new);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, clippy::unwrap_used)]

    use typedis_testkit::raw::RawConnection;

    use super::*;

    fn answers(address: std::net::SocketAddr) -> bool {
        let answer = RawConnection::connect(address).and_then(|mut raw| raw.call(&["PING"]));
        answer.is_ok_and(|answer| answer == "PONG")
    }

    #[test]
    fn a_fault_that_is_refused_does_not_count_and_leaves_nothing() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let world = World::start(runtime.handle()).unwrap();
        let (tally, mut random) = (Tally::default(), Rng::with_seed(1));
        // What a fault may leave that is broken off.
        world.tcp.refuse(true);
        world.single.pause().unwrap();
        world.service.sentinels[0].kill().unwrap();
        Fault::Failover.happen(&world, &tally, &mut random);
        let counts = tally.now();
        assert!(counts.faults.is_empty(), "{:?}", counts.faults);
        let refused = &counts.refused[Fault::Failover.name()];
        assert_eq!(refused.times, 1);
        assert!(refused.first.contains("refused"), "{}", refused.first);
        assert!(answers(world.single.addr()) && answers(world.tcp.addr()));

        Fault::ScriptFlush.happen(&world, &tally, &mut random);
        let counts = tally.now();
        assert_eq!(counts.faults[Fault::ScriptFlush.name()], 1);
        assert_eq!(counts.refused.len(), 1);
    }
}
