//! Calls that disrupt a server, and those that need a special one: each of them gets a server of its own.

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{fs, process};

use crate::cases::Case;

/// How the server of such a call is arranged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrangement {
    /// As the others of its edition.
    Usual,
    /// With an ACL file.
    AclFile,
    /// A node of a cluster that knows no other, without slots, whatever its edition.
    Lone,
    /// A primary of a cluster without slots, which knows a primary that has them all.
    Empty,
    /// A replica of a primary that has all slots, and does not answer.
    Replica,
}

/// The arrangement for a call, if it needs a server of its own.
pub(crate) fn arrangement(case: &Case) -> Option<Arrangement> {
    let own = OWN.iter().find(|(calls, _)| case.is(calls));
    own.map(|(_, arrangement)| *arrangement)
}

/// Whether a call ends the server, so that a closed connection is its only answer.
pub(crate) fn ends_the_server(case: &Case) -> bool {
    case.is("SHUTDOWN !ABORT")
}

const OWN: &[(&str, Arrangement)] = &[
    ("SHUTDOWN FAILOVER", Arrangement::Lone),
    (
        "BACKUP START | BGREWRITEAOF | BGSAVE | SHUTDOWN !ABORT | REPLICAOF | SLAVEOF | SENTINEL FAILOVER",
        Arrangement::Usual,
    ),
    ("ACL LOAD | ACL SAVE", Arrangement::AclFile),
    (
        "CLUSTER FAILOVER FORCE | CLUSTER FAILOVER TAKEOVER | CLUSTER REPLICATE NO",
        Arrangement::Replica,
    ),
    (
        "CLUSTER REPLICATE !NO | CLUSTER SETSLOT IMPORTING | CLUSTER MIGRATION",
        Arrangement::Empty,
    ),
    (
        "CLUSTER ADDSLOTS | CLUSTER ADDSLOTSRANGE | CLUSTER MEET | CLUSTER RESET | CLUSTER SET-CONFIG-EPOCH",
        Arrangement::Lone,
    ),
    (
        "CLUSTER DELSLOTS | CLUSTER DELSLOTSRANGE | CLUSTER FLUSHSLOTS | CLUSTER FORGET | CLUSTER MIGRATESLOTS | \
         CLUSTER CANCELSLOTMIGRATIONS | CLUSTER GETSLOTMIGRATIONS | CLUSTER SETSLOT",
        Arrangement::Usual,
    ),
];

/// The id of the node that is tested.
const SELF: &str = "a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0";

/// The slot of the first cursor of CLUSTERSCAN, which is routed as a key is.
const FIRST_CURSOR: u16 = 13_907;

/// The ids of a node that does not exist, which is the example of the spec, and of its replica.
const OTHER: &str = "07c37dfeb235213a872192d90877d0cd55635b91";
const REPLICA: &str = "b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0";

/// The port of a node that does not exist: connections are accepted, and nothing is answered.
fn silent_port() -> u16 {
    static SILENT: OnceLock<TcpListener> = OnceLock::new();
    let bind = || TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let silent = SILENT.get_or_init(bind);
    silent.local_addr().expect("it is bound").port()
}

/// What a node reads of its cluster when it starts; `None` for a new one.
pub(crate) fn cluster_file(arrangement: Arrangement) -> Option<PathBuf> {
    let port = silent_port();
    let other = |slots| format!("{OTHER} 127.0.0.1:{port}@1 master - 0 0 2 connected {slots}\n");
    let nodes = match arrangement {
        Arrangement::Usual => format!(
            "{SELF} 127.0.0.1:0@0 myself,master - 0 0 1 connected 0-8191 {FIRST_CURSOR}\n{}\
             {REPLICA} 127.0.0.1:2@2 slave {OTHER} 0 0 2 connected\n",
            other("8192-13906 13908-16383"),
        ),
        Arrangement::Empty => format!(
            "{SELF} 127.0.0.1:0@0 myself,master - 0 0 1 connected\n{}",
            other("0-16383"),
        ),
        Arrangement::Replica => format!(
            "{SELF} 127.0.0.1:0@0 myself,slave {OTHER} 0 0 2 connected\n{}",
            other("0-16383"),
        ),
        Arrangement::Lone | Arrangement::AclFile => return None,
    };
    let text = format!("{nodes}vars currentEpoch 2 lastVoteEpoch 0\n");
    Some(file("nodes.conf", &text))
}

/// The users that a server reads when it starts: none but its own.
pub(crate) fn acl_file(arrangement: Arrangement) -> Option<PathBuf> {
    (arrangement == Arrangement::AclFile).then(|| file("users.acl", ""))
}

/// A new file for a server to read and to write.
fn file(name: &str, text: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join(format!("{}-{number}-{name}", process::id()));
    fs::write(&path, text).expect("cargo gives tests a folder");
    path
}
