//! One running server: [`Server`], started on a free port of 127.0.0.1 and stopped with the process that started it.
//!
//! # Layout
//!
//! - `builder`: what can be set before the start, and the start itself
//! - `port`: a port that belongs to one server, also while that is down
//! - `process`: the child process and the watchdog that outlives this one
//! - `tls_port`: a second port, on which it speaks TLS by itself
//! - `configuration`: how words are written in its file
//! - `log`: what the server prints, and when it is ready

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::raw::RawConnection;
use crate::servers::ServerKind;

mod builder;
mod configuration;
mod log;
mod port;
mod process;
mod tls_port;

pub use builder::ServerBuilder;
pub use tls_port::OwnTls;

use builder::Launch;
use process::{Process, Signal};

/// A running server. Dropping it kills the server and removes its folder. The end of this process, of any kind,
/// does the same.
///
/// ```
/// # fn main() -> typedis_testkit::Result<()> {
/// use typedis_testkit::{Server, ServerKind};
///
/// let server = Server::builder(ServerKind::Valkey9).password("s3cret").line("maxmemory 10mb").start()?;
/// assert!(server.url().starts_with("redis://:s3cret@127.0.0.1:"));
/// # Ok(())
/// # }
/// ```
pub struct Server {
    kind: ServerKind,
    run: Mutex<Run>,
}

/// How long a server that is started again tries to get a port.
const PORT_WITHIN: Duration = Duration::from_secs(10);

/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(50);

/// How the server was started, and its process.
#[derive(Debug)]
struct Run {
    launch: Launch,
    process: Process,
}

impl Server {
    /// Starts a server with default settings.
    ///
    /// # Errors
    ///
    /// If the server is not here and cannot be fetched, or does not start.
    pub fn start(kind: ServerKind) -> Result<Self> {
        Self::builder(kind).start()
    }

    /// Starts to configure a server.
    pub fn builder(kind: ServerKind) -> ServerBuilder {
        ServerBuilder::new(kind)
    }

    /// Which server this is.
    #[must_use]
    pub fn kind(&self) -> ServerKind {
        self.kind
    }

    /// The URL to connect to, with the password if there is one: `redis://127.0.0.1:40001`.
    #[must_use]
    pub fn url(&self) -> String {
        let password = self.password();
        let password = password.map(|password| format!(":{}@", percent_encode(&password)));
        format!("redis://{}{}", password.unwrap_or_default(), self.addr())
    }

    /// The address that the server listens on. It stays the same when the server is restarted.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port()).into()
    }

    /// The port that the server listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.run().launch.port.number
    }

    /// The address on which the server speaks TLS by itself, if [`ServerBuilder::own_tls`] asked for one.
    #[must_use]
    pub fn tls_addr(&self) -> Option<SocketAddr> {
        let run = self.run();
        let (port, _) = run.launch.tls.as_ref()?;
        Some((Ipv4Addr::LOCALHOST, port.number).into())
    }

    /// The Unix socket that the server listens on, if [`ServerBuilder::unix_socket`] asked for one.
    #[must_use]
    pub fn socket(&self) -> Option<PathBuf> {
        let run = self.run();
        run.launch
            .unix_socket
            .then(|| builder::socket(run.process.folder()))
    }

    /// The server's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.run().process.pid()
    }

    /// The folder that the server writes into, which is removed with the server.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.run().process.folder().to_owned()
    }

    /// The last lines of the server's log.
    #[must_use]
    pub fn log(&self) -> String {
        self.run().process.log()
    }

    /// Opens a plain connection, logged in if there is a password.
    ///
    /// # Errors
    ///
    /// If the server does not accept it.
    pub fn connect(&self) -> io::Result<RawConnection> {
        let mut connection = RawConnection::connect(self.addr())?;
        if let Some(password) = &self.password() {
            connection.call(&["AUTH", password])?;
        }
        Ok(connection)
    }

    /// Kills the server (SIGKILL) and returns when it is gone. [`Server::restart`] brings it back.
    ///
    /// # Errors
    ///
    /// If the server's supervisor does not answer.
    pub fn kill(&self) -> Result<()> {
        self.run().process.signal(Signal::Kill)
    }

    /// Pauses the server (SIGSTOP): sockets stay open, nothing is answered.
    ///
    /// # Errors
    ///
    /// If the server's supervisor does not answer.
    pub fn pause(&self) -> Result<()> {
        self.run().process.signal(Signal::Stop)
    }

    /// Lets a paused server go on (SIGCONT).
    ///
    /// # Errors
    ///
    /// If the server's supervisor does not answer.
    pub fn resume(&self) -> Result<()> {
        self.run().process.signal(Signal::Continue)
    }

    /// Kills the server if it runs, and starts it again on the same port, in the same folder, with the same settings.
    ///
    /// Its data is lost, unless a line such as `appendonly yes` made it write the data to disk.
    ///
    /// # Errors
    ///
    /// If the server does not start. The call may be repeated.
    pub fn restart(&self) -> Result<()> {
        self.run().start_again(self.kind)
    }

    /// Kills the server if it runs, and starts it again in the same folder on another port, as a container that gets a
    /// new address.
    ///
    /// # Errors
    ///
    /// If the server does not start.
    pub fn restart_elsewhere(&self) -> Result<()> {
        let mut run = self.run();
        let end = Instant::now() + PORT_WITHIN;
        loop {
            let Run { launch, process } = &mut *run;
            process.leave()?;
            launch.change_port(process.folder())?;
            match run.start_once(self.kind) {
                Err(_) if run.process.address_was_in_use() && Instant::now() < end => {}
                started => return started,
            }
        }
    }

    /// Whether the server can answer: it was not killed or paused, and has not ended by itself.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.run().process.is_running()
    }

    fn password(&self) -> Option<String> {
        self.run().launch.password.clone()
    }

    // A panic in another test that holds the lock does not make the process unusable.
    fn run(&self) -> MutexGuard<'_, Run> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Run {
    /// Starts it on its port. While it was away, another program may have taken the port for a moment.
    fn start_again(&mut self, kind: ServerKind) -> Result<()> {
        let end = Instant::now() + PORT_WITHIN;
        loop {
            match self.start_once(kind) {
                Err(_) if self.process.address_was_in_use() && Instant::now() < end => {
                    thread::sleep(PAUSE);
                }
                started => return started,
            }
        }
    }

    fn start_once(&mut self, kind: ServerKind) -> Result<()> {
        let Self { launch, process } = self;
        process.leave()?;
        let next = launch.run(process.folder())?;
        process.replace(next);
        process.wait_until_ready(kind)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("kind", &self.kind)
            .field("port", &self.port())
            .finish_non_exhaustive()
    }
}

/// A password in the form for a URL.
fn percent_encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::percent_encode;

    #[test]
    fn passwords_are_encoded_for_urls() {
        assert_eq!(percent_encode("aZ9-._~"), "aZ9-._~");
        assert_eq!(percent_encode("p@ss:w/rd é"), "p%40ss%3Aw%2Frd%20%C3%A9");
    }
}
