//! Replies of ACL GETUSER, ACL DRYRUN and ACL LOG.

use typedis_core::{DecodeError, Name, Reply};

use crate::FromRedis;
use crate::replies::client_info::ClientInfo;
use crate::replies::fields::{each_field, fill, required};

/// A user of the access control list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AclUser {
    /// Its flags: `on` or `off`, `nopass` and so on.
    pub flags: Vec<String>,
    /// The SHA-256 digests of the passwords.
    pub passwords: Vec<String>,
    /// The rules on commands: `-@all +get`.
    pub commands: Name,
    /// The rules on keys: `~app:*`, `%R~logs:*`.
    pub keys: Vec<Name>,
    /// The rules on channels: `&news`.
    pub channels: Vec<Name>,
    /// The rules on databases; Valkey since 9.1.
    pub databases: Option<String>,
    /// Further rights, each of which is separate; since 7.0.
    pub selectors: Vec<AclSelector>,
}

/// A set of rights.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AclSelector {
    /// The rules on commands.
    pub commands: Name,
    /// The rules on keys.
    pub keys: Vec<Name>,
    /// The rules on channels.
    pub channels: Vec<Name>,
    /// The rules on databases; Valkey since 9.1.
    pub databases: Option<String>,
}

impl AclUser {
    /// Whether the user may log in.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.flags.iter().any(|flag| flag == "on")
    }
}

impl FromRedis for AclUser {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let (mut flags, mut passwords, mut selectors) = (None, None, None);
        each_field(&reply, |name, value| match name {
            "flags" => fill(&mut flags, value),
            "passwords" => fill(&mut passwords, value),
            "selectors" => fill(&mut selectors, value),
            _ => Ok(()),
        })?;
        let rights = AclSelector::from_redis(reply)?;
        Ok(Self {
            flags: required(flags, "flags")?,
            passwords: required(passwords, "passwords")?,
            commands: rights.commands,
            keys: rights.keys,
            channels: rights.channels,
            databases: rights.databases,
            selectors: selectors.unwrap_or_default(),
        })
    }
}

impl FromRedis for AclSelector {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let (mut commands, mut keys, mut channels, mut databases) = (None, None, None, None);
        each_field(&reply, |name, value| {
            match name {
                "commands" => fill(&mut commands, value)?,
                "keys" => keys = Some(patterns(value, b'~')?),
                "channels" => channels = Some(patterns(value, b'&')?),
                "databases" => fill(&mut databases, value)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(Self {
            commands: required(commands, "commands")?,
            keys: required(keys, "keys")?,
            channels: channels.unwrap_or_default(),
            databases,
        })
    }
}

/// Rules in one text; Redis 6.2 sends an array of patterns without the sign before them.
fn patterns(reply: Reply<'_>, sign: u8) -> Result<Vec<Name>, DecodeError> {
    if reply.elements().is_some() {
        let patterns = Vec::<Name>::from_redis(reply)?;
        let signed = |pattern: &Name| Name::from([&[sign], pattern.as_bytes()].concat());
        return Ok(patterns.iter().map(signed).collect());
    }
    let rules = Name::from_redis(reply)?;
    let rules = rules.as_bytes().split(u8::is_ascii_whitespace);
    Ok(rules
        .filter(|rule| !rule.is_empty())
        .map(Name::from)
        .collect())
}

/// Whether a user may run a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AclDryRun {
    /// The user may.
    Allowed,
    /// The user may not, in the words of the server.
    Denied(Name),
}

impl AclDryRun {
    /// Whether the user may.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        *self == Self::Allowed
    }
}

impl FromRedis for AclDryRun {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        match reply {
            Reply::Simple(text) if text.as_bytes() == b"OK" => Ok(Self::Allowed),
            reply => Name::from_redis(reply).map(Self::Denied),
        }
    }
}

/// Something that the access control list refused.
#[derive(Debug, Clone, PartialEq, FromRedis)]
#[redis(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct AclLogEntry {
    /// How often it was refused within a minute.
    pub count: u64,
    /// What was refused: `auth`, `command`, `key`, `channel` or `database`.
    pub reason: String,
    /// Where it was refused: `toplevel`, `multi`, `lua` or `module`.
    pub context: String,
    /// The command, key or channel.
    pub object: Name,
    /// The user.
    pub username: Name,
    /// How many seconds ago it was first refused.
    pub age_seconds: f64,
    /// The connection.
    pub client_info: ClientInfo,
    /// The number of the entry; since 7.2.
    pub entry_id: Option<u64>,
    /// When it was first refused, as a Unix time in milliseconds; since 7.2.
    pub timestamp_created: Option<u64>,
    /// When it was last refused, as a Unix time in milliseconds; since 7.2.
    pub timestamp_last_updated: Option<u64>,
}

#[cfg(test)]
mod tests;
