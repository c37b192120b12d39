//! `cargo xtask demo`: the tour of the library, on a server that runs only during the tour.

use typedis_testkit::{Server, ServerKind, servers};

use crate::{Result, cargo, screen};

/// The arguments that tell cargo which program the demo is.
const TOUR: [&str; 4] = ["--package", "typedis", "--example", "tour"];

pub(crate) fn run() -> Result {
    screen::step("Building examples/tour.rs");
    cargo::run(cargo::command(["build"].into_iter().chain(TOUR)))?;
    screen::step("Starting a server");
    let program = servers::find_any()?;
    let (path, version) = (program.path.display().to_string(), program.version()?);
    let server = Server::builder(ServerKind::default())
        .program(program)
        .start()?;
    screen::success(&format!("{version}\n  {path}\n  runs at {}", server.url()));
    screen::step("Running examples/tour.rs");
    let mut tour = cargo::command(["run", "--quiet"].into_iter().chain(TOUR));
    tour.env("TYPEDIS_URL", server.url());
    cargo::run(tour)?;
    drop(server);
    screen::success("Done; the server is stopped");
    Ok(())
}
