//! `cargo xtask servers`: fetches servers and lists those that are present.

use typedis_testkit::{ServerKind, servers};

use crate::{Result, screen};

pub(crate) fn run(all: bool) -> Result {
    if all {
        fetch_all()?;
    } else {
        servers::find(ServerKind::default())?;
    }
    for kind in ServerKind::PINNED
        .into_iter()
        .chain([ServerKind::SystemRedis])
    {
        match servers::find_present(kind)? {
            Some(program) => {
                let version = program.version()?;
                let path = program.path.display();
                screen::success(&format!(
                    "{:<26} {path} ({})\n  {version}",
                    kind.name(),
                    program.origin
                ));
            }
            None => screen::note(&format!("{:<26} not here", kind.name())),
        }
    }
    Ok(())
}

/// Fetches all servers that the tests use and that exist for this machine.
pub(crate) fn fetch_all() -> Result {
    for kind in ServerKind::PINNED {
        match servers::find(kind) {
            Err(error) if error.is_unavailable() => screen::note(&error.to_string()),
            found => drop(found?),
        }
    }
    Ok(())
}
