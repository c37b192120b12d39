//! Against recorded replies.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::replies::wire::decode;

const INFO_2: &str = "*20\r\n$6\r\nlength\r\n:7\r\n$15\r\nradix-tree-keys\r\n:1\r\n$16\r\nradix-tree-nodes\r\n:2\r\n$17\r\n\
    last-generated-id\r\n$15\r\n6000000000002-1\r\n$20\r\nmax-deleted-entry-id\r\n$3\r\n2-1\r\n$13\r\n\
    entries-added\r\n:8\r\n$23\r\nrecorded-first-entry-id\r\n$3\r\n1-1\r\n$6\r\ngroups\r\n:1\r\n$11\r\n\
    first-entry\r\n*2\r\n$3\r\n1-1\r\n*4\r\n$2\r\nf1\r\n$2\r\nv1\r\n$2\r\nf2\r\n$2\r\nv2\r\n$10\r\n\
    last-entry\r\n*2\r\n$15\r\n6000000000002-1\r\n*2\r\n$1\r\ng\r\n$1\r\nh\r\n";

const INFO_3: &str = "%10\r\n$6\r\nlength\r\n:7\r\n$15\r\nradix-tree-keys\r\n:1\r\n$16\r\nradix-tree-nodes\r\n:2\r\n$17\r\n\
    last-generated-id\r\n$15\r\n6000000000002-1\r\n$20\r\nmax-deleted-entry-id\r\n$3\r\n2-1\r\n$13\r\n\
    entries-added\r\n:8\r\n$23\r\nrecorded-first-entry-id\r\n$3\r\n1-1\r\n$6\r\ngroups\r\n:1\r\n$11\r\n\
    first-entry\r\n*2\r\n$3\r\n1-1\r\n*4\r\n$2\r\nf1\r\n$2\r\nv1\r\n$2\r\nf2\r\n$2\r\nv2\r\n$10\r\n\
    last-entry\r\n*2\r\n$15\r\n6000000000002-1\r\n*2\r\n$1\r\ng\r\n$1\r\nh\r\n";

const FULL_2: &str = "*18\r\n$6\r\nlength\r\n:7\r\n$15\r\nradix-tree-keys\r\n:1\r\n$16\r\nradix-tree-nodes\r\n:2\r\n$17\r\n\
    last-generated-id\r\n$15\r\n6000000000002-1\r\n$20\r\nmax-deleted-entry-id\r\n$3\r\n2-1\r\n$13\r\n\
    entries-added\r\n:8\r\n$23\r\nrecorded-first-entry-id\r\n$3\r\n1-1\r\n$7\r\nentries\r\n*1\r\n*2\r\n$3\r\n\
    1-1\r\n*4\r\n$2\r\nf1\r\n$2\r\nv1\r\n$2\r\nf2\r\n$2\r\nv2\r\n$6\r\ngroups\r\n*1\r\n*14\r\n$4\r\nname\r\n\
    $1\r\ng\r\n$17\r\nlast-delivered-id\r\n$15\r\n1795335942969-0\r\n$12\r\nentries-read\r\n:5\r\n$3\r\n\
    lag\r\n:3\r\n$9\r\npel-count\r\n:2\r\n$7\r\npending\r\n*1\r\n*4\r\n$3\r\n3-1\r\n$2\r\nc6\r\n\
    :1795335943128\r\n:4\r\n$9\r\nconsumers\r\n*7\r\n*10\r\n$4\r\nname\r\n$2\r\nc0\r\n$9\r\nseen-time\r\n\
    :1795335943025\r\n$11\r\nactive-time\r\n:-1\r\n$9\r\npel-count\r\n:0\r\n$7\r\npending\r\n*0\r\n*10\r\n\
    $4\r\nname\r\n$2\r\nc1\r\n$9\r\nseen-time\r\n:1795335943126\r\n$11\r\nactive-time\r\n:1795335943025\r\n\
    $9\r\npel-count\r\n:0\r\n$7\r\npending\r\n*0\r\n*10\r\n$4\r\nname\r\n$2\r\nc2\r\n$9\r\nseen-time\r\n\
    :1795335943025\r\n$11\r\nactive-time\r\n:1795335943025\r\n$9\r\npel-count\r\n:0\r\n$7\r\npending\r\n\
    *0\r\n*10\r\n$4\r\nname\r\n$2\r\nc3\r\n$9\r\nseen-time\r\n:1795335943026\r\n$11\r\nactive-time\r\n:-1\r\n\
    $9\r\npel-count\r\n:0\r\n$7\r\npending\r\n*0\r\n*10\r\n$4\r\nname\r\n$2\r\nc5\r\n$9\r\nseen-time\r\n\
    :1795335943127\r\n$11\r\nactive-time\r\n:1795335943127\r\n$9\r\npel-count\r\n:0\r\n$7\r\npending\r\n\
    *0\r\n*10\r\n$4\r\nname\r\n$2\r\nc6\r\n$9\r\nseen-time\r\n:1795335943128\r\n$11\r\nactive-time\r\n\
    :1795335943128\r\n$9\r\npel-count\r\n:2\r\n$7\r\npending\r\n*1\r\n*3\r\n$3\r\n3-1\r\n:1795335943128\r\n\
    :4\r\n*10\r\n$4\r\nname\r\n$2\r\ncX\r\n$9\r\nseen-time\r\n:1795335943126\r\n$11\r\nactive-time\r\n:-1\r\n\
    $9\r\npel-count\r\n:0\r\n$7\r\npending\r\n*0\r\n";

