//! The child process: [`Process`], a server under a watchdog that outlives this process until the server is stopped.
//!
//! A server that is only spawned would survive a test process that is killed. So it is the child of a small shell
//! script, whose standard input is a pipe from this process. Signals for the server go through that pipe, one name on
//! each line. When the pipe closes, because of a drop or because this process is gone, the script kills the server
//! and removes its folder.

use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, Command, Stdio};
use std::time::Duration;

use super::log::{Log, State};
use crate::error::{Doing, Error, Result};
use crate::servers::ServerKind;

/// The watchdog. Its first argument is the server's folder, the others are the server's command.
///
/// The server's output is the script's standard output. Only the server keeps it open, so its end is the end of the
/// server. Answers go to standard error, first the process id. After a kill that id is forgotten: the system may give it to
/// another process.
///
/// Without the `trap`, a paused server would live on when this process is killed: the system sends SIGHUP to a process group
/// that nobody is left to look after if a process of it is paused. The server ignores it, the script would die of it.
const WATCHDOG: &str = r#"
trap '' HUP
folder=$1
shift
"$@" </dev/null 2>&1 &
server=$!
exec >&-
echo "$server" >&2
while read -r signal; do
    if [ "$signal" = LEAVE ]; then
        exit
    fi
    if [ -n "$server" ]; then
        kill -s "$signal" "$server" 2>/dev/null
    fi
    if [ "$signal" = KILL ] && [ -n "$server" ]; then
        wait "$server" 2>/dev/null
        server=
    fi
    echo "$signal sent" >&2
done
exec 2>/dev/null
if [ -n "$server" ]; then
    kill -s KILL "$server"
    wait "$server"
fi
rm -rf -- "$folder"
"#;

/// How long a server may take to accept connections. Loading modules on a busy machine takes seconds.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// A signal to the server.
#[derive(Debug, Clone, Copy)]
pub(super) enum Signal {
    Kill,
    Stop,
    Continue,
}

impl Signal {
    /// The name for `kill -s`.
    fn name(self) -> &'static str {
        match self {
            Self::Kill => "KILL",
            Self::Stop => "STOP",
            Self::Continue => "CONT",
        }
    }
}

/// A server process with its watchdog. Dropping it kills the server and removes its folder.
#[derive(Debug)]
pub(super) struct Process {
    folder: PathBuf,
    pid: u32,
    watchdog: Child,
    /// `None` once the watchdog has been told to end.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStderr>,
    log: Log,
    /// Whether it was neither killed nor stopped.
    running: bool,
    /// Whether it has to remove the folder itself: its watchdog has left it.
    folder_is_left: bool,
}

