//! Starts a server, prints its process id and its folder, and waits to be killed. The tests of the watchdog kill it.

use std::io::Write as _;
use std::{io, thread};

use typedis_testkit::{Server, ServerKind};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::start(ServerKind::default())?;
    println!("{} {}", server.pid(), server.folder().display());
    io::stdout().flush()?;
    loop {
        thread::park();
    }
}
