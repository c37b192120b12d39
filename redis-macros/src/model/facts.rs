//! The facts of a command that hold for all arguments: flags, policies, versions.

use super::naming::Naming;
use super::{Body, Context, Opt};
use crate::nearest::suggestion;
use crate::spec::{Availability, Text};

#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) readonly: bool,
    pub(crate) idempotent: bool,
    /// `flags`, word by word.
    pub(crate) flags: Vec<String>,
    /// Whether it can always block, not only with an option.
    pub(crate) blocking: bool,
    /// The variant of `StateChange`.
    pub(crate) state: Option<&'static str>,
    pub(crate) cacheable: bool,
    /// Whether it can change keys that it does not name.
    pub(crate) writes_unnamed: bool,
    /// Names that are not among its keys.
    pub(crate) naming: Option<Naming>,
    /// The variants of `RequestPolicy` and `ResponsePolicy`.
    pub(crate) policies: Option<(&'static str, &'static str)>,
    pub(crate) since: Option<Versions>,
    pub(crate) deprecated: Option<String>,
    pub(crate) complexity: Option<String>,
    /// Names that other clients have for it.
    pub(crate) aliases: Vec<String>,
}

/// The first version of each server that has a command or option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Versions {
    pub(crate) redis: Option<String>,
    pub(crate) valkey: Option<String>,
}

const FLAGS: [&str; 7] = [
    "readonly",
    "write",
    "fast",
    "admin",
    "dangerous",
    "noscript",
    "no_auth",
];

/// The words of `state` and the variants of `StateChange`.
const STATES: [(&str, &str); 8] = [
    ("database", "Database"),
    ("auth", "Auth"),
    ("transaction", "Transaction"),
    ("watch", "Watch"),
    ("tracking", "Tracking"),
    ("reply", "Reply"),
    ("name", "Name"),
    ("mode", "Mode"),
];

const REQUEST_POLICIES: [(&str, &str); 4] = [
    ("all_nodes", "AllNodes"),
    ("all_shards", "AllShards"),
    ("multi_shard", "MultiShard"),
    ("special", "Special"),
];

const RESPONSE_POLICIES: [(&str, &str); 8] = [
    ("one_succeeded", "OneSucceeded"),
    ("all_succeeded", "AllSucceeded"),
    ("agg_sum", "AggSum"),
    ("agg_min", "AggMin"),
    ("agg_max", "AggMax"),
    ("agg_logical_and", "AggLogicalAnd"),
    ("agg_logical_or", "AggLogicalOr"),
    ("special", "Special"),
];

impl Versions {
    /// The versions that have both.
    pub(crate) fn and(&self, other: &Self) -> Self {
        let later = |a: &Option<String>, b: &Option<String>| match (a, b) {
            (Some(a), Some(b)) => Some(if numbers(a) >= numbers(b) {
                a.clone()
            } else {
                b.clone()
            }),
            _ => None,
        };
        Self {
            redis: later(&self.redis, &other.redis),
            valkey: later(&self.valkey, &other.valkey),
        }
    }
}

fn numbers(version: &str) -> Vec<u32> {
    version
        .split('.')
        .filter_map(|part| part.parse().ok())
        .collect()
}

impl Context<'_> {
    pub(crate) fn facts(&self, body: &Body, options: &[Opt]) -> Facts {
        let spec = self.command;
        let flags = self.flags();
        let readonly = flags.iter().any(|flag| flag == "readonly");
        let request = self.word_of(
            "request_policy",
            spec.request_policy.as_ref(),
            &REQUEST_POLICIES,
        );
        let response = self.word_of(
            "response_policy",
            spec.response_policy.as_ref(),
            &RESPONSE_POLICIES,
        );
        let mut params = body
            .params()
            .chain(options.iter().flat_map(|option| option.body.params()));
        let has_keys = params.any(|param| param.kind.has_keys());
        let writes = flags.iter().any(|flag| flag == "write");
        let state = self.word_of("state", spec.state.as_ref(), &STATES);
        // Where the flags of a command with keys say neither that it reads nor that it writes, it runs code that decides
        // this: a script or function. A row without flags says nothing, and what only says where it goes is no key.
        let is_open = !writes && !flags.is_empty() && state.is_none();
        let runs_code = spec.script.is_some()
            || spec.function.is_some()
            || (has_keys && !spec.naming.route_only && is_open);
        let writes_unnamed = !readonly && (runs_code || (writes && !has_keys));
        Facts {
            readonly,
            idempotent: spec.idempotent,
            flags,
            blocking: body.blocks(),
            state,
            cacheable: readonly && spec.cacheable.unwrap_or(true) && has_keys,
            writes_unnamed,
            naming: self.naming(body, options),
            policies: (request.is_some() || response.is_some())
                .then(|| (request.unwrap_or("Default"), response.unwrap_or("Default"))),
            since: spec.since.as_ref().map(|since| self.versions(since)),
            deprecated: spec.deprecated.as_ref().map(|instead| instead.text.clone()),
            complexity: spec
                .complexity
                .as_ref()
                .map(|complexity| complexity.text.clone()),
            aliases: spec
                .aliases
                .iter()
                .flat_map(|names| names.text.split_whitespace())
                .map(str::to_owned)
                .collect(),
        }
    }

    pub(crate) fn versions(&self, since: &Availability) -> Versions {
        for version in since.redis.iter().chain(&since.valkey) {
            let parts: Vec<&str> = version.text.split('.').collect();
            if parts.len() != 3 || parts.iter().any(|part| part.parse::<u32>().is_err()) {
                self.note(
                    version.line,
                    format!(
                        "`{}` is no version; expected one such as `6.2.0`",
                        version.text
                    ),
                );
            }
        }
        let text = |version: &Option<Text>| version.as_ref().map(|version| version.text.clone());
        Versions {
            redis: text(&since.redis),
            valkey: text(&since.valkey),
        }
    }

    fn flags(&self) -> Vec<String> {
        let Some(flags) = &self.command.flags else {
            return Vec::new();
        };
        let words: Vec<String> = flags.text.split_whitespace().map(str::to_owned).collect();
        for word in &words {
            if !FLAGS.contains(&word.as_str()) {
                self.note(
                    flags.line,
                    format!("unknown flag `{word}`; {}", suggestion(word, FLAGS)),
                );
            }
        }
        if ["readonly", "write"]
            .iter()
            .all(|flag| words.iter().any(|word| word == flag))
        {
            self.note(
                flags.line,
                "both `readonly` and `write`; expected one of them",
            );
        }
        words
    }

    /// The variant for a word of the spec.
    fn word_of(
        &self,
        key: &str,
        word: Option<&Text>,
        known: &[(&str, &'static str)],
    ) -> Option<&'static str> {
        let word = word?;
        let found = known.iter().find(|(name, _)| *name == word.text);
        if found.is_none() {
            let hint = suggestion(&word.text, known.iter().map(|(name, _)| *name));
            self.note(word.line, format!("unknown {key} `{}`; {hint}", word.text));
        }
        found.map(|(_, variant)| *variant)
    }
}
