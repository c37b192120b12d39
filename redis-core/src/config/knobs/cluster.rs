//! The knobs of clusters.

use super::codec::Codec;
use super::knob::{Knob, knob};
use crate::config::human::{switch, switch_text};
use crate::config::read_from::ReadFrom;

const SWITCH: Codec<bool> = Codec {
    read: switch,
    write: |on| Some(switch_text(*on)),
};

const READ_FROM: Codec<ReadFrom> = Codec {
    read: ReadFrom::parse,
    write: |nodes| Some(nodes.to_string()),
};

pub(super) const CLUSTER: &[Knob] = &[
    knob!("cluster", cluster.is_cluster, SWITCH),
    knob!("read_from", cluster.read_from, READ_FROM),
];
