//! What can be set before a server starts: [`ServerBuilder`], and the start itself.

use std::env;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tempfile::TempDir;

use super::configuration::quote;
use super::port::Port;
use super::process::Process;
use super::tls_port::OwnTls;
use super::{Run, Server};
use crate::error::{Doing, Result};
use crate::servers::{self, Program, ServerKind};

/// How often a start is tried again when another process takes the port first.
const ATTEMPTS: u32 = 20;

/// A server that has not been started: `Server::builder(kind)`, settings, `start()`.
#[derive(Debug, Clone)]
#[must_use = "a server runs only after start()"]
pub struct ServerBuilder {
    kind: ServerKind,
    program: Option<Program>,
    password: Option<String>,
    unix_socket: bool,
    cluster: bool,
    sentinel: bool,
    tls: Option<OwnTls>,
    lines: Vec<String>,
}

impl ServerBuilder {
    pub(super) fn new(kind: ServerKind) -> Self {
        Self {
            kind,
            program: None,
            password: None,
            unix_socket: false,
            cluster: false,
            sentinel: false,
            tls: None,
            lines: Vec::new(),
        }
    }

    /// Runs this program instead of the one that belongs to the kind.
    pub fn program(mut self, program: Program) -> Self {
        self.program = Some(program);
        self
    }

    /// Demands a password of the default user (`requirepass`).
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// Adds a line to the configuration file, as in `maxmemory 10mb` or `user alice on >secret ~* +@read`.
    pub fn line(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    /// The number of databases; 16 if this is not called.
    pub fn databases(self, count: u32) -> Self {
        self.line(format!("databases {count}"))
    }

    /// Allows DEBUG. Redis 6.2 always does.
    pub fn debug_commands(self) -> Self {
        if self.kind.has_redis_7_directives() {
            self.line("enable-debug-command yes")
        } else {
            self
        }
    }

    /// Loads a module, after the modules that belong to the kind.
    pub fn module(self, path: &Path) -> Self {
        let path = quote(&path.to_string_lossy());
        self.line(format!("loadmodule {path}"))
    }

    /// Also listens on a Unix socket: see [`Server::socket`].
    pub fn unix_socket(mut self) -> Self {
        self.unix_socket = true;
        self
    }

    /// Has it speak TLS by itself on a second port: see [`Server::tls_addr`]. The program must have been built with TLS.
    pub fn own_tls(mut self, tls: OwnTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Starts the server as a cluster node that serves no slots yet.
    pub fn cluster(mut self) -> Self {
        self.cluster = true;
        self
    }

    /// Starts a sentinel in place of a server; lines such as `sentinel monitor shop 127.0.0.1 7000 2` say for which
    /// service.
    pub fn sentinel(mut self) -> Self {
        self.sentinel = true;
        self
    }

    /// Starts the server and returns when it accepts connections.
    ///
    /// # Errors
    ///
    /// If the server is not here and cannot be fetched, or does not start; the error ends with its log.
    pub fn start(self) -> Result<Server> {
        let program = match self.program.clone() {
            Some(program) => program,
            None => servers::find(self.kind)?,
        };
        let mut attempt = 1;
        loop {
            let launch = self.launch(program.clone())?;
            let folder = folder()?;
            let process = launch.run(folder.path())?;
            // From now on the watchdog removes it.
            let _ = folder.keep();
            match process.wait_until_ready(self.kind) {
                Ok(()) => {
                    return Ok(Server {
                        kind: self.kind,
                        run: Mutex::new(Run { launch, process }),
                    });
                }
                // Between the choice of a port and the server's bind, another program may take it.
                Err(_) if process.address_was_in_use() && attempt < ATTEMPTS => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Chooses ports and completes the configuration.
    fn launch(&self, program: Program) -> Result<Launch> {
        let mut lines = self.lines.clone();
        for module in program.modules.iter().rev() {
            lines.insert(
                0,
                format!("loadmodule {}", quote(&module.to_string_lossy())),
            );
        }
        if let Some(password) = &self.password {
            lines.push(format!("requirepass {}", quote(password)));
        }
        if self.cluster {
            lines.push("cluster-enabled yes".to_owned());
        }
        Ok(Launch {
            program,
            port: Port::choose(self.cluster)?,
            tls: match &self.tls {
                Some(tls) => Some((Port::choose(self.cluster)?, tls.clone())),
                None => None,
            },
            cluster: self.cluster,
            password: self.password.clone(),
            unix_socket: self.unix_socket,
            sentinel: self.sentinel,
            lines,
        })
    }
}

/// How a server is started, and started again.
#[derive(Debug)]
pub(super) struct Launch {
    program: Program,
    pub(super) port: Port,
    /// Its second port, if it has one.
    pub(super) tls: Option<(Port, OwnTls)>,
    cluster: bool,
    pub(super) password: Option<String>,
    pub(super) unix_socket: bool,
    sentinel: bool,
    lines: Vec<String>,
}

impl Launch {
    /// Starts the server in `folder`, without waiting until it is ready.
    pub(super) fn run(&self, folder: &Path) -> Result<Process> {
        let configuration = configuration_in(folder);
        // A server may have rewritten the file (a sentinel does), and then goes on with it.
        if !configuration.exists() {
            fs::write(&configuration, self.configuration(folder)?)
                .doing(|| format!("write {}", configuration.display()))?;
        }
        let mut words: Vec<OsString> = vec![self.program.path.clone().into(), configuration.into()];
        if self.sentinel {
            words.push("--sentinel".into());
        }
        Process::start(folder, &words, self.program.libraries.as_deref())
    }

    /// Moves to another port, for the next run in `folder`.
    pub(super) fn change_port(&mut self, folder: &Path) -> Result<()> {
        self.port = Port::choose(self.cluster)?;
        if let Some((port, _)) = &mut self.tls {
            *port = Port::choose(self.cluster)?;
        }
        let configuration = configuration_in(folder);
        fs::write(&configuration, self.configuration(folder)?)
            .doing(|| format!("write {}", configuration.display()))
    }

    fn configuration(&self, folder: &Path) -> Result<String> {
        let mut text = format!("bind 127.0.0.1\nport {}\n", self.port.number);
        // Writing to a string does not fail.
        let _ = writeln!(text, "dir {}", quote(&folder.to_string_lossy()));
        text.push_str("logfile \"\"\nloglevel notice\n");
        if self.unix_socket {
            let _ = writeln!(
                text,
                "unixsocket {}",
                quote(&socket(folder).to_string_lossy())
            );
        }
        if !self.sentinel {
            text.push_str("save \"\"\n");
        }
        if let Some((port, tls)) = &self.tls {
            text.push_str(&tls.install(folder, port.number)?);
        }
        for line in &self.lines {
            text.push_str(line);
            text.push('\n');
        }
        Ok(text)
    }
}

/// The configuration file in a server's folder.
fn configuration_in(folder: &Path) -> PathBuf {
    folder.join("server.conf")
}

/// The Unix socket in a server's folder.
pub(super) fn socket(folder: &Path) -> PathBuf {
    folder.join("server.sock")
}

/// A new folder for a server, in the system's folder for temporary files: a short path leaves room for a Unix
/// socket's name.
fn folder() -> Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("typedis-").tempdir();
    folder.doing(|| format!("create a folder in {}", env::temp_dir().display()))
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn words_are_quoted_as_the_server_reads_them() {
        assert_eq!(quote("/tmp/a b"), r#""/tmp/a b""#);
        assert_eq!(quote(r#"a"b\c"#), r#""a\"b\\c""#);
    }
}
