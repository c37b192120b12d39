#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::error::DecodeError;
use crate::reply::Frame;

/// A reply to CLUSTER SLOTS, recorded from a server.
struct Recorded {
    server: String,
    version: String,
    protocol: String,
    state: String,
    /// With `\r\n` and the like escaped.
    reply: String,
}

fn recorded() -> Vec<Recorded> {
    let text = include_str!("../../../tests/data/cluster-slots.json");
    let records: Vec<HashMap<String, String>> = serde_json::from_str(text).unwrap();
    let read = |record: HashMap<String, String>| Recorded {
        server: record["server"].clone(),
        version: record["version"].clone(),
        protocol: record["protocol"].clone(),
        state: record["state"].clone(),
        reply: record["reply"].clone(),
    };
    records.into_iter().map(read).collect()
}

/// The bytes of an escaped reply.
fn bytes(escaped: &str) -> Vec<u8> {
    let text = escaped.replace("\\r", "\r").replace("\\n", "\n");
    text.replace("\\\"", "\"").into_bytes()
}

fn parse(reply: &[u8]) -> Result<Topology, DecodeError> {
    let asked = Address::Tcp("asked.example".to_owned(), 7_450);
    let frame = Frame::parse(Bytes::copy_from_slice(reply))?;
    Topology::from_slots(frame.reply(), 7, &asked, &|address| address)
}

/// All recordings of states whose names begin like this.
fn in_state(name: &str) -> Vec<(String, Topology)> {
    let records = recorded().into_iter();
    let records = records.filter(|record| record.state.starts_with(name));
    let parsed: Vec<_> = records
        .map(|record| {
            let by = format!("{} {} {}", record.server, record.version, record.protocol);
            let topology = parse(&bytes(&record.reply));
            let topology = topology.map_err(|error| format!("{by} {name}: {error}"));
            (by, topology.unwrap())
        })
        .collect();
    assert!(!parsed.is_empty(), "nothing was recorded for {name}");
    parsed
}

fn addresses<'a>(nodes: impl Iterator<Item = &'a ClusterNode>) -> Vec<String> {
    nodes.map(|node| node.address.to_string()).collect()
}

/// Checks what must hold for every topology.
fn check(topology: &Topology) {
    let mut served = 0;
    for (range, owner) in topology.ranges() {
        served += range.clone().count();
        for slot in [*range.start(), *range.end()] {
            assert_eq!(topology.primary_of(slot), Some(owner));
            assert!(
                topology
                    .replicas_of(slot)
                    .all(|node| node.role == NodeRole::Replica)
            );
        }
        assert_eq!(owner.role, NodeRole::Primary);
    }
    assert_eq!(served, topology.served());
    for node in topology.nodes() {
        assert!(matches!(&node.address, Address::Tcp(host, port) if !host.is_empty() && *port > 0));
    }
}

#[test]
fn every_recorded_reply_is_understood_alike_in_both_protocols() {
    let mut by_moment = BTreeMap::new();
    for record in recorded() {
        let topology = parse(&bytes(&record.reply)).unwrap();
        check(&topology);
        let moment = (record.state, record.server, record.version);
        if let Some(other) = by_moment.insert(moment.clone(), topology.clone()) {
            assert_eq!(topology, other, "{moment:?}");
        }
    }
}

#[test]
fn a_node_without_slots_gives_a_map_without_owners() {
    for (by, topology) in in_state("fresh node") {
        assert_eq!((topology.served(), topology.nodes().len()), (0, 0), "{by}");
        assert_eq!(topology.primary_of(0), None);
    }
}

