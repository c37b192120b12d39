//! What is known about a command before it is called: [`CommandInfo`], one `static` per command, expanded from the
//! spec.

use super::known::{KnownCommands, Match};
use super::naming::Naming;
use super::state_change::StateChange;

use crate::error::{Error, Requirement, ServerError, ServerVersion, Since};

/// The fixed facts of one command.
///
/// The macro expands one `static` for each row of the spec. The engine reads its rules from here (may it be sent
/// again, does it block, what does it change on the connection), and knows no command by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommandInfo {
    /// The name as the server knows it: `"SET"`, `"CONFIG GET"`. Empty for a command built from raw words.
    pub name: &'static str,
    /// The words of the name, encoded: `$3\r\nSET\r\n`.
    pub header: &'static [u8],
    /// The number of words in the header.
    pub words: u32,
    /// Whether the command only reads.
    pub readonly: bool,
    /// Whether it can change keys that it does not name, as FLUSHALL does, and scripts can.
    pub writes_unnamed: bool,
    /// Whether sending it twice has the same effect as sending it once.
    pub idempotent: bool,
    /// Whether it can block its connection until something happens on the server.
    pub blocking: bool,
    /// Whether nil means that nothing came while it blocked, so that it can be sent again to go on waiting.
    pub waits: bool,
    /// What it changes on the connection that it is sent on.
    pub state: Option<StateChange>,
    /// Whether the reply is a function of the keys alone, so that a client-side cache may keep it.
    pub cacheable: bool,
    /// Which nodes of a cluster it goes to.
    pub request_policy: RequestPolicy,
    /// How the replies of several nodes become one.
    pub response_policy: ResponsePolicy,
    /// The first versions of the servers that have it.
    pub since: Since,
    /// Options and words that came later than the command; [`Args::needs`](crate::Args::needs) names one by its place.
    pub newer: &'static [(&'static str, Since)],
    /// Its names that are not among its keys, and those in its reply.
    pub(crate) naming: Option<&'static Naming>,
    /// Whether every socket can carry it, with any words.
    pub(crate) plain: bool,
    /// The table in which its words are looked up, if they decide its effect on the connection.
    pub(crate) known: Option<&'static KnownCommands>,
}

/// Which nodes of a cluster a command is sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum RequestPolicy {
    /// The node of the command's keys, or any node if it has none.
    #[default]
    Default,
    /// Every node, also replicas.
    AllNodes,
    /// Every primary.
    AllShards,
    /// Split by the slots of its keys.
    MultiShard,
    /// A special rule for this command.
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
    /// The smallest of the integers.
    AggMin,
    /// The greatest of the integers.
    AggMax,
    /// True if all are.
    AggLogicalAnd,
    /// True if any is.
    AggLogicalOr,
    /// A special rule for this command.
    Special,
}

impl CommandInfo {
    /// A command with this name, whose words are encoded in `header`. Without further calls it counts as a command
    /// that writes, may not be repeated, and has one reply. If that is not true, the replies of its connection no
    /// longer match their commands: [`CommandInfo::checked`] finds this at compile time.
    #[must_use]
    pub const fn new(name: &'static str, header: &'static [u8], words: u32) -> Self {
        Self {
            name,
            header,
            words,
            readonly: false,
            writes_unnamed: false,
            idempotent: false,
            blocking: false,
            waits: false,
            state: None,
            cacheable: false,
            request_policy: RequestPolicy::Default,
            response_policy: ResponsePolicy::Default,
            since: Since::UNKNOWN,
            newer: &[],
            naming: None,
            plain: !name.is_empty(),
            known: None,
        }
    }

    /// A command that is built from words, which are looked up in `known`.
    #[must_use]
    pub const fn raw(known: &'static KnownCommands) -> Self {
        Self::new("", b"", 0).looked_up(known)
    }

    const fn looked_up(mut self, known: &'static KnownCommands) -> Self {
        (self.plain, self.known) = (false, Some(known));
        self
    }

    /// Compares it with the `known` commands: if the known command with its name changes its connection or blocks,
    /// this one must say so too. If further words decide, they are looked up when it is sent.
    ///
    /// # Panics
    /// If it does not say so, or if the command must not be sent at all; in a constant this is an error of the
    /// compiler.
    #[must_use]
    #[expect(
        clippy::panic,
        reason = "it is called while statics are compiled, where this is an error of the compiler"
    )]
    pub const fn checked(self, known: &'static KnownCommands) -> Self {
        match known.of_name(self.name) {
            Match::Nothing => self,
            Match::Beginning => self.looked_up(known),
            Match::Command(command) => {
                if let Some(advice) = command.refusal() {
                    panic!("{}", advice);
                }
                assert!(
                    !command.changes_state() || self.state.is_some(),
                    "this command changes its connection, and its row does not say so; give the row a `state`, as the built-in \
                     command of this name has"
                );
                assert!(
                    !command.always_blocks() || self.blocking,
                    "this command blocks, and its row does not say so; give the row `blocking`, with the placeholder of the \
                     timeout, as the built-in command of this name has"
                );
                if command.may_block() && !self.blocking {
                    return self.looked_up(known);
                }
                self
            }
        }
    }

    /// Marks the command as one that only reads; it may then always be repeated.
    #[must_use]
    pub const fn readonly(mut self) -> Self {
        self.readonly = true;
        self.idempotent = true;
        self
    }

    /// Marks the command as one that can change keys that it does not name.
    #[must_use]
    pub const fn writes_unnamed(mut self) -> Self {
        self.writes_unnamed = true;
        self
    }

    /// Marks the command as one that may be sent again after a lost connection.
    #[must_use]
    pub const fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// Marks the command as one that can always block.
    #[must_use]
    pub const fn blocking(mut self) -> Self {
        (self.blocking, self.plain) = (true, false);
        self
    }

    /// Marks the command as one whose nil means that nothing came while it blocked.
    #[must_use]
    pub const fn waits(mut self) -> Self {
        self.waits = true;
        self
    }

    /// Sets what the command changes on its connection.
    #[must_use]
    pub const fn state(mut self, change: StateChange) -> Self {
        (self.state, self.plain) = (Some(change), false);
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

    /// Says which names it has besides its keys.
    #[must_use]
    pub const fn naming(mut self, naming: &'static Naming) -> Self {
        self.naming = Some(naming);
        self
    }

    /// Whether it may run code that decides what it changes and how it fails, as scripts do; of raw words nothing is known.
    pub(crate) const fn may_run_code(&self) -> bool {
        self.writes_unnamed || (self.name.is_empty() && !self.readonly)
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

    /// Puts to an error what explains it, if it is a server's refusal of this command with some of its newer options.
    pub(crate) fn explain(
        &self,
        needed: u32,
        server: Option<ServerVersion>,
        error: Error,
    ) -> Error {
        error.explained(|refusal| self.requirement(needed, server, refusal))
    }

    /// The same command, as one that has what it needs of its connection's state sent along, so that any socket will do.
    #[must_use]
    pub const fn on_any_socket(mut self) -> Self {
        (self.state, self.plain) = (None, !self.blocking && self.known.is_none());
        self
    }

    /// Allows a client-side cache to keep its reply.
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
}

/// The [`CommandInfo`] of a command of the core's own: `command_info!("CLIENT UNBLOCK")`.
macro_rules! command_info {
    ($name:literal) => {{
        const WORDS: &$crate::wire::FixedWords = &$crate::wire::FixedWords::new($name);
        $crate::command::CommandInfo::new($name, WORDS.as_bytes(), WORDS.count())
    }};
}

pub(crate) use command_info;
