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

/// These numbers are differences of the server's wall clock. A link that never was is counted from -1 second.
#[test]
fn a_clock_that_was_set_back_hides_nothing() {
    let primary = PRIMARY_2.replace("\r\n$3\r\n479\r\n", "\r\n$2\r\n-5\r\n");
    let primary: SentinelPrimary = decode(&primary).unwrap();
    assert_eq!(
        (primary.last_ok_ping_reply, primary.last_ping_reply),
        (-5, -5)
    );
    let replica = REPLICA
        .replace("s-down-time\r\n$2\r\n12", "s-down-time\r\n$2\r\n-5")
        .replace("info-refresh\r\n$4\r\n8943", "info-refresh\r\n$2\r\n-5")
        .replace(
            "role-reported-time\r\n$5\r\n15346",
            "role-reported-time\r\n$2\r\n-5",
        )
        .replace("down-time\r\n$1\r\n0", "down-time\r\n$5\r\n-1000");
    let replica: SentinelReplica = decode(&replica).unwrap();
    assert_eq!((replica.s_down_time, replica.info_refresh), (Some(-5), -5));
    assert_eq!(
        (replica.role_reported_time, replica.primary_link_down_time),
        (-5, -1000)
    );
    let peer = "%10\r\n+name\r\n$1\r\na\r\n+ip\r\n$9\r\n127.0.0.1\r\n+port\r\n$1\r\n1\r\n+runid\r\n$1\r\na\r\n+flags\r\n$8\r\nsentinel\r\n\
        +last-ok-ping-reply\r\n$2\r\n-5\r\n+last-ping-reply\r\n$2\r\n-5\r\n+last-hello-message\r\n$2\r\n-5\r\n\
        +voted-leader\r\n$1\r\n?\r\n+voted-leader-epoch\r\n$1\r\n0\r\n";
    assert_eq!(decode::<SentinelPeer>(peer).unwrap().last_hello_message, -5);
    let script = "%5\r\n+argv\r\n*0\r\n+flags\r\n$7\r\nrunning\r\n+pid\r\n$1\r\n9\r\n+run-time\r\n$2\r\n-5\r\n+retry-num\r\n$1\r\n1\r\n";
    assert_eq!(decode::<SentinelScript>(script).unwrap().run_time, Some(-5));
    assert_eq!(
        decode::<CachedInfo>("*2\r\n:-5\r\n$-1\r\n").unwrap().age,
        -5
    );
}
