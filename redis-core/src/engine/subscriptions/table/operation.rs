//! A command that moves a topic: [`Operation`].

use crate::engine::inflight::Awaits;
use crate::engine::subscriptions::push::Verb;
use crate::engine::subscriptions::source::{Source, SourceKind};
use crate::error::ServerError;
use crate::runtime::planted::Planted;
use crate::wire::encode;

/// The begin or end of a subscription that was asked of the server.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) verb: Verb,
    pub(super) source: Source,
    /// With a PING after it: whether the server has said that the subscription ended.
    pub(super) is_over: bool,
    /// With a PING after it: the error of the command itself.
    pub(super) refusal: Option<ServerError>,
}

/// Whose an error is, if a PING follows the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blame {
    Command,
    Ping,
    /// So replies cannot be told apart any more.
    Unknown,
}

impl Operation {
    pub(super) fn new(verb: Verb, source: Source) -> Self {
        Self {
            verb,
            source,
            is_over: false,
            refusal: None,
        }
    }

    /// Whose an error is that came before any reply of the PING.
    pub(super) fn blame(&self, error: &ServerError) -> Blame {
        let text = error.message().to_ascii_lowercase();
        if text.contains("'ping'") {
            return Blame::Ping;
        }
        // The server answers in order, so the PING is not answered yet.
        if !self.is_over || text.contains("'sunsubscribe'") {
            return Blame::Command;
        }
        match error.code() {
            // Servers that load their data or have lost their primary refuse a PING, but end subscriptions.
            "LOADING" | "MASTERDOWN" if !Planted::MistakenPing.is_here() => Blame::Ping,
            // Only what has a slot is refused like this.
            "MOVED" | "ASK" | "TRYAGAIN" | "CLUSTERDOWN" => Blame::Command,
            _ if Planted::MistakenPing.is_here() => Blame::Command,
            _ => Blame::Unknown,
        }
    }

    pub(super) fn awaits(&self) -> Awaits {
        match (self.verb, self.source.kind()) {
            (Verb::Leave, SourceKind::Shard) => Awaits::Fence,
            _ => Awaits::Push,
        }
    }

    /// The command, encoded, and the PING after it if there is one.
    pub(super) fn command(&self) -> Vec<u8> {
        let word = match (self.verb, self.source.kind()) {
            (Verb::Join, SourceKind::Channel) => "SUBSCRIBE",
            (Verb::Join, SourceKind::Pattern) => "PSUBSCRIBE",
            (Verb::Join, SourceKind::Shard) => "SSUBSCRIBE",
            (Verb::Leave, SourceKind::Channel) => "UNSUBSCRIBE",
            (Verb::Leave, SourceKind::Pattern) => "PUNSUBSCRIBE",
            (Verb::Leave, SourceKind::Shard) => "SUNSUBSCRIBE",
        };
        let name = self.source.name_bytes();
        let mut out = Vec::with_capacity(64 + name.len());
        encode::array_header(&mut out, 2);
        encode::bulk(&mut out, word.as_bytes());
        encode::bulk(&mut out, name);
        if self.awaits() == Awaits::Fence {
            encode::array_header(&mut out, 1);
            encode::bulk(&mut out, b"PING");
        }
        out
    }
}
