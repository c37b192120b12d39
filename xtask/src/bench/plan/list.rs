//! All workloads, in the order of the report.

use super::{Group, Threads, Via, Workload};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

pub(in crate::bench) fn workloads() -> Vec<Workload> {
    [
        commands(),
        batches(),
        large(),
        aggregates(),
        messages(),
        cluster(),
        tls(),
        connections(),
        growth(),
    ]
    .concat()
}

fn commands() -> Vec<Workload> {
    let w = |name, size, title| workload(Group::Commands, name, size, title).on_both();
    vec![
        w("get", 1, "GET 16 B, 1 task").bar(0.95),
        w("get", 16, "GET 16 B, 16 tasks").bar(0.75),
        w("get", 64, "GET 16 B, 64 tasks").bar(0.5),
        w("get", 256, "GET 16 B, 256 tasks").bar(0.33),
        w("get", 1024, "GET 16 B, 1,024 tasks").bar(0.33),
        w("set", 1, "SET 16 B, 1 task").bar(0.95),
        w("set", 16, "SET 16 B, 16 tasks").bar(0.75),
        w("set", 64, "SET 16 B, 64 tasks").bar(0.5),
        w("set", 256, "SET 16 B, 256 tasks").bar(0.33),
        w("set", 1024, "SET 16 B, 1,024 tasks").bar(0.33),
        w("mixed", 64, "90 % GET, 10 % SET of 100 B – 4 KiB, 64 tasks"),
        w("lanes", 256, "GET 16 B, 256 tasks, 4 connections"),
    ]
}

fn batches() -> Vec<Workload> {
    let w = |name, size, title| workload(Group::Batches, name, size, title).on_both();
    vec![
        w("pipeline", 10, "pipeline of 10 GETs"),
        w("pipeline", 100, "pipeline of 100 GETs").bar(0.6),
        w("pipeline", 1000, "pipeline of 1,000 GETs").bar(0.33),
        w("pipeline", 10_000, "pipeline of 10,000 GETs").bar(0.33),
        w("transaction", 10, "transaction of 10 SETs"),
    ]
}

fn large() -> Vec<Workload> {
    let w = |name, size, title| workload(Group::Large, name, size, title);
    let bars = |one: Workload| one.bar(0.8).floor_bar(1.2);
    vec![
        w("get-bytes", 64 * KIB, "GET 64 KiB"),
        bars(w("get-bytes", MIB, "GET 1 MiB")).on_both(),
        bars(w("get-bytes", 16 * MIB, "GET 16 MiB")),
        w("set-bytes", 64 * KIB, "SET 64 KiB"),
        bars(w("set-bytes", MIB, "SET 1 MiB")).on_both(),
        bars(w("set-bytes", 16 * MIB, "SET 16 MiB")),
    ]
}

fn aggregates() -> Vec<Workload> {
    let w = |name, size, title| workload(Group::Aggregates, name, size, title);
    let strings = "LRANGE of 10,000 into `Vec<String>`";
    let bytes = "LRANGE of 10,000 into `Vec<Bytes>`";
    vec![
        w("lrange-strings", 10_000, strings).bar(0.7).on_both(),
        w("lrange-bytes", 10_000, bytes).bar(0.4),
        w("hgetall-map", 100, "HGETALL of 100 fields into a map").bar(0.7),
        w("hgetall-struct", 100, "HGETALL of 100 fields into a struct")
            .bar(0.7)
            .on_both(),
        w("mget", 1000, "MGET of 1,000").bar(0.7),
    ]
}

fn messages() -> Vec<Workload> {
    let w = |name, size, title| workload(Group::Messages, name, size, title);
    vec![
        w("receive", 1, "messages of 16 B on 1 channel").bar(0.5),
        w("receive", 8, "messages of 16 B on 8 channels").bar(0.5),
        w("scan", 1_000_000, "SCAN of 1,000,000, per key").quick(50_000),
    ]
}

