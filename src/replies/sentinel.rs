//! Replies of Sentinels.

use typedis_core::{DecodeError, Name, Reply};

use super::fields::next;
use super::server::ServerInfo;
use super::text::comma;
use crate::FromRedis;

/// A primary that a Sentinel watches. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[redis(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct SentinelPrimary {
    /// The name that it is watched by.
    pub name: Name,
    /// Its address, or its host name where those are announced.
    pub ip: Name,
    /// Its port.
    pub port: u16,
    /// The id of its run, empty as long as it was never reached.
    pub runid: String,
    /// What it is and what is wrong: `master`, `s_down`, `o_down`, `failover_in_progress` and so on.
    #[redis(with = "comma")]
    pub flags: Vec<String>,
    /// How many commands of this Sentinel it has yet to answer.
    pub link_pending_commands: u64,
    /// How many watches share the connections to it.
    pub link_refcount: u64,
    /// How long ago the ping was sent that it has not answered, 0 if it has.
    pub last_ping_sent: u64,
    /// How long ago it last answered a ping as it should.
    pub last_ok_ping_reply: u64,
    /// How long ago it last answered a ping at all.
    pub last_ping_reply: u64,
    /// For how long this Sentinel has held it for down.
    pub s_down_time: Option<u64>,
    /// For how long enough Sentinels have held it for down.
    pub o_down_time: Option<u64>,
    /// After how long without an answer it is held for down.
    pub down_after_milliseconds: u64,
    /// How long ago it last answered INFO.
    pub info_refresh: u64,
    /// The role that it gives itself.
    pub role_reported: String,
    /// For how long it has given itself this role.
    pub role_reported_time: u64,
    /// The epoch of its configuration.
    pub config_epoch: u64,
    /// How many replicas it has.
    #[redis(rename = "num-slaves")]
    pub num_replicas: u64,
    /// How many other Sentinels watch it.
    pub num_other_sentinels: u64,
    /// How many Sentinels must hold it for down.
    pub quorum: u64,
    /// How long a failover may take.
    pub failover_timeout: u64,
    /// How many replicas are told of a new primary at once.
    pub parallel_syncs: u64,
    /// The script that is run at a failover.
    pub client_reconfig_script: Option<Name>,
    /// The script that is run at a warning.
    pub notification_script: Option<Name>,
}

impl SentinelPrimary {
    /// Whether this Sentinel, or enough of them, hold it for down.
    #[must_use]
    pub fn is_down(&self) -> bool {
        is_down(&self.flags)
    }
}

/// A replica of a primary that a Sentinel watches. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[redis(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct SentinelReplica {
    /// Its address and port.
    pub name: Name,
    /// Its address, or its host name where those are announced.
    pub ip: Name,
    /// Its port.
    pub port: u16,
    /// The id of its run.
    pub runid: String,
    /// What it is and what is wrong: `slave`, `s_down`, `disconnected` and so on.
    #[redis(with = "comma")]
    pub flags: Vec<String>,
    /// How long ago the ping was sent that it has not answered, 0 if it has.
    pub last_ping_sent: u64,
    /// How long ago it last answered a ping as it should.
    pub last_ok_ping_reply: u64,
    /// How long ago it last answered a ping at all.
    pub last_ping_reply: u64,
    /// For how long this Sentinel has held it for down.
    pub s_down_time: Option<u64>,
    /// How long ago it last answered INFO.
    pub info_refresh: u64,
    /// The role that it gives itself.
    pub role_reported: String,
    /// For how long it has given itself this role.
    pub role_reported_time: u64,
    /// For how long its link to the primary has been down.
    #[redis(rename = "master-link-down-time")]
    pub primary_link_down_time: u64,
    /// `ok`, or `err` while its link to the primary is down.
    #[redis(rename = "master-link-status")]
    pub primary_link_status: String,
    /// The host of its primary.
    #[redis(rename = "master-host")]
    pub primary_host: Name,
    /// The port of its primary.
    #[redis(rename = "master-port")]
    pub primary_port: u16,
    /// The lower, the more it is preferred for a failover; 0 is never.
    #[redis(rename = "slave-priority")]
    pub priority: u64,
    /// How far it has come in what the primary sends.
    #[redis(rename = "slave-repl-offset")]
    pub replication_offset: u64,
    /// Whether Sentinels tell clients of it; since 6.2.
    pub replica_announced: Option<u8>,
}

impl SentinelReplica {
    /// Whether this Sentinel holds it for down.
    #[must_use]
    pub fn is_down(&self) -> bool {
        is_down(&self.flags)
    }
}

/// Another Sentinel that watches the same primary. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[redis(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct SentinelPeer {
    /// Its id.
    pub name: Name,
    /// Its address, or its host name where those are announced.
    pub ip: Name,
    /// Its port.
    pub port: u16,
    /// The id of its run.
    pub runid: String,
    /// What it is and what is wrong: `sentinel`, `s_down` and so on.
    #[redis(with = "comma")]
    pub flags: Vec<String>,
    /// How long ago it last answered a ping as it should.
    pub last_ok_ping_reply: u64,
    /// How long ago it last answered a ping at all.
    pub last_ping_reply: u64,
    /// How long ago it last said hello to the others.
    pub last_hello_message: u64,
    /// The Sentinel that it voted for, `?` if there was no vote.
    pub voted_leader: String,
    /// The epoch of its vote.
    pub voted_leader_epoch: u64,
}

impl SentinelPeer {
    /// Whether this Sentinel holds it for down.
    #[must_use]
    pub fn is_down(&self) -> bool {
        is_down(&self.flags)
    }
}

fn is_down(flags: &[String]) -> bool {
    flags
        .iter()
        .any(|flag| flag == "s_down" || flag == "o_down")
}

/// A script that a Sentinel runs, or will run. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[redis(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct SentinelScript {
    /// The words of its command line.
    pub argv: Vec<Name>,
    /// `running` or `scheduled`.
    pub flags: String,
    /// The number of its process, 0 if it does not run.
    pub pid: i64,
    /// For how long it has been running.
    pub run_time: Option<u64>,
    /// In how long it will be run.
    pub run_delay: Option<u64>,
    /// How often it was tried.
    pub retry_num: u64,
}

/// What a server last answered to a Sentinel's INFO.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CachedInfo {
    /// How many milliseconds ago.
    pub age: u64,
    /// The answer, if there was one.
    pub info: Option<ServerInfo>,
}

impl FromRedis for CachedInfo {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let Reply::Array(mut elements) = reply else {
            return Err(DecodeError::expected("an age and a text", &reply));
        };
        Ok(Self {
            age: next(&mut elements, "age")?,
            info: next(&mut elements, "info")?,
        })
    }
}

#[cfg(test)]
mod tests;
