//! A node of a cluster, and the link to it: [`Node`].

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

use super::health::Health;
use super::topology::NodeRole;
use crate::client::host::unless_refused;
use crate::command::Args;
use crate::config::{Address, Config, Introduction};
use crate::engine::inflight::{Delivery, Order, Payload};
use crate::engine::link::Link;
use crate::engine::sending::Sending;
use crate::engine::single::Command;
use crate::error::{CommandName, Error, Result, ServerVersion};
use crate::handle::{Connection, Exclusive, Leases};
use crate::reply::Frame;
use crate::runtime::Lock;

/// Makes a replica answer reads itself.
const READONLY: Introduction = Introduction {
    words: &["READONLY"],
    optional: false,
};

/// A node, with a socket that is opened when it is first needed. When the node does not belong to the cluster any
/// more, commands in flight are answered, and then the socket is closed.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) address: Address,
    connection: Connection,
    /// For work with this node alone; made when it is asked for, and again when its user has closed it.
    alone: Lock<Option<Connection>>,
    /// Sockets for commands that block and for transactions that watch; made when one is needed.
    leases: OnceLock<Arc<Leases>>,
    /// For reads from it while it is a replica: a socket on which READONLY was said.
    reading: OnceLock<Connection>,
    health: Health,
    /// Whether what its leased sockets are owed is waited for, because it is no primary any more.
    in_grace: AtomicBool,
    /// Whether it accepts only what is on its way. What is made for it later accepts nothing.
    is_shut: AtomicBool,
    /// Where its connections live: not on the runtime of whoever needs one first, which may end sooner.
    runtime: Handle,
    /// When a redirect told of it.
    pub(super) since: Instant,
}

impl Node {
    /// It has to be called within the runtime on which its connections are to live.
    pub(super) fn new(config: &Config, address: &Address) -> Arc<Self> {
        let config = config.for_node(address.clone(), &[]);
        Arc::new(Self {
            address: address.clone(),
            connection: sleeping(config),
            alone: Lock::default(),
            leases: OnceLock::new(),
            reading: OnceLock::new(),
            health: Health::default(),
            in_grace: AtomicBool::new(false),
            is_shut: AtomicBool::new(false),
            runtime: Handle::current(),
            since: Instant::now(),
        })
    }

    /// Accepts nothing new, but what is on its way.
    pub(super) fn stop_accepting(&self) {
        // In this order: what is made at this moment either is found below, or finds this.
        self.is_shut.swap(true, Ordering::AcqRel);
        let sockets = self.sockets();
        sockets.links.iter().for_each(|link| link.stop_accepting());
    }

    /// Ends, after what was answered.
    pub(super) fn close(&self) {
        let sockets = self.sockets();
        sockets
            .links
            .iter()
            .for_each(|link| link.order(Order::Drain));
    }

    /// Everything that it has.
    pub(super) fn sockets(&self) -> Sockets {
        let alone = self.alone.lock().as_ref().map(Connection::shared_link);
        let shared = self.reading.get().into_iter().chain([&self.connection]);
        let shared = shared.map(Connection::shared_link);
        Sockets {
            links: alone.into_iter().chain(shared).collect(),
            leases: self.leases.get().cloned(),
        }
    }

    /// Another connection to it.
    fn make(&self, config: Config) -> Connection {
        let _here = self.runtime.enter();
        sleeping(config)
    }

    /// Whether it was told to accept nothing new before something was made for it. A write as well, so that one of both sees the other.
    fn was_shut(&self) -> bool {
        self.is_shut.fetch_or(false, Ordering::AcqRel)
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// A connection to this node alone: redirects are its user's to see.
    pub(super) fn alone(&self) -> Connection {
        let mut alone = self.alone.lock();
        match &*alone {
            // One that is being closed ends by itself.
            Some(known) if known.is_open() || self.was_shut() => known.clone(),
            _ => {
                let made = self.make(self.connection.config().clone().for_itself());
                *alone = Some(made.clone());
                if self.was_shut() {
                    made.abort();
                }
                made
            }
        }
    }

    /// The connection for reads while it is a replica. A primary is never read from over it: after a failover, the socket would
    /// go on answering with old data.
    fn reading(&self) -> &Connection {
        if let Some(known) = self.reading.get() {
            return known;
        }
        let own = self.connection.config();
        let make = || self.make(own.for_node(self.address.clone(), &[READONLY]));
        let made = self.reading.get_or_init(make);
        if self.was_shut() {
            made.abort();
        }
        made
    }

    fn connection_as(&self, role: NodeRole) -> &Connection {
        match role {
            NodeRole::Primary => &self.connection,
            NodeRole::Replica => self.reading(),
        }
    }

    /// How it fares as a source of reads.
    pub(super) fn health(&self) -> &Health {
        &self.health
    }

    /// Which server it is, if it has said so on the connection for this role.
    pub(super) fn server_of(&self, role: NodeRole) -> Option<ServerVersion> {
        self.connection_as(role).link().server()
    }

    /// A command that is sent once to this node; what comes is its user's to see, also if it is an error or a redirect. It is
    /// sent before the first poll.
    pub(super) fn once(&self, args: Box<Args>) -> Once<'_> {
        self.once_as(NodeRole::Primary, args)
    }