#[test]
fn three_primaries_with_a_replica_each_are_told_apart() {
    for state in ["normal, 3 masters", "normal; seen by a replica"] {
        for (by, topology) in in_state(state) {
            assert_eq!(topology.served(), 16_384, "{by}");
            assert_eq!(topology.primaries().count(), 3, "{by}");
            for slot in [0, 5_461, 16_383] {
                let replicas: Vec<_> = topology.replicas_of(slot).collect();
                assert_eq!(replicas.len(), 1, "{by}");
                assert_eq!(replicas[0].role, NodeRole::Replica);
            }
            assert_eq!(topology.primary_of(16_384), None);
        }
    }
}

#[test]
fn slots_on_their_way_are_still_their_owners() {
    let owner = |topology: &Topology| topology.primary_of(449).unwrap().id.clone();
    let by_source: BTreeMap<_, _> = in_state("two slots migrating; seen by the source")
        .into_iter()
        .collect();
    for (by, topology) in in_state("slots importing; seen by a target") {
        assert_eq!(owner(&topology), owner(&by_source[&by]), "{by}");
    }
}

#[test]
fn a_slot_that_nobody_owns_and_one_that_went_elsewhere_are_seen() {
    for (by, topology) in in_state("slot 10 moved to another master, slot 5000 unassigned") {
        assert_eq!(topology.served(), 16_383, "{by}");
        assert_eq!(topology.primary_of(5_000), None);
        assert_ne!(topology.primary_of(10), topology.primary_of(9));
        assert_eq!(topology.primary_of(9), topology.primary_of(11));
        // One owner has several ranges, and is one node.
        assert_eq!(topology.primaries().count(), 3);
    }
}

#[test]
fn dead_owners_stay_and_dead_replicas_go() {
    for (by, topology) in in_state("shard failed") {
        assert_eq!(topology.served(), 16_384, "{by}");
    }
    for (by, topology) in in_state("one replica failed") {
        let replicas = topology.nodes().iter();
        let replicas = replicas.filter(|node| node.role == NodeRole::Replica);
        assert_eq!(replicas.count(), 2, "{by}");
    }
}

#[test]
fn a_host_that_is_not_told_is_the_one_that_was_asked() {
    for (by, topology) in in_state("preferred endpoint unknown-endpoint") {
        let [a, b, c] = &addresses(topology.primaries())[..] else {
            unreachable!("{by}: three primaries")
        };
        let expected = [
            "asked.example:7450",
            "asked.example:7451",
            "asked.example:7452",
        ];
        assert_eq!([a, b, c], expected, "{by}");
        assert!(
            topology.nodes().iter().all(|node| node.ip.is_some()),
            "{by}"
        );
    }
}

#[test]
fn a_node_without_the_preferred_host_name_is_reached_at_its_address() {
    for (by, topology) in in_state("preferred endpoint hostname; one master has none") {
        let addresses = addresses(topology.nodes().iter());
        assert!(
            addresses
                .iter()
                .any(|address| address.starts_with("127.0.0.1:")),
            "{by}"
        );
        assert!(
            addresses
                .iter()
                .any(|address| address.contains(".example:")),
            "{by}"
        );
        assert!(
            !addresses.iter().any(|address| address.contains('?')),
            "{by}"
        );
    }
}

#[test]
fn further_names_and_zones_are_kept() {
    for (by, topology) in in_state("hostnames announced by two masters") {
        let named = topology
            .nodes()
            .iter()
            .filter(|node| node.hostname.is_some());
        assert_eq!(named.count(), 3, "{by}");
    }
    let zones = in_state("availability zone set on one").into_iter();
    let zones: Vec<_> = zones
        .filter(|(by, _)| by.contains(" 9."))
        .map(|(_, topology)| topology.nodes()[0].zone.clone())
        .collect();
    assert_eq!(
        zones,
        [Some("zone-a".to_owned()), Some("zone-a".to_owned())]
    );
}

#[test]
fn addresses_of_ipv6_are_told_from_their_ports() {
    for (by, topology) in in_state("IPv6") {
        assert_eq!(addresses(topology.primaries())[0], "[::1]:7450", "{by}");
    }
}

