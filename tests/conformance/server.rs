//! The servers, and what they know.

use typedis::{Config, Exclusive, Protocol};
use typedis_testkit::raw::RawConnection;
use typedis_testkit::{Server, ServerKind};

use crate::cases::Case;

/// Calls that later versions no longer have.
const GONE: &str = "STRALGO LCS";

/// A server to test with, and the calls that are made there.
pub(crate) struct Edition {
    kind: ServerKind,
    redis: Option<&'static str>,
    valkey: Option<&'static str>,
    makes: Makes,
}

/// The calls that are made on a server.
enum Makes {
    /// All but those of the others.
    Usual,
    /// Those that only a node of a cluster answers.
    OfClusters,
    /// Those that later versions no longer have.
    Gone,
}

pub(crate) const VALKEY: Edition = Edition {
    kind: ServerKind::Valkey9,
    redis: None,
    valkey: Some("9.1.2"),
    makes: Makes::Usual,
};

/// Redis with its modules.
pub(crate) const REDIS: Edition = Edition {
    kind: ServerKind::RedisStack,
    redis: Some("8.2.3"),
    valkey: None,
    makes: Makes::Usual,
};

pub(crate) const VALKEY_NODE: Edition = Edition {
    makes: Makes::OfClusters,
    ..VALKEY
};

pub(crate) const REDIS_NODE: Edition = Edition {
    kind: ServerKind::Redis8,
    makes: Makes::OfClusters,
    ..REDIS
};

pub(crate) const OLD_REDIS: Edition = Edition {
    kind: ServerKind::Redis6,
    redis: Some("6.2.5"),
    valkey: None,
    makes: Makes::Gone,
};

impl Edition {
    /// Whether the call is made there: it is known, and of the right sort.
    pub(crate) fn makes(&self, case: &Case) -> bool {
        let right = match self.makes {
            Makes::Usual => case.group != "cluster" && !case.is(GONE),
            Makes::OfClusters => case.group == "cluster",
            Makes::Gone => case.is(GONE),
        };
        right && self.knows(case)
    }

    /// Whether the call is newer than every server here, so that nothing can verify it.
    pub(crate) fn all_precede(case: &Case) -> bool {
        !VALKEY.knows(case) && !REDIS.knows(case)
    }

    /// Whether it has the command with all the options of the call.
    fn knows(&self, case: &Case) -> bool {
        let reached = |since: Option<&str>, version: Option<&str>| match (since, version) {
            (Some(since), Some(version)) => numbers(since) <= numbers(version),
            _ => false,
        };
        reached(case.redis, self.redis) || reached(case.valkey, self.valkey)
    }

    /// Starts one; a test has its own, since the calls flush and configure.
    pub(crate) fn start(&'static self) -> Known {
        let builder = Server::builder(self.kind).debug_commands();
        let builder = match self.makes {
            Makes::OfClusters => builder.cluster(),
            Makes::Usual | Makes::Gone => builder,
        };
        Known {
            server: builder.start().expect("the server starts"),
            edition: self,
        }
    }
}

/// A running server.
pub(crate) struct Known {
    server: Server,
    edition: &'static Edition,
}

impl Known {
    pub(crate) fn makes(&self, case: &Case) -> bool {
        self.edition.makes(case)
    }

    pub(crate) async fn connect(&self, protocol: Protocol) -> Exclusive {
        let config = Config::from_url(&self.server.url())
            .expect("the kit makes good URLs")
            .protocol(protocol);
        typedis::exclusive(config)
            .await
            .expect("the server lets us in")
    }

    pub(crate) fn name(&self) -> &'static str {
        self.server.kind().name()
    }

    /// A connection that only sends and shows.
    pub(crate) fn raw(&self) -> RawConnection {
        self.server.connect().expect("the server lets us in")
    }

    pub(crate) fn port(&self) -> u16 {
        self.server.port()
    }
}

fn numbers(version: &str) -> Vec<u32> {
    version
        .split('.')
        .map(|number| number.parse().expect("versions are numbers"))
        .collect()
}
