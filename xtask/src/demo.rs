//! `cargo xtask demo`: the tour of the library, against a server that lives as long as it does.

use typedis_testkit::{Server, ServerKind, servers};

use crate::{Result, cargo, screen};

pub(crate) fn run() -> Result {
    screen::step("Looking for a server");
    let program = servers::find_any()?;
    let (path, version) = (program.path.display().to_string(), program.version()?);
    let server = Server::builder(ServerKind::default())
        .program(program)
        .start()?;
    screen::success(&format!("{version}\n  {path}\n  runs at {}", server.url()));
    screen::step("Running examples/tour.rs");
    cargo::command([
        "run",
        "--quiet",
        "--package",
        "typedis",
        "--example",
        "tour",
    ])
    .env("TYPEDIS_URL", server.url())
    .status()
    .map_err(|error| format!("cannot start cargo: {error}"))
    .and_then(|status| {
        if status.success() {
            Ok(())
        } else {
            Err(format!("the tour failed ({status})"))
        }
    })?;
    drop(server);
    screen::success("Done; the server is stopped");
    Ok(())
}
