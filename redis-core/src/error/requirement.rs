//! What a command needs and its server does not have: [`Requirement`].

use std::fmt;

use super::ServerError;

/// A version: major, minor, patch.
type Version = [u16; 3];

/// The first version of each server that has a command or an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Since {
    redis: Option<Version>,
    valkey: Option<Version>,
}

/// A server and its version, as it introduces itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerVersion {
    flavour: Flavour,
    version: Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flavour {
    Redis,
    Valkey,
}

/// Why a server does not know a command or an option: what would be needed, and what is there.
///
/// [`Error::requirement`](crate::Error::requirement) has it where a server refused something that it is too old for, and the
/// error's text ends with it: "HGETEX needs Redis 8.0 or Valkey 9.0; this server is Valkey 8.1.8".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requirement {
    command: &'static str,
    option: Option<&'static str>,
    since: Since,
    server: Option<ServerVersion>,
}

impl Since {
    /// These versions; `None` for a server that does not have it.
    #[must_use]
    pub const fn new(redis: Option<[u16; 3]>, valkey: Option<[u16; 3]>) -> Self {
        Self { redis, valkey }
    }

    /// Nothing is known.
    pub(crate) const UNKNOWN: Self = Self::new(None, None);

    /// Whether a server is too old for it, or does not have it at all.
    pub(crate) fn is_beyond(self, server: ServerVersion) -> bool {
        let first = match server.flavour {
            Flavour::Redis => self.redis,
            Flavour::Valkey => self.valkey,
        };
        self != Self::UNKNOWN && first.is_none_or(|first| first > server.version)
    }

    /// Whether this is the version of a module: those have numbers of their own until they became part of Redis 8.0.
    fn is_of_module(self, command: &str) -> bool {
        command.contains('.') && self.redis.is_some_and(|[major, ..]| major < 8)
    }
}

impl fmt::Display for Since {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers = [("Redis", self.redis), ("Valkey", self.valkey)];
        let servers = servers
            .into_iter()
            .filter_map(|(name, first)| Some((name, first?)));
        for (index, (name, [major, minor, patch])) in servers.enumerate() {
            if index > 0 {
                f.write_str(" or ")?;
            }
            write!(f, "{name} {major}.{minor}")?;
            if patch > 0 {
                write!(f, ".{patch}")?;
            }
        }
        Ok(())
    }
}

impl ServerVersion {
    /// Reads what HELLO says: `valkey` and `8.1.8`. Of other servers nothing is known.
    pub(crate) fn read(server: &str, version: &str) -> Option<Self> {
        let flavour = match server {
            "redis" => Flavour::Redis,
            "valkey" => Flavour::Valkey,
            _ => return None,
        };
        let mut numbers = version
            .split(|letter: char| !letter.is_ascii_digit())
            .map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(Self {
            flavour,
            version: [next()?, next()?, next().unwrap_or_default()],
        })
    }

    /// As a number that is not 0.
    pub(crate) fn pack(self) -> u64 {
        let [major, minor, patch] = self.version.map(u64::from);
        let flavour = match self.flavour {
            Flavour::Redis => 1,
            Flavour::Valkey => 2,
        };
        flavour << 48 | major << 32 | minor << 16 | patch
    }

    pub(crate) fn unpack(packed: u64) -> Option<Self> {
        let [flavour, major, minor, patch] = [48, 32, 16, 0]
            .map(|bits| u16::try_from((packed >> bits) & u64::from(u16::MAX)).unwrap_or_default());
        let flavour = match flavour {
            1 => Flavour::Redis,
            2 => Flavour::Valkey,
            _ => return None,
        };
        Some(Self {
            flavour,
            version: [major, minor, patch],
        })
    }
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.flavour {
            Flavour::Redis => "Redis",
            Flavour::Valkey => "Valkey",
        };
        let [major, minor, patch] = self.version;
        write!(f, "{name} {major}.{minor}.{patch}")
    }
}

impl Requirement {
    /// What explains that a server refused a command with these options, if its age does.
    pub(crate) fn find(
        (command, since): (&'static str, Since),
        options: impl Iterator<Item = (&'static str, Since)>,
        server: Option<ServerVersion>,
        refusal: &ServerError,
    ) -> Option<Self> {
        // Any other code says that the server knows the command, and has another reason.
        if !matches!(refusal.code(), "ERR" | "") {
            return None;
        }
        let found = |option, since| Self {
            command,
            option,
            since,
            server,
        };
        let is_unknown = says(refusal, "unknown command") || says(refusal, "unknown subcommand");
        if since.is_of_module(command) {
            return is_unknown.then(|| found(None, since));
        }
        let Some(server) = server else {
            return (is_unknown && since != Since::UNKNOWN).then(|| found(None, since));
        };
        if since.is_beyond(server) {
            return Some(found(None, since));
        }
        let mut options = options.filter(|(_, since)| since.is_beyond(server));
        // Redis 6.2 calls a subcommand unknown when it has an argument too many.
        let is_there = !says(refusal, "unknown command");
        let (option, since) = options.next().filter(|_| is_there)?;
        Some(found(Some(option), since))
    }

    /// The command.
    #[must_use]
    pub fn command(&self) -> &'static str {
        self.command
    }

    /// The option that the server does not know; `None` if it does not know the command.
    #[must_use]
    pub fn option(&self) -> Option<&'static str> {
        self.option
    }

