//! What is known of a command before it is called: [`CommandInfo`], one `static` per command, expanded from the spec.

use crate::error::{Requirement, ServerError, ServerVersion, Since};

/// The fixed facts of one command.
///
/// The macro expands one `static` of it for each row of the spec; the engine reads its policy (may it be retried, does
/// it block, what does it change) from here and knows no command by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommandInfo {
    /// The name as the server knows it: `"SET"`, `"CONFIG GET"`. Empty for a command built from raw words.
    pub name: &'static str,
    /// The words of the name, encoded: `$3\r\nSET\r\n`.
    pub header: &'static [u8],
    /// How many words the header holds.
    pub words: u32,
    /// Whether the command only reads.
    pub readonly: bool,
    /// Whether sending it twice does what sending it once does.
    pub idempotent: bool,
    /// Whether it can hold its connection until something happens on the server.
    pub blocking: bool,
    /// Whether nil says that nothing came while it blocked, so that it can be issued again to wait on.
    pub waits: bool,
    /// What it changes on the connection that it is sent on.
    pub state: Option<StateChange>,
    /// Whether the reply is a function of the keys alone, so that a client-side cache may keep it.
    pub cacheable: bool,
    /// Which nodes of a cluster it goes to.
    pub request_policy: RequestPolicy,
    /// How the replies of several nodes become one.
    pub response_policy: ResponsePolicy,
    /// Arguments that are never shown in logs and errors.
    pub masked: &'static [&'static str],
    /// The first versions of the servers that have it.
    pub since: Since,
    /// Options and words that came later than the command; [`Args::needs`](crate::Args::needs) names one by its place.
    pub newer: &'static [(&'static str, Since)],
}

/// What a command changes on its connection, for which it needs one of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StateChange {
    /// The selected database.
    Database,
    /// The authenticated user.
    Auth,
    /// An open MULTI, or its end.
    Transaction,
    /// The watched keys.
    Watch,
    /// Client-side caching.
    Tracking,
    /// Whether the server replies at all.
    Reply,
    /// The connection's name and library tags.
    Name,
    /// Anything else that outlives the command: READONLY, CLIENT NO-EVICT, subscriptions, MONITOR.
    Mode,
}

/// Which nodes of a cluster a command is sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum RequestPolicy {
    /// The node of the command's keys, or any node where it has none.
    #[default]
    Default,
    /// Every node, replicas included.
    AllNodes,
    /// Every primary.
    AllShards,
    /// Split by the slots of its keys.
    MultiShard,
    /// A rule of its own.
    Special,
}

/// How replies of several nodes become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ResponsePolicy {
    /// Arrays are joined; anything else is the first reply.
    #[default]
    Default,
    /// The first success counts.
    OneSucceeded,
    /// An error of any node is the error of all.
    AllSucceeded,
    /// Sum of the integers.
    AggSum,
    /// The least of the integers.
    AggMin,
    /// The greatest of the integers.
    AggMax,
    /// True where all are.
    AggLogicalAnd,
    /// True where any is.
    AggLogicalOr,
    /// A rule of its own.
    Special,
}

impl CommandInfo {
    /// A command of this name, whose words are encoded in `header`. Nothing else is assumed: it writes, and may not be
    /// repeated.
    #[must_use]
    pub const fn new(name: &'static str, header: &'static [u8], words: u32) -> Self {
        Self {
            name,
            header,
            words,
            readonly: false,
            idempotent: false,
            blocking: false,
            waits: false,
            state: None,
            cacheable: false,
            request_policy: RequestPolicy::Default,
            response_policy: ResponsePolicy::Default,
            masked: &[],
            since: Since::UNKNOWN,
            newer: &[],
        }
    }

    /// Marks it as one that only reads; such a command may always be repeated.
    #[must_use]
    pub const fn readonly(mut self) -> Self {
        self.readonly = true;
        self.idempotent = true;
        self
    }

    /// Marks it as one that may be sent again after a lost connection.
    #[must_use]
    pub const fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// Marks it as one that always can block.
    #[must_use]
    pub const fn blocking(mut self) -> Self {
        self.blocking = true;
        self
    }

    /// Marks it as one whose nil says that nothing came while it blocked.
    #[must_use]
    pub const fn waits(mut self) -> Self {
        self.waits = true;
        self
    }

    /// Says what it changes on its connection.
    #[must_use]
    pub const fn state(mut self, change: StateChange) -> Self {
        self.state = Some(change);
        self
    }

    /// The same command, as one that has what it needs of its connection's state sent along, so that any socket will do.
    #[must_use]
    pub const fn on_any_socket(mut self) -> Self {
        self.state = None;
        self
    }

    /// Marks its reply as one that a client-side cache may keep.
    #[must_use]
    pub const fn cacheable(mut self) -> Self {
        self.cacheable = true;
        self
    }

    /// Sets the cluster policies.
    #[must_use]
    pub const fn policies(mut self, request: RequestPolicy, response: ResponsePolicy) -> Self {
        self.request_policy = request;
        self.response_policy = response;
        self
    }

    /// Says which versions of the servers have it first.
    #[must_use]
    pub const fn since(mut self, since: Since) -> Self {
        self.since = since;
        self
    }

    /// Lists the options and words that came later.
    #[must_use]
    pub const fn newer(mut self, newer: &'static [(&'static str, Since)]) -> Self {
        self.newer = newer;
        self
    }

    /// What explains that a server refused it with some of its newer options, a bit for each; see [`CommandInfo::newer`].
    pub(crate) fn requirement(
        &self,
        needed: u32,
        server: Option<ServerVersion>,
        refusal: &ServerError,
    ) -> Option<Requirement> {
        let newer = self.newer.iter().enumerate();
        let chosen = newer.filter(|(place, _)| {
            let bit = u32::try_from(*place)
                .ok()
                .and_then(|place| 1_u32.checked_shl(place));
            bit.is_some_and(|bit| needed & bit != 0)
        });
        let options = chosen.map(|(_, option)| *option);
        Requirement::find((self.name, self.since), options, server, refusal)
    }

    /// Names the arguments that are never shown.
    #[must_use]
    pub const fn masked(mut self, arguments: &'static [&'static str]) -> Self {
        self.masked = arguments;
        self
    }
}
