//! Whatever a node says about the slots is a topology or an error, and a topology does not contradict itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use typedis_core::cluster::NodeRole;
use typedis_core::fuzzing::topology;
use typedis_core::{Address, Frame};

fuzz_target!(|bytes: &[u8]| {
    let Ok(frame) = Frame::parse(bytes.to_vec()) else {
        return;
    };
    let Ok(topology) = topology(frame.reply()) else {
        return;
    };
    let mut served = 0;
    for (range, owner) in topology.ranges() {
        served += range.clone().count();
        for slot in [*range.start(), *range.end()] {
            assert_eq!(topology.primary_of(slot), Some(owner));
            assert!(topology.replicas_of(slot).all(|node| node.role == NodeRole::Replica));
        }
        assert_eq!(owner.role, NodeRole::Primary);
    }
    assert_eq!(served, topology.served());
    for node in topology.nodes() {
        assert!(matches!(&node.address, Address::Tcp(host, port) if !host.is_empty() && *port > 0));
    }
});
