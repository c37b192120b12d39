//! Against recorded replies.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::replies::wire::decode;

const REDIS_2: &str = "*12\r\n$5\r\nflags\r\n*2\r\n$2\r\non\r\n$16\r\nsanitize-payload\r\n$9\r\npasswords\r\n*1\r\n$64\r\n\
    30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4\r\n$8\r\ncommands\r\n$12\r\n\
    -@all +@read\r\n$4\r\nkeys\r\n$11\r\n~a:* %R~b:*\r\n$8\r\nchannels\r\n$3\r\n&ch\r\n$9\r\nselectors\r\n\
    *1\r\n*6\r\n$8\r\ncommands\r\n$10\r\n-@all +get\r\n$4\r\nkeys\r\n$2\r\n~x\r\n$8\r\nchannels\r\n$0\r\n\r\n";

const REDIS_3: &str = "%6\r\n$5\r\nflags\r\n~2\r\n$2\r\non\r\n$16\r\nsanitize-payload\r\n$9\r\npasswords\r\n*1\r\n$64\r\n\
    30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4\r\n$8\r\ncommands\r\n$12\r\n\
    -@all +@read\r\n$4\r\nkeys\r\n$11\r\n~a:* %R~b:*\r\n$8\r\nchannels\r\n$3\r\n&ch\r\n$9\r\nselectors\r\n\
    *1\r\n%3\r\n$8\r\ncommands\r\n$10\r\n-@all +get\r\n$4\r\nkeys\r\n$2\r\n~x\r\n$8\r\nchannels\r\n$0\r\n\r\n";

const VALKEY_2: &str = "*14\r\n$5\r\nflags\r\n*1\r\n$2\r\non\r\n$9\r\npasswords\r\n*1\r\n$64\r\n\
    30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4\r\n$8\r\ncommands\r\n$12\r\n\
    -@all +@read\r\n$4\r\nkeys\r\n$11\r\n~a:* %R~b:*\r\n$8\r\nchannels\r\n$3\r\n&ch\r\n$9\r\ndatabases\r\n\
    $6\r\nalldbs\r\n$9\r\nselectors\r\n*1\r\n*8\r\n$8\r\ncommands\r\n$10\r\n-@all +get\r\n$4\r\nkeys\r\n\
    $2\r\n~x\r\n$8\r\nchannels\r\n$0\r\n\r\n$9\r\ndatabases\r\n$6\r\nalldbs\r\n";

const VALKEY_3: &str = "%7\r\n$5\r\nflags\r\n~1\r\n$2\r\non\r\n$9\r\npasswords\r\n*1\r\n$64\r\n\
    30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4\r\n$8\r\ncommands\r\n$12\r\n\
    -@all +@read\r\n$4\r\nkeys\r\n$11\r\n~a:* %R~b:*\r\n$8\r\nchannels\r\n$3\r\n&ch\r\n$9\r\ndatabases\r\n\
    $6\r\nalldbs\r\n$9\r\nselectors\r\n*1\r\n%4\r\n$8\r\ncommands\r\n$10\r\n-@all +get\r\n$4\r\nkeys\r\n\
    $2\r\n~x\r\n$8\r\nchannels\r\n$0\r\n\r\n$9\r\ndatabases\r\n$6\r\nalldbs\r\n";

const REDIS_6: &str = "%5\r\n$5\r\nflags\r\n~5\r\n$2\r\non\r\n$7\r\nallkeys\r\n$11\r\nallchannels\r\n$11\r\nallcommands\r\n\
    $6\r\nnopass\r\n$9\r\npasswords\r\n*0\r\n$8\r\ncommands\r\n$5\r\n+@all\r\n$4\r\nkeys\r\n*1\r\n$1\r\n*\r\n\
    $8\r\nchannels\r\n*1\r\n$1\r\n*\r\n";