    /// The first versions that have it.
    #[must_use]
    pub fn since(&self) -> Since {
        self.since
    }

    /// The server that refused it; `None` where it has not introduced itself, as in RESP2.
    #[must_use]
    pub fn server(&self) -> Option<ServerVersion> {
        self.server
    }
}

/// Whether the message of a refusal begins with a text.
fn says(refusal: &ServerError, text: &str) -> bool {
    let start = refusal.message().get(..text.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(text))
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            command,
            option,
            since,
            server,
        } = self;
        if since.is_of_module(command) {
            write!(f, "{command} needs a module, or Redis 8.0 with its modules")?;
        } else {
            if let Some(option) = option {
                write!(f, "{option} of ")?;
            }
            write!(f, "{command} needs {since}")?;
        }
        match server {
            Some(server) => write!(f, "; this server is {server}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const HGETEX: (&str, Since) = ("HGETEX", Since::new(Some([8, 0, 0]), Some([9, 0, 0])));
    const IFEQ: (&str, Since) = ("IFEQ", Since::new(Some([8, 4, 0]), Some([8, 1, 0])));

    fn explain(
        command: (&'static str, Since),
        option: Option<(&'static str, Since)>,
        server: (&str, &str),
        refusal: &str,
    ) -> Option<String> {
        let server = ServerVersion::read(server.0, server.1);
        let found = Requirement::find(
            command,
            option.into_iter(),
            server,
            &ServerError::new(refusal),
        );
        found.map(|found| found.to_string())
    }

    #[test]
    fn a_command_that_a_server_is_too_old_for_is_explained() {
        let unknown = "ERR unknown command 'HGETEX', with args beginning with: ";
        let valkey = explain(HGETEX, None, ("valkey", "8.1.8"), unknown);
        let text = "HGETEX needs Redis 8.0 or Valkey 9.0; this server is Valkey 8.1.8";
        assert_eq!(valkey.as_deref(), Some(text));
        let silent = explain(HGETEX, None, ("", ""), unknown);
        assert_eq!(
            silent.as_deref(),
            Some("HGETEX needs Redis 8.0 or Valkey 9.0")
        );
        assert_eq!(explain(HGETEX, None, ("valkey", "9.0.0"), unknown), None);
        assert_eq!(
            explain(HGETEX, None, ("valkey", "8.1.8"), "NOPERM no"),
            None
        );
        let renamed = explain(("GET", Since::UNKNOWN), None, ("redis", "8.2.3"), unknown);
        assert_eq!(renamed, None);
    }

    #[test]
    fn an_option_that_a_server_is_too_old_for_is_explained() {
        let set = ("SET", Since::new(Some([1, 0, 0]), Some([1, 0, 0])));
        let explain = |server, refusal| explain(set, Some(IFEQ), server, refusal);
        let text = "IFEQ of SET needs Redis 8.4 or Valkey 8.1; this server is Redis 8.2.3";
        let old = explain(("redis", "8.2.3"), "ERR syntax error");
        assert_eq!(old.as_deref(), Some(text));
        assert_eq!(explain(("redis", "8.10.2"), "ERR syntax error"), None);
        assert_eq!(explain(("redis", "8.2.3"), "WRONGTYPE other"), None);
        assert_eq!(
            explain(("", ""), "ERR syntax error"),
            None,
            "it is not known"
        );
    }

    #[test]
    fn a_module_that_is_missing_is_explained() {
        let search = ("FT.SEARCH", Since::new(Some([1, 0, 0]), None));
        let text = explain(
            search,
            None,
            ("redis", "8.2.3"),
            "ERR unknown command 'FT.SEARCH'",
        );
        let expected =
            "FT.SEARCH needs a module, or Redis 8.0 with its modules; this server is Redis 8.2.3";
        assert_eq!(text.as_deref(), Some(expected));
        assert_eq!(
            explain(search, None, ("redis", "8.2.3"), "no such index"),
            None
        );
    }

    #[test]
    fn a_version_is_packed_without_loss() {
        for (server, version) in [
            ("redis", "8.10.2"),
            ("valkey", "9.1"),
            ("redis", "255.65535.0-rc1"),
        ] {
            let version = ServerVersion::read(server, version).unwrap();
            assert_eq!(ServerVersion::unpack(version.pack()), Some(version));
        }
        assert_eq!(ServerVersion::unpack(0), None);
        assert_eq!(ServerVersion::read("dragonfly", "1.2.3"), None);
        assert_eq!(ServerVersion::read("redis", "new"), None);
    }
}
