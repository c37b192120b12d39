//! Against recorded replies.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::replies::wire::decode;

const PRIMARY_2: &str = "*40\r\n$4\r\nname\r\n$8\r\nmymaster\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n$4\r\nport\r\n$4\r\n7812\r\n$5\r\n\
    runid\r\n$40\r\n54a51e7808e570e30b9d6663c6a9a1c74f030803\r\n$5\r\nflags\r\n$6\r\nmaster\r\n$21\r\n\
    link-pending-commands\r\n$1\r\n0\r\n$13\r\nlink-refcount\r\n$1\r\n1\r\n$14\r\nlast-ping-sent\r\n$1\r\n\
    0\r\n$18\r\nlast-ok-ping-reply\r\n$3\r\n479\r\n$15\r\nlast-ping-reply\r\n$3\r\n479\r\n$23\r\n\
    down-after-milliseconds\r\n$5\r\n60000\r\n$12\r\ninfo-refresh\r\n$4\r\n9286\r\n$13\r\nrole-reported\r\n\
    $6\r\nmaster\r\n$18\r\nrole-reported-time\r\n$5\r\n49520\r\n$12\r\nconfig-epoch\r\n$1\r\n0\r\n$10\r\n\
    num-slaves\r\n$1\r\n0\r\n$19\r\nnum-other-sentinels\r\n$1\r\n0\r\n$6\r\nquorum\r\n$1\r\n1\r\n$16\r\n\
    failover-timeout\r\n$6\r\n180000\r\n$14\r\nparallel-syncs\r\n$1\r\n1\r\n";

const PRIMARY_3: &str = "%20\r\n$4\r\nname\r\n$8\r\nmymaster\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n$4\r\nport\r\n$4\r\n7814\r\n$5\r\n\
    runid\r\n$40\r\nc0f12b638ced0c94094a97e9d2205c4ae5cee881\r\n$5\r\nflags\r\n$6\r\nmaster\r\n$21\r\n\
    link-pending-commands\r\n$1\r\n0\r\n$13\r\nlink-refcount\r\n$1\r\n1\r\n$14\r\nlast-ping-sent\r\n$1\r\n\
    0\r\n$18\r\nlast-ok-ping-reply\r\n$3\r\n633\r\n$15\r\nlast-ping-reply\r\n$3\r\n633\r\n$23\r\n\
    down-after-milliseconds\r\n$5\r\n60000\r\n$12\r\ninfo-refresh\r\n$4\r\n9415\r\n$13\r\nrole-reported\r\n\
    $6\r\nmaster\r\n$18\r\nrole-reported-time\r\n$5\r\n49542\r\n$12\r\nconfig-epoch\r\n$1\r\n0\r\n$10\r\n\
    num-slaves\r\n$1\r\n0\r\n$19\r\nnum-other-sentinels\r\n$1\r\n0\r\n$6\r\nquorum\r\n$1\r\n1\r\n$16\r\n\
    failover-timeout\r\n$6\r\n180000\r\n$14\r\nparallel-syncs\r\n$1\r\n1\r\n";

const REPLICA: &str = "%18\r\n$4\r\nname\r\n$14\r\n127.0.0.1:7945\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n$4\r\nport\r\n$4\r\n7945\r\n\
    $5\r\nrunid\r\n$4\r\na270\r\n$5\r\nflags\r\n$12\r\ns_down,slave\r\n$14\r\nlast-ping-sent\r\n$1\r\n0\r\n\
    $18\r\nlast-ok-ping-reply\r\n$3\r\n608\r\n$15\r\nlast-ping-reply\r\n$3\r\n608\r\n$11\r\ns-down-time\r\n$2\r\n12\r\n$12\r\ninfo-refresh\r\n$4\r\n8943\r\n\
    $13\r\nrole-reported\r\n$5\r\nslave\r\n$18\r\nrole-reported-time\r\n$5\r\n15346\r\n$21\r\nmaster-link-down-time\r\n$1\r\n0\r\n\
    $18\r\nmaster-link-status\r\n$2\r\nok\r\n$11\r\nmaster-host\r\n$9\r\n127.0.0.1\r\n$11\r\nmaster-port\r\n$4\r\n7941\r\n\
    $14\r\nslave-priority\r\n$3\r\n100\r\n$17\r\nslave-repl-offset\r\n$3\r\n456\r\n";

#[test]
fn primaries_are_described_in_both_protocols() {
    for (reply, port) in [(PRIMARY_2, 7812), (PRIMARY_3, 7814)] {
        let primary: SentinelPrimary = decode(reply).unwrap();
        assert_eq!(
            (primary.name.as_str(), primary.port, primary.quorum),
            ("mymaster", port, 1)
        );
        assert_eq!(
            (primary.flags.as_slice(), primary.num_replicas),
            (["master".to_owned()].as_slice(), 0)
        );
        assert!(!primary.is_down());
        assert_eq!(
            (primary.s_down_time, primary.notification_script),
            (None, None)
        );
    }
}

#[test]
fn replicas_name_their_primary_and_what_is_wrong() {
    let replica: SentinelReplica = decode(REPLICA).unwrap();
    assert!(replica.is_down());
    assert_eq!(
        (replica.primary_port, replica.replication_offset),
        (7941, 456)
    );
    assert_eq!(
        (replica.s_down_time, replica.replica_announced),
        (Some(12), None)
    );
}

#[test]
fn an_answer_to_info_has_an_age() {
    let reply = "*2\r\n$8\r\nmymaster\r\n*2\r\n*2\r\n:5120\r\n$31\r\n# Server\r\nredis_version:7.2.4\r\n\r\n*2\r\n:0\r\n$-1\r\n";
    let [(name, cache)] = decode::<[(String, Vec<CachedInfo>); 1]>(reply).unwrap();
    assert_eq!((name.as_str(), cache.len()), ("mymaster", 2));
    let first = cache.first().unwrap();
    assert_eq!(
        (first.age, first.info.as_ref().unwrap().version()),
        (5120, Some("7.2.4"))
    );
    assert_eq!(cache.get(1).unwrap().info, None);
}