const FULL_3: &str = "%9\r\n$6\r\nlength\r\n:7\r\n$15\r\nradix-tree-keys\r\n:1\r\n$16\r\nradix-tree-nodes\r\n:2\r\n$17\r\n\
    last-generated-id\r\n$15\r\n6000000000002-1\r\n$20\r\nmax-deleted-entry-id\r\n$3\r\n2-1\r\n$13\r\n\
    entries-added\r\n:8\r\n$23\r\nrecorded-first-entry-id\r\n$3\r\n1-1\r\n$7\r\nentries\r\n*1\r\n*2\r\n$3\r\n\
    1-1\r\n*4\r\n$2\r\nf1\r\n$2\r\nv1\r\n$2\r\nf2\r\n$2\r\nv2\r\n$6\r\ngroups\r\n*1\r\n%7\r\n$4\r\nname\r\n\
    $1\r\ng\r\n$17\r\nlast-delivered-id\r\n$15\r\n1795335943460-0\r\n$12\r\nentries-read\r\n:5\r\n$3\r\n\
    lag\r\n:3\r\n$9\r\npel-count\r\n:2\r\n$7\r\npending\r\n*1\r\n*4\r\n$3\r\n3-1\r\n$2\r\nc6\r\n\
    :1795335943635\r\n:4\r\n$9\r\nconsumers\r\n*7\r\n%5\r\n$4\r\nname\r\n$2\r\nc0\r\n$9\r\nseen-time\r\n\
    :1795335943533\r\n$11\r\nactive-time\r\n:-1\r\n$9\r\npel-count\r\n:0\r\n$7\r\npending\r\n*0\r\n%5\r\n\
    $4\r\nname\r\n$2\r\nc1\r\n$9\r\nseen-time\r\n:1795335943634\r\n$11\r\nactive-time\r\n:1795335943534\r\n\
    $9\r\npel-count\r\n:0\r\n$7\r\npending\r\n*0\r\n%5\r\n$4\r\nname\r\n$2\r\nc2\r\n$9\r\nseen-time\r\n\
    :1795335943534\r\n$11\r\nactive-time\r\n:1795335943534\r\n$9\r\npel-count\r\n:0\r\n$7\r\npending\r\n\
    *0\r\n%5\r\n$4\r\nname\r\n$2\r\nc3\r\n$9\r\nseen-time\r\n:1795335943534\r\n$11\r\nactive-time\r\n:-1\r\n\
    $9\r\npel-count\r\n:0\r\n$7\r\npending\r\n*0\r\n%5\r\n$4\r\nname\r\n$2\r\nc5\r\n$9\r\nseen-time\r\n\
    :1795335943635\r\n$11\r\nactive-time\r\n:1795335943635\r\n$9\r\npel-count\r\n:0\r\n$7\r\npending\r\n\
    *0\r\n%5\r\n$4\r\nname\r\n$2\r\nc6\r\n$9\r\nseen-time\r\n:1795335943636\r\n$11\r\nactive-time\r\n\
    :1795335943635\r\n$9\r\npel-count\r\n:2\r\n$7\r\npending\r\n*1\r\n*3\r\n$3\r\n3-1\r\n:1795335943635\r\n\
    :4\r\n%5\r\n$4\r\nname\r\n$2\r\ncX\r\n$9\r\nseen-time\r\n:1795335943634\r\n$11\r\nactive-time\r\n:-1\r\n\
    $9\r\npel-count\r\n:0\r\n$7\r\npending\r\n*0\r\n";