    /// The same, on the connection for this role.
    pub(super) fn once_as(&self, role: NodeRole, args: Box<Args>) -> Once<'_> {
        Once::begin(self.connection_as(role).link(), args)
    }

    /// The same for a question of the client itself, which no end waits for.
    pub(super) fn once_own(&self, role: NodeRole, args: Box<Args>) -> Once<'_> {
        Once::begin_own(self.connection_as(role).link(), args)
    }

    /// The same for something that is on its way: it goes on also if nothing new is accepted.
    pub(super) fn once_onward(&self, role: NodeRole, args: Box<Args>) -> Once<'_> {
        Once::begin_onward(self.connection_as(role).link(), args)
    }

    /// Leases a socket to this node. Redirects are errors on it.
    pub(super) async fn lease(&self) -> Result<Exclusive> {
        self.lease_by(None).await
    }

    /// The same; at `end`, if not before, there is no time left for it.
    pub(super) async fn lease_by(&self, end: Option<Instant>) -> Result<Exclusive> {
        let config = || self.connection.config().clone().for_itself();
        let leases = match self.leases.get() {
            Some(leases) => leases,
            None => {
                let made = self.leases.get_or_init(|| Leases::new(config()));
                if self.was_shut() {
                    made.close();
                }
                made
            }
        };
        Exclusive::lease_by(leases, end).await
    }

    /// Begins to wait for what its leased sockets are owed; `false` if nothing is, or if that was begun before.
    pub(super) fn begins_grace(&self) -> bool {
        let is_awaited = self.leases.get().is_some_and(|leases| leases.is_awaited());
        is_awaited && !self.in_grace.swap(true, Ordering::AcqRel)
    }

    /// Ends that, and gives up the leased sockets that have been owed a reply for longer than `silence`.
    pub(super) fn ends_grace(&self, silence: Option<Duration>) {
        self.in_grace.store(false, Ordering::Release);
        if let (Some(leases), Some(silence)) = (self.leases.get(), silence) {
            leases.leave_silent(silence);
        }
    }

    /// The link, for something on its way that may outlive the node's place in the map.
    #[inline]
    pub(super) fn link(&self) -> Arc<Link> {
        self.connection.shared_link()
    }
}

/// A connection that is opened when it is needed.
fn sleeping(config: Config) -> Connection {
    let idle = config.idle_timeout;
    Connection::sleeping(config, idle)
}

/// The sockets of a node.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    pub(super) links: Vec<Arc<Link>>,
    pub(super) leases: Option<Arc<Leases>>,
}

impl Sockets {
    /// The same, for a node that has left: what is on its way there goes on.
    pub(super) fn downgrade(&self) -> Left {
        Left {
            links: self.links.iter().map(Arc::downgrade).collect(),
            leases: self.leases.as_ref().map(Arc::downgrade),
        }
    }
}

/// The sockets of a node that has left, for as long as something is on its way there.
#[derive(Debug)]
pub(super) struct Left {
    links: Vec<Weak<Link>>,
    leases: Option<Weak<Leases>>,
}

impl Left {
    /// Those that are left.
    pub(super) fn upgrade(&self) -> Sockets {
        Sockets {
            links: self.links.iter().filter_map(Weak::upgrade).collect(),
            leases: self.leases.as_ref().and_then(Weak::upgrade),
        }
    }

    /// Whether nothing is left.
    pub(super) fn is_over(&self) -> bool {
        let leases = self.leases.as_ref().map_or(0, Weak::strong_count);
        leases == 0 && self.links.iter().all(|link| link.strong_count() == 0)
    }
}

/// A command for one node, on its way.
pub(super) struct Once<'a> {
    name: CommandName,
    command: Command,
    sending: Sending<&'a Link>,
}

impl<'a> Once<'a> {
    /// Sends it over the link to the node.
    pub(super) fn begin(link: &'a Link, args: Box<Args>) -> Self {
        Self::new(link, args).sent()
    }

    /// The same for something that is on its way.
    fn begin_onward(link: &'a Link, args: Box<Args>) -> Self {
        let mut once = Self::new(link, args);
        once.sending.go_on();
        once.sent()
    }

    /// The same for a question of the client itself.
    fn begin_own(link: &'a Link, args: Box<Args>) -> Self {
        let mut once = Self::new(link, args);
        once.sending.be_own();
        once.sent()
    }

    fn new(link: &'a Link, args: Box<Args>) -> Self {
        Self {
            name: args.name(),
            command: Command::new(args),
            sending: Sending::new(link),
        }
    }

    fn sent(mut self) -> Self {
        self.sending.submit(&mut self.command);
        self
    }

    /// The reply as it came.
    pub(super) async fn frame(mut self) -> Result<Frame> {
        self.fetch().await
    }

    /// The reply, unless it is an error.
    pub(super) async fn accepted(mut self) -> Result<Frame> {
        let accepted = self.fetch().await.and_then(unless_refused);
        accepted.map_err(|error| self.command.explained(error, self.sending.link().server()))
    }

    async fn fetch(&mut self) -> Result<Frame> {
        let delivery = loop {
            let polled = std::future::poll_fn(|cx| self.sending.poll(&mut self.command, cx));
            let mut delivery = polled.await;
            let Delivery::Parts(parts) = &mut delivery else {
                break delivery;
            };
            // The node does not have a script yet: it is sent with its text.
            let scripts = &self.sending.link().scripts;
            if parts.error.is_some() || !self.command.mend(scripts, &parts.chunks) {
                break delivery;
            }
            self.sending.send_again(parts);
        };
        let (chunks, failure) = delivery.into_parts()?;
        match (failure, chunks.into_iter().next()) {
            (None, Some(chunk)) => Ok(Frame::from_scanned(chunk)),
            (Some(failure), _) => Err(Error::from(failure).of_command(self.name.clone())),
            (None, None) => {
                let error = Error::protocol("no reply was delivered");
                Err(error.of_command(self.name.clone()))
            }
        }
    }
}
