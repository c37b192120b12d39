//! What a cache keeps, and for how long: [`Cache`].

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::command::{Args, CommandInfo, Keys, ToArgs, command_info};
use crate::error::{Error, Result};
use crate::wire::encode::Output;
use crate::wire::outgoing::Outgoing;

static TRACKING: CommandInfo = command_info!("CLIENT TRACKING");

/// The settings of a client-side cache, for [`Connection::cached`](crate::Connection::cached) and its like.
///
/// ```
/// # extern crate typedis_core as typedis;
/// use std::time::Duration;
///
/// use typedis::Cache;
///
/// let cache = Cache::default().max_bytes(64 << 20).ttl(Duration::from_secs(60));
/// ```
#[derive(Debug, Clone)]
#[must_use = "settings do nothing until a handle is made with them"]
pub struct Cache {
    pub(super) max_bytes: usize,
    pub(super) max_reply_bytes: usize,
    pub(super) ttl: Option<Duration>,
    pub(super) server_ttl: bool,
    pub(super) max_unheard: Duration,
    pub(super) mode: Mode,
    pub(super) no_loop: bool,
    /// A fault that the checker of histories must find.
    #[cfg(test)]
    pub(super) reports_late: bool,
}

/// What the server is asked to report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mode {
    /// What was read right after CLIENT CACHING YES.
    OptIn,
    /// Everything that was read on the connection.
    AllReads,
    /// Every key with one of these prefixes; none means every key.
    Broadcast(Vec<Bytes>),
}

impl Default for Cache {
    /// 64 MiB, replies of at most 1 MiB, no time to live, and nothing served from a connection that was silent for five
    /// seconds.
    fn default() -> Self {
        Self {
            max_bytes: 64 << 20,
            max_reply_bytes: 1 << 20,
            ttl: None,
            server_ttl: false,
            max_unheard: Duration::from_secs(5),
            mode: Mode::OptIn,
            no_loop: false,
            #[cfg(test)]
            reports_late: false,
        }
    }
}

impl Cache {
    /// The most bytes that are kept: commands, replies, and about a hundred bytes for each of them. What was not used for
    /// long gives way first. The default is 64 MiB.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// The longest reply that is kept; longer ones are read from the server each time. The default is 1 MiB.
    pub fn max_reply_bytes(mut self, bytes: usize) -> Self {
        self.max_reply_bytes = bytes;
        self
    }

    /// How long a reply is kept at most, from when its command was sent. Without this, it is kept until the server
    /// reports a change.
    ///
    /// A few changes are not reported at all, such as those by SWAPDB: this bounds how long they stay unseen.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Asks for the time to live of the keys (PTTL) with each read, and keeps the reply no longer.
    ///
    /// Without this, a key that has expired is served until the server removes and reports it. It does so within
    /// milliseconds as a rule, but later when it is busy with many expired keys.
    pub fn server_ttl(mut self) -> Self {
        self.server_ttl = true;
        self
    }

    /// For how long replies are served when no read is answered by the server. When that time is over, the next read goes
    /// to the server, and only when it is answered are replies served again. This bounds how old a served reply can be when
    /// the connection has died and nobody has noticed yet. Reports do not count, since they do not say when they were sent.
    /// The default is 5 seconds.
    ///
    /// The time is taken from a clock that is cheap and coarse, and a reply is never served for longer: it may go to the
    /// server up to 16 ms too early, and a time of less than 16 ms has every read go there. Nor does a read wait for another one of the
    /// same that began longer ago than this.
    pub fn max_unheard(mut self, time: Duration) -> Self {
        self.max_unheard = time;
        self
    }

    /// Has the server report every key that is read on the connection, instead of those that are read for the cache. It
    /// saves a few bytes for each read that is not in the cache, and costs the server memory for all keys that are read
    /// on this connection in other ways.
    pub fn all_reads(mut self) -> Self {
        self.mode = Mode::AllReads;
        self
    }

    /// Has the server report every change of a key with one of these prefixes, whoever has read it: the server keeps no
    /// list of what was read, and sends more. Only replies to commands whose keys have such a prefix are kept. With no
    /// prefix at all, all keys are reported.
    ///
    /// The server sends these reports behind the replies to commands that it has read meanwhile. So two different commands
    /// about one key may disagree until the report has come; the replies to one command never go back.
    ///
    /// The reports begin with the first read, or with [`Cached::dropped`](super::Cached::dropped).
    ///
    /// No prefix may be the beginning of another.
    pub fn broadcast(mut self, prefixes: impl ToArgs) -> Self {
        let mut args = Args::new(&TRACKING, Keys::Ignored);
        args.args("prefixes", &prefixes);
        let words = args.to_words().into_iter().skip(2);
        self.mode = Mode::Broadcast(words.map(Bytes::from).collect());
        self
    }

