//! `cargo xtask demo`: the tour of the library, on a server that runs only during the tour; or a cluster, in which a node
//! dies while the example runs.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use typedis_testkit::{Cluster, Server, ServerKind, servers};

use crate::{Result, cargo, screen};

/// For how many seconds the example sells: longer than a failover takes.
const SECONDS: &str = "10";

/// After how long without a word a node counts as dead.
const NODE_TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) fn run(cluster: bool) -> Result {
    if cluster {
        on_a_cluster()
    } else {
        on_a_server()
    }
}

/// The arguments that tell cargo which program the demo is.
fn example(name: &str) -> [&str; 5] {
    // The feature that examples/cluster.rs needs; so nothing is built twice.
    let features = "--features=cluster";
    ["--package", "typedis", features, "--example", name]
}

fn on_a_server() -> Result {
    screen::step("Building examples/tour.rs");
    cargo::run(cargo::command(["build"].into_iter().chain(example("tour"))))?;
    screen::step("Starting a server");
    let program = servers::find_any()?;
    let (path, version) = (program.path.display().to_string(), program.version()?);
    let server = Server::builder(ServerKind::default())
        .program(program)
        .start()?;
    screen::success(&format!("{version}\n  {path}\n  runs at {}", server.url()));
    screen::step("Running examples/tour.rs");
    let mut tour = cargo::command(["run", "--quiet"].into_iter().chain(example("tour")));
    tour.env("TYPEDIS_URL", server.url());
    cargo::run(tour)?;
    drop(server);
    screen::success("Done; the server is stopped");
    Ok(())
}

fn on_a_cluster() -> Result {
    screen::step("Building examples/cluster.rs");
    cargo::run(cargo::command(
        ["build"].into_iter().chain(example("cluster")),
    ))?;
    screen::step("Starting a cluster: three primaries, each with a replica");
    let kind = ServerKind::default();
    let cluster = Cluster::builder(kind)
        .replicas(1)
        .node_timeout(NODE_TIMEOUT)
        .start()?;
    let addresses: Vec<String> = cluster.addrs().iter().map(ToString::to_string).collect();
    screen::success(&format!("it runs at {}", addresses.join(", ")));
    screen::step("Running examples/cluster.rs");
    let mut example = cargo::command(["run", "--quiet"].into_iter().chain(example("cluster")));
    example
        .args(["--", SECONDS])
        .env("TYPEDIS_URL", format!("redis://{}", addresses.join(",")))
        .stdout(Stdio::piped());
    show(example, || fail_over(&cluster))?;
    drop(cluster);
    screen::success("Done; the cluster is stopped");
    Ok(())
}

/// What the example prints when it begins to sell.
const SELLING: &str = "selling at ";

/// Runs the example to its end, with a failover in the middle.
fn show(mut example: Command, fail_over: impl FnMut() -> Result) -> Result {
    let mut child = example.spawn()?;
    let followed = follow(&mut child, fail_over);
    if followed.is_err() {
        // It would wait for its servers. It may have ended already.
        let _ = child.kill();
    }
    let status = child.wait()?;
    let has_failed_over = followed?;
    if !status.success() {
        return Err(format!("the example failed ({status})").into());
    }
    if !has_failed_over {
        return Err(format!("there was no failover: the example did not print {SELLING:?}").into());
    }
    Ok(())
}

/// Shows what the example prints, and has the failover happen while it sells. Returns whether it did.
fn follow(child: &mut Child, mut fail_over: impl FnMut() -> Result) -> Result<bool> {
    let output = child.stdout.take().ok_or("the example has no output")?;
    let mut has_failed_over = false;
    for line in BufReader::new(output).lines() {
        let line = line?;
        println!("{line}");
        if line.starts_with(SELLING) {
            fail_over()?;
            has_failed_over = true;
        }
    }
    Ok(has_failed_over)
}

/// Kills the primary that has the slot of the example, and waits until its replica has taken over.
fn fail_over(cluster: &Cluster) -> Result {
    let owner = cluster.owner_of(cluster.slot_of("{shop}")?)?;
    let heir = cluster
        .replicas_of(&owner)?
        .pop()
        .ok_or("it has no replica")?;
    owner.server().kill()?;
    screen::note(&format!("{} was killed", owner.addr()));
    heir.wait_until_primary()?;
    screen::note(&format!("{} has taken over", heir.addr()));
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// What comes of an example that prints this and waits, on a cluster that fails over like this.
    fn printing(line: &str, fail_over: fn() -> Result) -> Result<(), String> {
        let mut command = Command::new("sh");
        let script = format!(
            "echo '{line}'; exec sleep {}",
            if fail_over().is_ok() { 0 } else { 1_000 }
        );
        command.args(["-c", &script]).stdout(Stdio::piped());
        show(command, fail_over).map_err(|error| error.to_string())
    }

    #[test]
    fn without_a_failover_the_demo_fails() {
        assert_eq!(printing("selling at 127.0.0.1:7000", || Ok(())), Ok(()));
        let error = printing("it sells at 127.0.0.1:7000", || Ok(())).unwrap_err();
        assert!(error.contains("no failover"), "{error}");
    }

    #[test]
    fn an_example_whose_cluster_does_not_fail_over_is_ended() {
        let error = printing("selling at 127.0.0.1:7000", || {
            Err("it has no replica".into())
        });
        assert_eq!(error, Err("it has no replica".to_owned()));
    }

    #[test]
    fn the_example_prints_what_the_demo_waits_for() {
        let example = cargo::workspace().join("examples/cluster.rs");
        let source = std::fs::read_to_string(example).unwrap();
        assert!(source.contains(&format!("println!(\"{SELLING}")));
    }
}
