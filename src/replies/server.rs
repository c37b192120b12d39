//! Replies of the commands on a server.
//!
//! # Layout
//!
//! - `server/acl.rs`: ACL GETUSER, ACL DRYRUN, ACL LOG
//! - `server/command.rs`: COMMAND INFO; `server/docs.rs`: COMMAND DOCS
//! - `server/info.rs`: INFO
//! - `server/latency.rs`: LATENCY; `server/log.rs`: SLOWLOG and COMMANDLOG
//! - `server/memory.rs`: MEMORY STATS; `server/hotkeys.rs`: HOTKEYS GET; `server/backup.rs`: BACKUP STATUS
//! - `server/role.rs`: ROLE

mod acl;
mod backup;
mod command;
mod docs;
mod hotkeys;
mod info;
mod latency;
mod log;
mod memory;
mod role;

pub use acl::{AclDryRun, AclLogEntry, AclSelector, AclUser};
pub use backup::{BackupState, BackupStatus};
pub use command::{CommandDetails, FindKeys, KeySearch, KeySpec};
pub use docs::{CommandArgument, CommandDocs};
pub use hotkeys::Hotkeys;
pub use info::{InfoSection, KeyspaceInfo, ServerInfo};
pub use latency::{CommandHistogram, LatencyEvent, LatencySample};
pub use log::{CommandLogEntry, SlowLogEntry};
pub use memory::{DatabaseMemory, MemoryStats};
pub use role::{ReplicaLink, Role};