const GROUPS_2: &str = "*1\r\n*12\r\n$4\r\nname\r\n$1\r\ng\r\n$9\r\nconsumers\r\n:1\r\n$7\r\npending\r\n:1\r\n$17\r\n\
    last-delivered-id\r\n$3\r\n1-1\r\n$12\r\nentries-read\r\n:1\r\n$3\r\nlag\r\n:0\r\n";

const GROUPS_3: &str = "*1\r\n%6\r\n$4\r\nname\r\n$1\r\ng\r\n$9\r\nconsumers\r\n:1\r\n$7\r\npending\r\n:1\r\n$17\r\n\
    last-delivered-id\r\n$3\r\n1-1\r\n$12\r\nentries-read\r\n:1\r\n$3\r\nlag\r\n:0\r\n";

const CONSUMERS_2: &str = "*7\r\n*8\r\n$4\r\nname\r\n$2\r\nc0\r\n$7\r\npending\r\n:0\r\n$4\r\nidle\r\n:105\r\n$8\r\ninactive\r\n\
    :-1\r\n*8\r\n$4\r\nname\r\n$2\r\nc1\r\n$7\r\npending\r\n:0\r\n$4\r\nidle\r\n:4\r\n$8\r\ninactive\r\n\
    :105\r\n*8\r\n$4\r\nname\r\n$2\r\nc2\r\n$7\r\npending\r\n:0\r\n$4\r\nidle\r\n:105\r\n$8\r\ninactive\r\n\
    :105\r\n*8\r\n$4\r\nname\r\n$2\r\nc3\r\n$7\r\npending\r\n:0\r\n$4\r\nidle\r\n:104\r\n$8\r\ninactive\r\n\
    :-1\r\n*8\r\n$4\r\nname\r\n$2\r\nc5\r\n$7\r\npending\r\n:0\r\n$4\r\nidle\r\n:3\r\n$8\r\ninactive\r\n\
    :3\r\n*8\r\n$4\r\nname\r\n$2\r\nc6\r\n$7\r\npending\r\n:2\r\n$4\r\nidle\r\n:2\r\n$8\r\ninactive\r\n:2\r\n\
    *8\r\n$4\r\nname\r\n$2\r\ncX\r\n$7\r\npending\r\n:0\r\n$4\r\nidle\r\n:4\r\n$8\r\ninactive\r\n:-1\r\n";

