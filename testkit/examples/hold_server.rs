//! Starts a server, prints its process id and its folder, and waits to be killed. The tests of the watchdog kill it.
//! With the argument `paused`, the server is paused first.

use std::io::Write as _;
use std::{env, io, thread};

use typedis_testkit::{Server, ServerKind};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::start(ServerKind::default())?;
    if env::args().nth(1).as_deref() == Some("paused") {
        server.pause()?;
    }
    println!("{} {}", server.pid(), server.folder().display());
    io::stdout().flush()?;
    loop {
        thread::park();
    }
}