/// Keys of all slots, three nodes.
fn cluster() -> Vec<Workload> {
    let w = |name, size, title| {
        workload(Group::Cluster, name, size, title)
            .via(Via::Cluster)
            .on_both()
    };
    vec![
        w("get", 1, "GET 16 B, 1 task, cluster").bar(1.0),
        w("get", 16, "GET 16 B, 16 tasks, cluster").bar(0.5),
        w("get", 64, "GET 16 B, 64 tasks, cluster")
            .bar(0.35)
            .bar_on_two(0.4),
        w("get", 256, "GET 16 B, 256 tasks, cluster")
            .bar(0.25)
            .bar_on_two(0.4),
        w("get", 1024, "GET 16 B, 1,024 tasks, cluster")
            .bar(0.2)
            .bar_on_two(0.4),
        w("set", 1, "SET 16 B, 1 task, cluster").bar(1.0),
        w("set", 16, "SET 16 B, 16 tasks, cluster").bar(0.5),
        w("set", 64, "SET 16 B, 64 tasks, cluster")
            .bar(0.35)
            .bar_on_two(0.4),
        w("set", 256, "SET 16 B, 256 tasks, cluster")
            .bar(0.25)
            .bar_on_two(0.4),
        w("set", 1024, "SET 16 B, 1,024 tasks, cluster")
            .bar(0.2)
            .bar_on_two(0.4),
        w("mget", 100, "MGET of 100 keys of all slots, cluster")
            .bar(0.12)
            .bar_on_two(0.4),
        w("pipeline", 100, "pipeline of 100 GETs, cluster")
            .bar(0.2)
            .bar_on_two(0.4),
        w("pipeline", 1000, "pipeline of 1,000 GETs, cluster")
            .bar(0.08)
            .bar_on_two(0.4),
    ]
}

fn tls() -> Vec<Workload> {
    let w = |name, size, title| workload(Group::Tls, name, size, title).via(Via::Tls);
    vec![
        w("get", 1, "GET 16 B, 1 task, TLS"),
        w("get", 64, "GET 16 B, 64 tasks, TLS").bar(0.8).on_both(),
        w("get", 1024, "GET 16 B, 1,024 tasks, TLS").bar(0.8),
        w("get-bytes", MIB, "GET 1 MiB, TLS"),
        w("set-bytes", MIB, "SET 1 MiB, TLS"),
        w("connect", 1, "connect, first reply, close, TLS"),
    ]
}

fn connections() -> Vec<Workload> {
    let title = "connect, first reply, close";
    vec![workload(Group::Connections, "connect", 1, title)]
}

fn growth() -> Vec<Workload> {
    let w = |name, size, title| workload(Group::Growth, name, size, title);
    let list = |size, title| w("lrange-strings", size, title).via(Via::Chunks).each();
    vec![
        w("burst", 1, "1 GET queued at once"),
        w("burst", 100, "100 GETs queued at once"),
        w("burst", 1000, "1,000 GETs queued at once"),
        w("burst", 10_000, "10,000 GETs queued at once"),
        w("burst", 100_000, "100,000 GETs queued at once").long(),
        w("burst", 1_000_000, "1,000,000 GETs queued at once").long(),
        list(1000, "LRANGE of 1,000 in pieces of 16 KiB, per element"),
        list(10_000, "LRANGE of 10,000 in pieces, per element"),
        list(100_000, "LRANGE of 100,000 in pieces, per element").long(),
        list(1_000_000, "LRANGE of 1,000,000 in pieces, per element").long(),
        w("idle", 1, "1 idle connection"),
        w("idle", 100, "100 idle connections"),
        w("idle", 1000, "1,000 idle connections").quick(200),
        w("idle", 10_000, "10,000 idle connections").long(),
    ]
}

fn workload(group: Group, name: &'static str, size: usize, title: &'static str) -> Workload {
    Workload {
        name,
        size,
        quick_size: size,
        title,
        group,
        threads: Threads::One,
        via: Via::Direct,
        bar: None,
        bar_on_two: None,
        floor_bar: None,
        is_long: false,
        is_per_element: false,
    }
}

impl Workload {
    fn on_both(mut self) -> Self {
        self.threads = Threads::Both;
        self
    }

    fn via(mut self, via: Via) -> Self {
        self.via = via;
        self
    }

    fn bar(mut self, bar: f64) -> Self {
        self.bar = Some(bar);
        self
    }

    fn bar_on_two(mut self, bar: f64) -> Self {
        self.bar_on_two = Some(bar);
        self
    }

    fn floor_bar(mut self, bar: f64) -> Self {
        self.floor_bar = Some(bar);
        self
    }

    fn quick(mut self, size: usize) -> Self {
        self.quick_size = size;
        self
    }

    fn long(mut self) -> Self {
        self.is_long = true;
        self
    }

    fn each(mut self) -> Self {
        self.is_per_element = true;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_workloads_have_the_same_name() {
        let mut names: Vec<String> = workloads().into_iter().map(Workload::id).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