const CONSUMERS_3: &str = "*7\r\n%4\r\n$4\r\nname\r\n$2\r\nc0\r\n$7\r\npending\r\n:0\r\n$4\r\nidle\r\n:104\r\n$8\r\ninactive\r\n\
    :-1\r\n%4\r\n$4\r\nname\r\n$2\r\nc1\r\n$7\r\npending\r\n:0\r\n$4\r\nidle\r\n:3\r\n$8\r\ninactive\r\n\
    :103\r\n%4\r\n$4\r\nname\r\n$2\r\nc2\r\n$7\r\npending\r\n:0\r\n$4\r\nidle\r\n:103\r\n$8\r\ninactive\r\n\
    :103\r\n%4\r\n$4\r\nname\r\n$2\r\nc3\r\n$7\r\npending\r\n:0\r\n$4\r\nidle\r\n:103\r\n$8\r\ninactive\r\n\
    :-1\r\n%4\r\n$4\r\nname\r\n$2\r\nc5\r\n$7\r\npending\r\n:0\r\n$4\r\nidle\r\n:2\r\n$8\r\ninactive\r\n\
    :2\r\n%4\r\n$4\r\nname\r\n$2\r\nc6\r\n$7\r\npending\r\n:2\r\n$4\r\nidle\r\n:1\r\n$8\r\ninactive\r\n:2\r\n\
    %4\r\n$4\r\nname\r\n$2\r\ncX\r\n$7\r\npending\r\n:0\r\n$4\r\nidle\r\n:3\r\n$8\r\ninactive\r\n:-1\r\n";

#[test]
fn streams_are_described_in_both_protocols() {
    for reply in [INFO_2, INFO_3] {
        let info: StreamInfo = decode(reply).unwrap();
        assert_eq!(
            (info.length, info.groups, info.entries_added),
            (7, 1, Some(8))
        );
        assert_eq!(info.max_deleted_entry_id, Some(EntryId::new(2, 1)));
        let first = info.first_entry.unwrap();
        assert_eq!(first.id, EntryId::new(1, 1));
        assert_eq!(
            first.fields.first(),
            Some(&(Bytes::from("f1"), Bytes::from("v1")))
        );
    }
}

#[test]
fn an_empty_stream_has_no_first_entry() {
    let reply = "*10\r\n$6\r\nlength\r\n:0\r\n$15\r\nradix-tree-keys\r\n:0\r\n$16\r\nradix-tree-nodes\r\n:1\r\n\
                 $17\r\nlast-generated-id\r\n$3\r\n1-1\r\n$6\r\ngroups\r\n:0\r\n";
    let info: StreamInfo = decode(reply).unwrap();
    assert_eq!(
        (info.first_entry, info.last_entry, info.entries_added),
        (None, None, None)
    );
}

#[test]
fn details_reach_down_to_what_is_pending() {
    for reply in [FULL_2, FULL_3] {
        let details: StreamDetails = decode(reply).unwrap();
        assert_eq!((details.length, details.entries.len()), (7, 1));
        let [group] = details.groups.try_into().unwrap();
        assert_eq!(
            (group.name.as_str(), group.pel_count, group.lag),
            ("g", 2, Some(3))
        );
        let pending = group.pending.first().unwrap();
        let consumer = group
            .consumers
            .iter()
            .find(|consumer| consumer.name == pending.consumer);
        let own = consumer.unwrap().pending.first().unwrap();
        assert_eq!((own.id, own.deliveries), (pending.id, pending.deliveries));
        assert!(
            group
                .consumers
                .iter()
                .any(|consumer| consumer.active_time == Some(-1))
        );
    }
}

#[test]
fn groups_and_consumers_are_listed() {
    for reply in [GROUPS_2, GROUPS_3] {
        let [group] = decode::<[StreamGroup; 1]>(reply).unwrap();
        assert_eq!(
            (group.name.as_str(), group.pending, group.lag),
            ("g", 1, Some(0))
        );
    }
    for reply in [CONSUMERS_2, CONSUMERS_3] {
        let consumers: Vec<StreamConsumer> = decode(reply).unwrap();
        assert_eq!(consumers.len(), 7);
        let first = consumers.first().unwrap();
        assert_eq!((first.name.as_str(), first.inactive), ("c0", Some(-1)));
    }
}
