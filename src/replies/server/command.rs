//! The reply of COMMAND INFO: [`CommandDetails`].

use typedis_core::{DecodeError, Reply};

use crate::FromRedis;
use crate::replies::fields::{each_field, fill, required};

/// What a server says about a command.
///
/// Subcommands are within their command; the depth is limited as that of every reply is.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[redis(array)]
#[non_exhaustive]
pub struct CommandDetails {
    /// Its name, such as `get` or `config|get`.
    pub name: String,
    /// How many words it has, with its name; negative if it may have more.
    pub arity: i64,
    /// Its flags, such as `readonly`.
    pub flags: Vec<String>,
    /// Which word is the first key, 0 without one.
    pub first_key: i64,
    /// Which word is the last key; negative ones count from the end.
    pub last_key: i64,
    /// How many words there are from one key to the next.
    pub step: i64,
    /// The categories of the access control list that it is in, such as `@read`.
    pub acl_categories: Vec<String>,
    /// Hints for clients, such as `request_policy:all_shards`; since 7.0.
    #[redis(default)]
    pub tips: Vec<String>,
    /// How its keys are found; since 7.0.
    #[redis(default)]
    pub key_specs: Vec<KeySpec>,
    /// Its subcommands; since 7.0.
    #[redis(default)]
    pub subcommands: Vec<CommandDetails>,
}

impl CommandDetails {
    /// Whether it has this flag.
    #[must_use]
    pub fn has_flag(&self, flag: &str) -> bool {
        self.flags.iter().any(|own| own == flag)
    }
}

/// How some of the keys of a command are found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeySpec {
    /// How the keys are used: `RO`, `access`, `update`, `not_key` and so on.
    pub flags: Vec<String>,
    /// Further notes.
    pub notes: Option<String>,
    /// Where the search begins.
    pub begin_search: KeySearch,
    /// Which words are keys from there on.
    pub find_keys: FindKeys,
}

/// Where the search for keys begins.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySearch {
    /// At this word.
    Index(i64),
    /// After a word.
    Keyword {
        /// The word.
        keyword: String,
        /// The word at which the search for it begins; if negative, it goes backwards from the end.
        start_from: i64,
    },
    /// The server does not know.
    Unknown,
}

/// Which words are keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FindKeys {
    /// All words up to one.
    Range {
        /// The last one, counted from the first; negative ones count from the end.
        last_key: i64,
        /// How many words there are from one key to the next.
        step: i64,
        /// The share of these words that are keys: the first half if 2, the first third if 3, and so on.
        limit: i64,
    },
    /// A number of words that another word gives.
    KeyNum {
        /// Which word gives the number, counted from the place where the search begins.
        key_num_index: i64,
        /// Which word is the first key, counted from the same place.
        first_key: i64,
        /// How many words there are from one key to the next.
        step: i64,
    },
    /// The server does not know.
    Unknown,
}

impl FromRedis for KeySpec {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let (mut flags, mut notes, mut begin, mut find) = (None, None, None, None);
        each_field(&reply, |name, value| match name {
            "flags" => fill(&mut flags, value),
            "notes" => fill(&mut notes, value),
            "begin_search" => fill(&mut begin, value),
            "find_keys" => fill(&mut find, value),
            _ => Ok(()),
        })?;
        Ok(Self {
            flags: required(flags, "flags")?,
            notes,
            begin_search: required(begin, "begin_search")?,
            find_keys: required(find, "find_keys")?,
        })
    }
}

impl FromRedis for KeySearch {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let (kind, spec) = kind_and_spec(&reply)?;
        match kind.as_str() {
            "index" => Ok(Self::Index(number(&spec, "index")?)),
            "keyword" => {
                let mut keyword = None;
                each_field(&spec, |name, value| match name {
                    "keyword" => fill(&mut keyword, value),
                    _ => Ok(()),
                })?;
                Ok(Self::Keyword {
                    keyword: required(keyword, "keyword")?,
                    start_from: number(&spec, "startfrom")?,
                })
            }
            _ => Ok(Self::Unknown),
        }
    }
}

impl FromRedis for FindKeys {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let (kind, spec) = kind_and_spec(&reply)?;
        match kind.as_str() {
            "range" => Ok(Self::Range {
                last_key: number(&spec, "lastkey")?,
                step: number(&spec, "keystep")?,
                limit: number(&spec, "limit")?,
            }),
            "keynum" => Ok(Self::KeyNum {
                key_num_index: number(&spec, "keynumidx")?,
                first_key: number(&spec, "firstkey")?,
                step: number(&spec, "keystep")?,
            }),
            _ => Ok(Self::Unknown),
        }
    }
}

/// The kind of search, and its numbers.
fn kind_and_spec<'a>(reply: &Reply<'a>) -> Result<(String, Reply<'a>), DecodeError> {
    let (mut kind, mut spec) = (None, None);
    each_field(reply, |name, value| {
        match name {
            "type" => fill(&mut kind, value)?,
            "spec" => spec = Some(value),
            _ => {}
        }
        Ok(())
    })?;
    Ok((required(kind, "type")?, required(spec, "spec")?))
}

fn number(spec: &Reply<'_>, wanted: &str) -> Result<i64, DecodeError> {
    let mut number = None;
    each_field(spec, |name, value| match name == wanted {
        true => fill(&mut number, value),
        false => Ok(()),
    })?;
    required(number, wanted)
}

#[cfg(test)]
mod tests;
