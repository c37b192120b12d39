//! A scripted server: [`Fake`] sends to each client what a script says, and records what clients sent.
//!
//! # Layout
//!
//! - `words`: a command as it came in, and the parser of commands
//! - `peer`: the script's side of one connection
//! - `cluster`: several scripted nodes that share a map of slots

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::accepting;

mod cluster;
mod peer;
mod words;

pub use cluster::{Answer, Asked, FakeCluster};
pub use peer::Peer;
pub use words::Words;

/// A fake server on a free port of 127.0.0.1. Dropping it ends its scripts and closes its connections.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use typedis_testkit::fake::Fake;
///
/// let fake = Fake::start(|mut peer| async move {
///     peer.expect(&["PING"]).await?;
///     peer.send("+PO").await?;
///     peer.reset()
/// })
/// .await?;
/// # use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// # let mut client = tokio::net::TcpStream::connect(fake.addr()).await?;
/// # client.write_all(b"*1\r\n$4\r\nPING\r\n").await?;
/// # let _ = client.read_to_end(&mut Vec::new()).await;
/// // … the client under test connects to fake.url() …
/// assert_eq!(fake.received(0), [["PING"]]);
/// fake.finish().await?; // fails if a script met anything but what it expected
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Fake {
    address: SocketAddr,
    record: Record,
    accepting: JoinHandle<()>,
}

/// What came in on each connection, in the order of their acceptance.
#[derive(Debug, Clone, Default)]
struct Record(Arc<Mutex<Content>>);

#[derive(Debug, Default)]
struct Content {
    connections: Vec<Vec<Words>>,
    /// How many of them are open.
    open: usize,
    failure: Option<String>,
}

impl Fake {
    /// Listens, and runs `script` for each connection: [`Peer::number`] says which it is.
    ///
    /// A script that returns closes its connection. One that fails is reported by [`Fake::finish`].
    ///
    /// # Errors
    ///
    /// If no port is free.
    pub async fn start<S, F>(script: S) -> io::Result<Self>
    where
        S: Fn(Peer) -> F + Send + 'static,
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let record = Record::default();
        let accepting = tokio::spawn(accept(listener, script, record.clone()));
        Ok(Self {
            address,
            record,
            accepting,
        })
    }

    /// Listens, and answers each command of each connection with the bytes that `answer` returns for it.
    ///
    /// # Errors
    ///
    /// If no port is free.
    pub async fn answering(
        answer: impl Fn(&Words) -> Vec<u8> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let answer = Arc::new(answer);
        Self::start(move |mut peer| {
            let answer = Arc::clone(&answer);
            async move {
                while let Some(command) = peer.command().await? {
                    let bytes = answer(&command);
                    peer.send(bytes).await?;
                }
                Ok(())
            }
        })
        .await
    }

    /// The address that clients connect to.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// The URL that clients connect to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// How many clients have connected.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.record.lock().connections.len()
    }

    /// How many clients are connected: a client that goes is noticed when the script reads its next command.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.record.lock().open
    }

    /// The commands that the script has read on a connection so far; 0 is the first connection.
    #[must_use]
    pub fn received(&self, connection: usize) -> Vec<Words> {
        self.record
            .lock()
            .connections
            .get(connection)
            .cloned()
            .unwrap_or_default()
    }

    /// Stops listening and returns an error if a script failed.
    ///
    /// Scripts that still run are ended: call this when the client has received what it waits for.
    ///
    /// # Errors
    ///
    /// The first failure of a script, with the number of its connection.
    pub async fn finish(mut self) -> io::Result<()> {
        self.accepting.abort();
        // An abort is the expected end. A panic of the accepting task would be a fault in the kit.
        match (&mut self.accepting).await {
            Err(error) if error.is_panic() => return Err(io::Error::other(error)),
            _ => {}
        }
        let failure = self.record.lock().failure.take();
        failure.map_or(Ok(()), |failure| Err(io::Error::other(failure)))
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Record {
    // The record is still usable after a panic of a script.
    fn lock(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a connection's record and returns its number.
    fn open(&self) -> usize {
        let mut content = self.lock();
        content.open += 1;
        content.connections.push(Vec::new());
        content.connections.len() - 1
    }

    /// Notes that a connection was closed.
    fn close(&self) {
        self.lock().open -= 1;
    }

    fn add(&self, connection: usize, command: Words) {
        if let Some(commands) = self.lock().connections.get_mut(connection) {
            commands.push(command);
        }
    }

    fn fail(&self, failure: String) {
        self.lock().failure.get_or_insert(failure);
    }
}

async fn accept<S, F>(listener: TcpListener, script: S, record: Record)
where
    S: Fn(Peer) -> F,
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    // They are aborted with this task.
    let mut scripts = JoinSet::new();
    loop {
        let stream = accepting::next(&listener).await;
        let Ok((stream, held)) = doubled(stream) else {
            continue;
        };
        let number = record.open();
        let run = script(Peer::new(stream, number, record.clone()));
        let record = record.clone();
        scripts.spawn(async move {
            if let Some(failure) = failure_of(run).await {
                record.fail(format!(
                    "the fake server's script for connection {number} failed: {failure}"
                ));
            }
            // The client sees the end only now, so the record is complete when the client asks for it.
            record.close();
            drop(held);
        });
        while scripts.try_join_next().is_some() {}
    }
}

/// Runs a script in a separate task, so that a panic, for instance of an assertion, counts as a failure.
async fn failure_of(
    script: impl Future<Output = io::Result<()>> + Send + 'static,
) -> Option<String> {
    match JoinSet::from_iter([script]).join_next().await? {
        Ok(result) => result.err().map(|error| error.to_string()),
        Err(error) => error
            .try_into_panic()
            .ok()
            .map(|panic| panic_text(panic.as_ref())),
    }
}

/// A second handle of a connection, which keeps the connection open.
fn doubled(stream: TcpStream) -> io::Result<(TcpStream, std::net::TcpStream)> {
    let stream = stream.into_std()?;
    let second = stream.try_clone()?;
    Ok((TcpStream::from_std(stream)?, second))
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic".to_owned())
}
