//! Replies of Sentinels.

use typedis_core::Name;

use super::server::ServerInfo;
use super::text::comma;
use crate::FromRedis;

/// A primary that a Sentinel watches. Times are in milliseconds; one that says how long ago something was is below 0
/// if the clock of the Sentinel was set back since.
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
    /// The id of its run, empty if it was never reached.
    pub runid: String,
    /// Its role and its faults: `master`, `s_down`, `o_down`, `failover_in_progress` and so on.
    #[redis(with = "comma")]
    pub flags: Vec<String>,
    /// How many commands of this Sentinel it has not answered yet.
    pub link_pending_commands: u64,
    /// How many watches share the connections to it.
    pub link_refcount: u64,
    /// How long ago the ping was sent that it has not answered yet; 0 if there is none.
    pub last_ping_sent: i64,
    /// How long ago it last answered a ping with a valid reply.
    pub last_ok_ping_reply: i64,
    /// How long ago it last answered a ping with any reply.
    pub last_ping_reply: i64,
    /// For how long this Sentinel has considered it down.
    pub s_down_time: Option<i64>,
    /// For how long enough Sentinels have considered it down.
    pub o_down_time: Option<i64>,
    /// After how long without an answer it is considered down.
    pub down_after_milliseconds: u64,
    /// How long ago it last answered INFO.
    pub info_refresh: i64,
    /// The role that it reports.
    pub role_reported: String,
    /// For how long it has reported this role.
    pub role_reported_time: i64,
    /// The epoch of its configuration.
    pub config_epoch: u64,
    /// How many replicas it has.
    #[redis(rename = "num-slaves")]
    pub num_replicas: u64,
    /// How many other Sentinels watch it.
    pub num_other_sentinels: u64,
    /// How many Sentinels must consider it down.
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
    /// Whether this Sentinel, or enough of them, consider it down.
    #[must_use]
    pub fn is_down(&self) -> bool {
        is_down(&self.flags)
    }
}

/// A replica of a primary that a Sentinel watches. Times are in milliseconds; one that says how long ago something was is below 0
/// if the clock of the Sentinel was set back since.
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
    /// Its role and its faults: `slave`, `s_down`, `disconnected` and so on.
    #[redis(with = "comma")]
    pub flags: Vec<String>,
    /// How long ago the ping was sent that it has not answered yet; 0 if there is none.
    pub last_ping_sent: i64,
    /// How long ago it last answered a ping with a valid reply.
    pub last_ok_ping_reply: i64,
    /// How long ago it last answered a ping with any reply.
    pub last_ping_reply: i64,
    /// For how long this Sentinel has considered it down.
    pub s_down_time: Option<i64>,
    /// How long ago it last answered INFO.
    pub info_refresh: i64,
    /// The role that it reports.
    pub role_reported: String,
    /// For how long it has reported this role.
    pub role_reported_time: i64,
    /// For how long its link to the primary has been down; -1000 if it has had none since its start.
    #[redis(rename = "master-link-down-time")]
    pub primary_link_down_time: i64,
    /// `ok`, or `err` while its link to the primary is down.
    #[redis(rename = "master-link-status")]
    pub primary_link_status: String,
    /// The host of its primary.
    #[redis(rename = "master-host")]
    pub primary_host: Name,
    /// The port of its primary.
    #[redis(rename = "master-port")]
    pub primary_port: u16,
    /// Its priority in a failover: the lowest is preferred, and 0 means never.
    #[redis(rename = "slave-priority")]
    pub priority: u64,
    /// Its position in the replication stream of the primary.
    #[redis(rename = "slave-repl-offset")]
    pub replication_offset: u64,
    /// Whether Sentinels name it to clients; since 6.2.
    pub replica_announced: Option<u8>,
}

impl SentinelReplica {
    /// Whether this Sentinel considers it down.
    #[must_use]
    pub fn is_down(&self) -> bool {
        is_down(&self.flags)
    }
}

/// Another Sentinel that watches the same primary. Times are in milliseconds; one that says how long ago something was is below 0
/// if the clock of the Sentinel was set back since.
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
    /// Its role and its faults: `sentinel`, `s_down` and so on.
    #[redis(with = "comma")]
    pub flags: Vec<String>,
    /// How long ago it last answered a ping with a valid reply.
    pub last_ok_ping_reply: i64,
    /// How long ago it last answered a ping with any reply.
    pub last_ping_reply: i64,
    /// How long ago it last sent a hello message.
    pub last_hello_message: i64,
    /// The Sentinel that it voted for, `?` if there was no vote.
    pub voted_leader: String,
    /// The epoch of its vote.
    pub voted_leader_epoch: u64,
}

impl SentinelPeer {
    /// Whether this Sentinel considers it down.
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

/// A script that a Sentinel runs, or will run. Times are in milliseconds; one that says how long ago something was is below 0
/// if the clock of the Sentinel was set back since.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[redis(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct SentinelScript {
    /// The words of its command line.
    pub argv: Vec<Name>,
    /// `running` or `scheduled`.
    pub flags: String,
    /// The id of its process; 0 if it does not run.
    pub pid: i64,
    /// For how long it has been running.
    pub run_time: Option<i64>,
    /// How long until it will be run.
    pub run_delay: Option<u64>,
    /// How often it was tried.
    pub retry_num: u64,
}

/// The last reply of a server to INFO of a Sentinel.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[redis(array)]
#[non_exhaustive]
pub struct CachedInfo {
    /// How many milliseconds ago it came; below 0 if the clock of the Sentinel was set back since.
    pub age: i64,
    /// The reply, if there was one.
    pub info: Option<ServerInfo>,
}

#[cfg(test)]
mod tests;
