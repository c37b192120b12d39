//! One server per kind for all tests of a process: [`shared`]; and a database in it for each test: [`database`].
//!
//! Under `cargo test` the tests of a file share a process, and so a server. Under `cargo nextest` each test has
//! its own process, and so its own server. In both cases a test sees only its own data.

use crate::per_kind::PerKind;
use crate::server::Server;
use crate::servers::ServerKind;

/// How many databases a shared server has. Each costs it a little memory and start-up time.
const DATABASES: u32 = 2_000;

/// A database of a shared server that no other test uses.
#[derive(Debug, Clone, Copy)]
pub struct Database {
    server: &'static Server,
    number: u32,
}

impl Database {
    /// The server that it is on. Commands that reach beyond a database (FLUSHALL, CONFIG SET, FUNCTION FLUSH,
    /// PUBLISH) reach other tests: start a [`Server`] for them.
    #[must_use]
    pub fn server(&self) -> &'static Server {
        self.server
    }

    /// Its number, for SELECT.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The URL to connect to: `redis://127.0.0.1:40001/7`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}/{}", self.server.url(), self.number)
    }
}

static SERVERS: PerKind<Server> = PerKind::new();

/// The server of a kind that all tests of this process share, started by the first that asks. DEBUG is allowed.
///
/// # Panics
///
/// If there is no such server: the test that calls this fails, with the reason. A test that does not need it
/// calls [`servers::find`](crate::servers::find) first.
#[must_use]
#[track_caller]
pub fn shared(kind: ServerKind) -> &'static Server {
    SERVERS.get(kind, || {
        let builder = Server::builder(kind).databases(DATABASES);
        builder.debug_commands().start()
    })
}

/// An empty database for one test, on the server that [`shared`] returns.
///
/// The search module indexes database 0 only: a test of that module starts a [`Server`].
///
/// # Panics
///
/// As [`shared`]; and after 1,999 databases of one kind in one process.
#[must_use]
#[track_caller]
pub fn database(kind: ServerKind) -> Database {
    let server = shared(kind);
    // Database 0 is nobody's.
    let number = SERVERS.next_part(kind) + 1;
    assert!(
        number < DATABASES,
        "a test process has used all {DATABASES} databases of its {kind}"
    );
    Database { server, number }
}