    /// Has the server not report what this connection changes itself. The handle forgets what is written through it,
    /// so nothing is lost as long as all writes of the connection go through the handle: what another handle of the same
    /// [`Connection`](crate::Connection) writes is **not** noticed.
    ///
    /// A script, a function and a raw command can change keys that they do not name, so each of them has everything
    /// forgotten, unless it only reads: see [`Script::read_only`](crate::Script::read_only) and
    /// [`Raw::readonly`](crate::Raw::readonly).
    pub fn no_loop(mut self) -> Self {
        self.no_loop = true;
        self
    }

    /// Checks what the server would refuse.
    ///
    /// # Errors
    /// A prefix begins with another one.
    pub(super) fn check(&self) -> Result<()> {
        let Mode::Broadcast(prefixes) = &self.mode else {
            return Ok(());
        };
        for (place, prefix) in prefixes.iter().enumerate() {
            let others = prefixes.iter().enumerate();
            let mut others = others.filter(|(other, _)| *other != place);
            if others.any(|(_, other)| other.starts_with(prefix)) {
                let text = "one prefix of the broadcasting mode is the beginning of another; leave the longer one out";
                return Err(Error::usage(text));
            }
        }
        Ok(())
    }

    /// Whether changes of this key are reported.
    #[inline]
    pub(super) fn covers(&self, key: &[u8]) -> bool {
        match &self.mode {
            Mode::OptIn | Mode::AllReads => true,
            Mode::Broadcast(prefixes) => {
                prefixes.is_empty() || prefixes.iter().any(|prefix| key.starts_with(prefix))
            }
        }
    }

    /// The commands that turn tracking on; the reports go to the client `redirect`, or come on the same socket.
    pub(super) fn enabling(&self, redirect: Option<u64>) -> Enabling {
        let mut on = Args::new(&TRACKING, Keys::Ignored);
        on.word("ON");
        if let Some(client) = redirect {
            on.word("REDIRECT");
            on.arg("client", &client);
        }
        let mut out = Outgoing::default();
        let mut replies = 1;
        match &self.mode {
            Mode::OptIn => on.word("OPTIN"),
            Mode::AllReads => {}
            Mode::Broadcast(prefixes) => {
                // A server refuses a prefix that it has already.
                out.put(&disabling());
                replies += 1;
                on.word("BCAST");
                for prefix in prefixes {
                    on.word("PREFIX");
                    on.arg("prefix", prefix);
                }
            }
        }
        if self.no_loop {
            on.word("NOLOOP");
        }
        on.write_to(&mut out);
        Enabling {
            bytes: out.single(0).unwrap_or_default().into(),
            replies,
        }
    }

    /// Whether a report comes before the replies that show the change, on the same socket. Where the server broadcasts, it
    /// collects reports, and sends them behind the replies to commands that it has read meanwhile.
    pub(super) fn reports_in_order(&self) -> bool {
        !matches!(self.mode, Mode::Broadcast(_))
    }

    /// Whether replies can have a time to live.
    pub(super) fn has_ttl(&self) -> bool {
        self.ttl.is_some() || self.server_ttl
    }

    /// Whether CLIENT CACHING YES goes before each read.
    pub(super) fn opts_in(&self) -> bool {
        self.mode == Mode::OptIn
    }

    /// Whether the commands of [`Cache::enabling`] may be repeated while something is kept: they do not turn tracking off
    /// in between.
    pub(super) fn may_enable_again(&self) -> bool {
        !matches!(self.mode, Mode::Broadcast(_))
    }
}

/// The commands that turn tracking on, encoded; the last one decides whether it is on.
#[derive(Debug, Clone)]
pub(super) struct Enabling {
    pub(super) bytes: Arc<[u8]>,
    pub(super) replies: usize,
}

/// The command that turns tracking off, encoded.
pub(super) fn disabling() -> Vec<u8> {
    let mut off = Args::new(&TRACKING, Keys::Ignored);
    off.word("OFF");
    let mut encoded = Outgoing::default();
    off.write_to(&mut encoded);
    encoded.single(0).unwrap_or_default().to_vec()
}