impl Process {
    /// Runs a command whose folder is `folder`. From here on the watchdog removes the folder.
    pub(super) fn start(
        folder: &Path,
        command: &[OsString],
        libraries: Option<&Path>,
    ) -> Result<Self> {
        let mut sh = Command::new("sh");
        sh.args(["-c", WATCHDOG, "typedis-watchdog"])
            .arg(folder)
            .args(command);
        sh.stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // Its own process group, so that Ctrl-C or a test runner that kills a process group does not reach it.
        sh.process_group(0);
        // Newer servers refuse to start under a locale that the system does not have.
        sh.env("LC_ALL", "C");
        if let Some(libraries) = libraries {
            sh.env("LD_LIBRARY_PATH", libraries);
        }
        let mut watchdog = sh.spawn().doing(|| "start sh".to_owned())?;
        let missing = || Error::Io {
            doing: "start sh".to_owned(),
            source: io::ErrorKind::BrokenPipe.into(),
        };
        let orders = watchdog.stdin.take().ok_or_else(missing)?;
        let output = watchdog.stdout.take().ok_or_else(missing)?;
        let mut answers = BufReader::new(watchdog.stderr.take().ok_or_else(missing)?);
        let log = Log::read(output).doing(|| "start a thread".to_owned())?;
        let pid = read_line(&mut answers)
            .and_then(|line| line.parse().map_err(io::Error::other))
            .doing(|| "start a server under sh".to_owned())?;
        Ok(Self {
            folder: folder.to_owned(),
            pid,
            watchdog,
            orders: Some(orders),
            answers,
            log,
            running: true,
            folder_is_left: false,
        })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn log(&self) -> String {
        self.log.text()
    }

    /// Waits until the server accepts connections.
    pub(super) fn wait_until_ready(&self, kind: ServerKind) -> Result<()> {
        let what = match self.log.wait(READY_WITHIN) {
            State::Ready => return Ok(()),
            State::Ended => "ended before it was ready".to_owned(),
            State::Starting => format!("was not ready within {} s", READY_WITHIN.as_secs()),
        };
        Err(Error::NotReady {
            server: kind.name(),
            what,
            log: self.log(),
        })
    }

    /// Whether the server ended because another process has its port.
    pub(super) fn address_was_in_use(&self) -> bool {
        self.log.contains("Address already in use")
    }

    /// Sends a signal to the server; after a kill, the server is gone when this returns.
    pub(super) fn signal(&mut self, signal: Signal) -> Result<()> {
        let name = signal.name();
        self.order(name)
            .and_then(|()| self.await_answer(&format!("{name} sent")))
            .doing(|| format!("send SIG{name} to the server"))?;
        self.running = match signal {
            Signal::Kill | Signal::Stop => false,
            Signal::Continue => true,
        };
        Ok(())
    }

    /// Whether it can answer: it was not killed or stopped, and has not ended by itself.
    pub(super) fn is_running(&self) -> bool {
        self.running && self.log.state() != State::Ended
    }

    /// Kills the server and ends its watchdog, which leaves the folder as it is. May be repeated.
    pub(super) fn leave(&mut self) -> Result<()> {
        if self.folder_is_left {
            return Ok(());
        }
        self.signal(Signal::Kill)?;
        self.order("LEAVE")
            .and_then(|()| self.watchdog.wait())
            .doing(|| "end a server's watchdog".to_owned())?;
        self.orders = None;
        self.folder_is_left = true;
        Ok(())
    }

    /// Puts `next` in its place, which runs in the same folder.
    pub(super) fn replace(&mut self, next: Self) {
        self.folder_is_left = false;
        *self = next;
    }

    fn order(&mut self, order: &str) -> io::Result<()> {
        let orders = self.orders.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        orders.write_all(format!("{order}\n").as_bytes())
    }

    /// Reads up to `answer`. A shell may print something else first, such as that a job was killed.
    fn await_answer(&mut self, answer: &str) -> io::Result<()> {
        while read_line(&mut self.answers)? != answer {}
        Ok(())
    }
}

fn read_line(answers: &mut BufReader<ChildStderr>) -> io::Result<String> {
    let mut line = String::new();
    match answers.read_line(&mut line)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(line.trim_end().to_owned()),
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The closed pipe is the order to end; if waiting for the watchdog fails, nothing can be done about it.
        self.orders = None;
        let _ = self.watchdog.wait();
        if self.folder_is_left {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::path::Path;
    use std::process::{Child, Command, Stdio};

    use super::WATCHDOG;

    /// Notes each signal before it is sent.
    const NOTED: &str = r#"
kill() {
    echo "noted $2" >&3
    command kill "$@"
}
exec 3>&2
"#;

    /// A watchdog of a server that only sleeps.
    fn watch(script: &str, folder: &Path) -> Child {
        Command::new("sh")
            .args(["-c", script, "watchdog"])
            .arg(folder)
            .args(["sleep", "1000"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    #[test]
    fn a_server_that_was_killed_gets_no_more_signals() {
        let folder = tempfile::tempdir().unwrap();
        let mut watchdog = watch(&format!("{NOTED}{WATCHDOG}"), folder.path());
        let orders = watchdog.stdin.take();
        orders
            .unwrap()
            .write_all(b"STOP\nKILL\nKILL\nCONT\n")
            .unwrap();
        let output = watchdog.wait_with_output().unwrap();
        let answers = String::from_utf8(output.stderr).unwrap();
        let noted: Vec<_> = answers
            .lines()
            .filter(|line| line.starts_with("noted"))
            .collect();
        assert_eq!(noted, ["noted STOP", "noted KILL"], "{answers}");
        let sent = answers.lines().filter(|line| line.ends_with("sent"));
        assert_eq!(sent.count(), 4, "{answers}");
        assert!(!folder.path().exists());
    }

    /// The system sends this signal when the process that paused a server is killed.
    #[test]
    fn a_hangup_does_not_end_the_watchdog() {
        let folder = tempfile::tempdir().unwrap();
        let mut watchdog = watch(WATCHDOG, folder.path());
        let mut answers = BufReader::new(watchdog.stderr.take().unwrap());
        let mut server = String::new();
        answers.read_line(&mut server).unwrap();
        let hangup = Command::new("sh")
            .args(["-c", &format!("kill -s HUP {}", watchdog.id())])
            .status();
        assert!(hangup.unwrap().success());
        drop(watchdog.stdin.take());
        let ended = watchdog.wait().unwrap();
        assert!(ended.success(), "{ended}");
        assert!(!folder.path().exists(), "{server} lives on");
    }
}
