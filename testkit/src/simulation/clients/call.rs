//! Commands, each with its token: [`Call`].

use std::fmt;
use std::time::Duration;

use typedis_core::{
    CommandInfo, Detached, Request, RequestPolicy, ResponsePolicy, StateChange, Value, cmd,
};

use crate::simulation::keys;
use crate::simulation::ledger::{Ledger, Token};
use crate::simulation::plan::CallKind;
use crate::simulation::scripts;

static ECHO: CommandInfo = CommandInfo::new("ECHO", b"$4\r\nECHO\r\n", 1).readonly();
static GET: CommandInfo = CommandInfo::new("GET", b"$3\r\nGET\r\n", 1)
    .readonly()
    .cacheable();
static SET: CommandInfo = CommandInfo::new("SET", b"$3\r\nSET\r\n", 1).idempotent();
static INCRBY: CommandInfo = CommandInfo::new("INCRBY", b"$6\r\nINCRBY\r\n", 1);
static RPUSH: CommandInfo = CommandInfo::new("RPUSH", b"$5\r\nRPUSH\r\n", 1);
static PUBLISH: CommandInfo = CommandInfo::new("PUBLISH", b"$7\r\nPUBLISH\r\n", 1);
static SPUBLISH: CommandInfo = CommandInfo::new("SPUBLISH", b"$8\r\nSPUBLISH\r\n", 1);
pub(super) static BLPOP: CommandInfo = CommandInfo::new("BLPOP", b"$5\r\nBLPOP\r\n", 1)
    .blocking()
    .waits();
static WATCH: CommandInfo =
    CommandInfo::new("WATCH", b"$5\r\nWATCH\r\n", 1).state(StateChange::Watch);
pub(super) static SCAN: CommandInfo = CommandInfo::new("SCAN", b"$4\r\nSCAN\r\n", 1)
    .readonly()
    .policies(RequestPolicy::Special, ResponsePolicy::Special);

/// A command that was entered in the ledger.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) kind: CallKind,
    pub(crate) token: Token,
}

impl Call {
    /// Enters a command.
    pub(crate) fn issue(ledger: &mut Ledger, task: usize, kind: CallKind) -> Self {
        let what = match kind {
            CallKind::Echo | CallKind::Long(_) => "ECHO",
            CallKind::Get(_) => "GET",
            CallKind::Set(_) => "SET",
            CallKind::Add(_) => "INCRBY",
            CallKind::Push(_) => "RPUSH",
            CallKind::Script(_) => "EVALSHA",
            CallKind::Publish(_) => "PUBLISH",
            CallKind::PublishToShard(_) => "SPUBLISH",
        };
        Self {
            kind,
            token: ledger.issue(task, what, kind.is_repeatable()),
        }
    }

    /// Whether it may be carried out more than once.
    pub(super) fn is_repeatable(self) -> bool {
        self.kind.is_repeatable()
    }

    /// Whether the server sees its token; a GET has no place for it.
    pub(crate) fn shows_its_token(self) -> bool {
        !matches!(self.kind, CallKind::Get(_))
    }

    /// The command, with a deadline of its own if there is one.
    pub(crate) fn request(self, deadline: Option<Duration>) -> Request<Detached, Value> {
        let request = self.build();
        match deadline {
            Some(deadline) => request.deadline(deadline),
            None => request,
        }
    }

    fn build(self) -> Request<Detached, Value> {
        let token = self.token;
        match self.kind {
            CallKind::Echo => echo(&format!("#{token}")),
            CallKind::Long(len) => echo(&format!("{}#{token}", "x".repeat(len))),
            CallKind::Get(key) => {
                Request::new(cmd(), &GET, |args| args.key("key", &keys::text(key)))
            }
            CallKind::Set(key) => {
                let key = keys::text(key);
                with(&SET, &key, &format!("{key}#{token}"))
            }
            CallKind::Add(key) => with(&INCRBY, &keys::counter(key), &token.to_string()),
            CallKind::Push(key) => with(&RPUSH, &keys::list(key), &format!("#{token}")),
            CallKind::Publish(name) => publish(&keys::channel(name), token),
            CallKind::PublishToShard(name) => {
                with(&SPUBLISH, &keys::shard(name), &format!("#{token}"))
            }
            CallKind::Script(key) => scripts::ADD.call([keys::counter(key)], token),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} #{}", self.kind, self.token)
    }
}

fn publish(channel: &str, token: Token) -> Request<Detached, Value> {
    Request::new(cmd(), &PUBLISH, |args| {
        args.arg("channel", channel);
        args.arg("message", &format!("#{token}"));
    })
}

fn echo(text: &str) -> Request<Detached, Value> {
    Request::new(cmd(), &ECHO, |args| args.arg("message", text))
}

/// The command that wrote a value.
pub(super) fn token_of(value: &Value) -> Option<Token> {
    value.as_str()?.rsplit('#').next()?.parse().ok()
}

/// Reads a counter, for a transaction that depends on it.
pub(super) fn read_counter(name: &str) -> Request<Detached, Option<i64>> {
    Request::new(cmd(), &GET, |args| args.key("key", name))
}

/// Watches a counter by hand.
pub(super) fn watch_counter(place: usize) -> Request<Detached, ()> {
    Request::new(cmd(), &WATCH, |args| args.key("key", &keys::counter(place)))
}

fn with(info: &'static CommandInfo, key: &str, value: &str) -> Request<Detached, Value> {
    Request::new(cmd(), info, |args| {
        args.key("key", key);
        args.arg("value", value);
    })
}