#[test]
fn addresses_are_mapped_where_they_come_in() {
    let record = recorded()
        .into_iter()
        .find(|record| record.state.starts_with("normal"))
        .unwrap();
    let frame = Frame::parse(bytes(&record.reply)).unwrap();
    let map = |address: Address| match address {
        Address::Tcp(_, port) => Address::Tcp("gate".to_owned(), port + 1),
        other @ Address::Unix(_) => other,
    };
    let asked = Address::Tcp("asked".to_owned(), 1);
    let topology = Topology::from_slots(frame.reply(), 1, &asked, &map).unwrap();
    assert!(
        addresses(topology.nodes().iter())
            .iter()
            .all(|address| address.starts_with("gate:74"))
    );
}

#[test]
fn what_contradicts_itself_is_refused_with_the_place() {
    let node = "*3\r\n$1\r\na\r\n:1\r\n$2\r\nid\r\n";
    let cases = [
        ("+OK\r\n".to_owned(), "expected ranges of slots"),
        (
            format!("*1\r\n*3\r\n:5\r\n:4\r\n{node}"),
            "[0]: 5 to 4 is no range of slots",
        ),
        (
            format!("*1\r\n*3\r\n:0\r\n:16384\r\n{node}"),
            "[0]: 0 to 16384 is no range of slots",
        ),
        (
            format!("*2\r\n*3\r\n:0\r\n:4\r\n{node}*3\r\n:4\r\n:9\r\n{node}"),
            "[1]: a slot from 4 to 9 has two owners",
        ),
        (
            "*1\r\n*2\r\n:0\r\n:4\r\n".to_owned(),
            "[0]: the field `primary` is missing",
        ),
        (
            "*1\r\n*3\r\n:0\r\n:4\r\n*3\r\n$1\r\na\r\n:0\r\n$2\r\nid\r\n".to_owned(),
            "the node a has no port",
        ),
        (
            "*1\r\n*3\r\n:-1\r\n:4\r\n*3\r\n$1\r\na\r\n:1\r\n$2\r\nid\r\n".to_owned(),
            "[0].first slot",
        ),
    ];
    for (reply, expected) in cases {
        let error = parse(reply.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_node_that_owns_slots_is_nobodys_replica() {
    let node = |id: char| format!("*3\r\n$1\r\n{id}\r\n:1\r\n$1\r\n{id}\r\n");
    let (a, b, c) = (node('a'), node('b'), node('c'));
    let first = format!("*5\r\n:0\r\n:4\r\n{a}{b}{c}");
    let second = format!("*4\r\n:5\r\n:9\r\n{b}{a}");
    let topology = parse(format!("*2\r\n{first}{second}").as_bytes()).unwrap();
    check(&topology);
    assert_eq!(addresses(topology.replicas_of(0)), ["c:1"]);
    assert_eq!(topology.replicas_of(5).count(), 0);
}

#[test]
fn a_moved_slot_is_corrected_alone() {
    let (_, before) = in_state("normal, 3 masters").remove(0);
    let other = before.primary_of(16_383).unwrap().address.clone();
    let after = before.with_moved(10, &other);
    check(&after);
    assert_eq!(after.primary_of(10).unwrap().address, other);
    for slot in [9, 11, 5_461] {
        assert_eq!(after.primary_of(slot), before.primary_of(slot));
    }
    // Its replicas are those of its new owner.
    assert!(after.replicas_of(10).eq(before.replicas_of(16_383)));
    // A node that is not known yet.
    let address = Address::Tcp("new".to_owned(), 1);
    let after = before.with_moved(0, &address);
    check(&after);
    assert_eq!(after.primary_of(0).unwrap().address, address);
    assert_eq!(after.primary_of(1), before.primary_of(1));
    assert_eq!(
        after.with_moved(1, &address).primary_of(1),
        after.primary_of(0)
    );
}

#[test]
fn a_replica_that_owns_a_slot_has_taken_over_from_its_primary() {
    let (_, before) = in_state("normal, 3 masters").remove(0);
    let former = before.primary_of(0).unwrap().address.clone();
    let replica = before.replicas_of(0).next().unwrap().address.clone();
    let after = before.with_moved(0, &replica);
    check(&after);
    assert_eq!(after.primaries().count(), before.primaries().count());
    for slot in 0..16_384 {
        let (was, is) = (before.primary_of(slot), after.primary_of(slot).unwrap());
        let expected = match &was.unwrap().address {
            owner if *owner == former => &replica,
            owner => owner,
        };
        assert_eq!(is.address, *expected, "{slot}");
    }
    assert!(addresses(after.replicas_of(0)).contains(&former.to_string()));
    assert_eq!(
        after.with_moved(0, &former).primary_of(1),
        before.primary_of(1)
    );
}

#[test]
fn what_contradicts_a_redirect_is_no_newer_unless_its_target_tells_it() {
    let (_, before) = in_state("normal, 3 masters").remove(0);
    let from = before.primary_of(10).unwrap().address.clone();
    let to = before.primary_of(16_383).unwrap().address.clone();
    let known = before.with_moved(10, &to);
    assert!(known.was_moved_to(&to) && !known.was_moved_to(&from));
    assert!(before.yields_to(&before, &from));
    assert!(!known.yields_to(&before, &from));
    assert!(known.yields_to(&before, &to));
    assert!(known.yields_to(&before.with_moved(10, &to), &from));
    let higher = |topology: &Topology, epoch| Topology {
        epoch,
        moved: Vec::new(),
        ..topology.clone()
    };
    // A node may hear of an epoch before it hears of the slots.
    assert!(!known.yields_to(&higher(&before, 8), &from));
    assert!(known.yields_to(&higher(&known, 8), &from));
    assert!(!higher(&known, 8).yields_to(&before, &from));
}

#[test]
fn a_server_that_is_no_cluster_owns_everything() {
    let topology = Topology::of_one(Address::Tcp("a".to_owned(), 1));
    check(&topology);
    assert_eq!(topology.served(), 16_384);
}

proptest! {
    #[test]
    fn replies_with_faults_are_refused_or_make_sense(
        index in any::<prop::sample::Index>(),
        faults in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let records = recorded();
        let mut reply = bytes(&index.get(&records).reply);
        for (place, byte) in faults {
            *place.get_mut(&mut reply) = byte;
        }
        if let Ok(topology) = parse(&reply) {
            let topology = topology.with_moved(77, &Address::Tcp("x".to_owned(), 1));
            prop_assert!(topology.served() <= 16_384);
            prop_assert_eq!(topology.ranges().map(|(range, _)| range.count()).sum::<usize>(), topology.served());
        }
    }

    #[test]
    fn slots_that_move_one_by_one_end_where_they_were_sent(moves in prop::collection::vec((0u16..16_384, 0u16..9), 0..200)) {
        let (_, mut topology) = in_state("normal, 3 masters").remove(0);
        let mut expected = BTreeMap::new();
        for (slot, to) in moves {
            let address = Address::Tcp("127.0.0.1".to_owned(), 7_450 + to);
            // A replica takes all slots of its primary.
            let starts: Vec<u16> = topology.ranges().map(|(range, _)| *range.start()).collect();
            let has_it = |slot: &u16| topology.replicas_of(*slot).any(|node| node.address == address);
            let shard = starts.into_iter().find(has_it);
            let former = shard.and_then(|slot| Some(topology.primary_of(slot)?.address.clone()));
            for owner in expected.values_mut().filter(|owner| Some(&**owner) == former.as_ref()) {
                *owner = address.clone();
            }
            topology = topology.with_moved(slot, &address);
            expected.insert(slot, address);
        }
        for (slot, address) in expected {
            prop_assert_eq!(&topology.primary_of(slot).unwrap().address, &address);
        }
    }
}