const LOG_2: &str = "*1\r\n*20\r\n$5\r\ncount\r\n:1\r\n$6\r\nreason\r\n$4\r\nauth\r\n$7\r\ncontext\r\n$8\r\ntoplevel\r\n$6\r\n\
    object\r\n$4\r\nAUTH\r\n$8\r\nusername\r\n$10\r\nnosuchuser\r\n$11\r\nage-seconds\r\n$1\r\n0\r\n$11\r\n\
    client-info\r\n$341\r\n\
    id=111 addr=127.0.0.1:45372 laddr=127.0.0.1:7812 fd=19 name= age=0 idle=0 flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 watch=0 qbuf=39 qbuf-free=20435 argv-mem=16 multi-mem=0 rbs=16384 rbp=16384 obl=0 oll=0 omem=0 tot-mem=37800 events=r cmd=auth user=default redir=-1 resp=2 lib-name= lib-ver= io-thread=0 tot-net-in=39 tot-net-out=0 tot-cmds=0\r\n\
    $8\r\nentry-id\r\n:1\r\n$17\r\ntimestamp-created\r\n:1795335972930\r\n$22\r\ntimestamp-last-updated\r\n\
    :1795335972930\r\n";

const LOG_3: &str = "*1\r\n%10\r\n$5\r\ncount\r\n:1\r\n$6\r\nreason\r\n$4\r\nauth\r\n$7\r\ncontext\r\n$8\r\ntoplevel\r\n$6\r\n\
    object\r\n$4\r\nAUTH\r\n$8\r\nusername\r\n$10\r\nnosuchuser\r\n$11\r\nage-seconds\r\n,0\r\n$11\r\n\
    client-info\r\n$332\r\n\
    id=903 addr=127.0.0.1:34164 laddr=127.0.0.1:7814 fd=13 name= age=0 idle=0 flags=N capa= db=0 sub=0 psub=0 ssub=0 multi=-1 watch=0 qbuf=0 qbuf-free=0 argv-mem=16 multi-mem=0 rbs=16392 rbp=16392 obl=0 oll=0 omem=0 tot-mem=17016 events=r cmd=auth user=default redir=-1 resp=3 lib-name= lib-ver= tot-net-in=61 tot-net-out=216 tot-cmds=1\r\n\
    $8\r\nentry-id\r\n:2\r\n$17\r\ntimestamp-created\r\n:1795335972933\r\n$22\r\ntimestamp-last-updated\r\n\
    :1795335972933\r\n";

#[test]
fn users_are_described_alike_in_both_protocols() {
    for (two, three, databases) in [
        (REDIS_2, REDIS_3, None),
        (VALKEY_2, VALKEY_3, Some("alldbs")),
    ] {
        let user: AclUser = decode(two).unwrap();
        assert_eq!(decode::<AclUser>(three).unwrap(), user);
        assert!(user.is_on());
        assert_eq!(user.passwords.len(), 1);
        assert_eq!(user.commands, "-@all +@read");
        assert_eq!(user.keys, ["~a:*", "%R~b:*"]);
        assert_eq!(user.channels, ["&ch"]);
        assert_eq!(user.databases.as_deref(), databases);
        let [selector] = user.selectors.try_into().unwrap();
        assert_eq!(selector.commands, "-@all +get");
        assert_eq!(
            (selector.keys, selector.channels.len()),
            (vec!["~x".into()], 0)
        );
    }
}

#[test]
fn patterns_of_old_servers_get_their_signs() {
    let user: AclUser = decode(REDIS_6).unwrap();
    assert_eq!(
        (user.keys, user.channels),
        (vec!["~*".into()], vec!["&*".into()])
    );
    assert_eq!(user.selectors, []);
}

#[test]
fn an_unknown_user_is_none() {
    assert_eq!(decode::<Option<AclUser>>("$-1\r\n").unwrap(), None);
    assert_eq!(decode::<Option<AclUser>>("_\r\n").unwrap(), None);
}

#[test]
fn a_dry_run_tells_why_not() {
    assert!(decode::<AclDryRun>("+OK\r\n").unwrap().is_allowed());
    let denied: AclDryRun = decode("$2\r\nno\r\n").unwrap();
    assert_eq!(denied, AclDryRun::Denied("no".into()));
}

#[test]
fn the_log_names_the_connection() {
    for log in [LOG_2, LOG_3] {
        let [entry] = decode::<[AclLogEntry; 1]>(log).unwrap();
        assert_eq!((entry.count, entry.reason.as_str()), (1, "auth"));
        assert_eq!(
            (entry.username.as_str(), entry.age_seconds),
            ("nosuchuser", 0.0)
        );
        assert_eq!(entry.client_info.cmd, "auth");
        assert!(entry.timestamp_created.is_some());
    }
}
