//! `cargo xtask bench`: runs typedis beside its peers, and writes `docs/benchmarks.md` from the results.
//!
//! # Layout
//!
//! - `plan`: the clients, the workloads, and the goals for typedis
//! - `run`: the rounds: which program runs when, on which data
//! - `program`: one run of one program
//! - `servers`, `relay`: the servers that the programs connect to
//! - `place`: where the programs are built; `built`: those that were
//! - `data`: the data on the server
//! - `results`: the results, kept in `benches/results.json`
//! - `compare`: medians and ratios of the results
//! - `report`: `docs/benchmarks.md`
//! - `plot`: its plots; `format`: how numbers are written
//! - `compile`: the cost of compiling a program
//! - `guard`: instruction counts against recorded ones

use crate::{Result, screen};

mod built;
mod compare;
mod compile;
mod data;
mod format;
mod guard;
mod place;
mod plan;
pub(crate) mod plot;
mod program;
mod relay;
mod report;
mod results;
mod run;
mod servers;

/// The options.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    /// Fewer and shorter runs.
    pub(crate) quick: bool,
    /// Only these workloads; `compile` for the cost of compiling, `report` for the report alone.
    pub(crate) only: Vec<String>,
    /// Only these clients.
    pub(crate) clients: Vec<String>,
    /// The number of rounds, instead of the usual number.
    pub(crate) rounds: Option<usize>,
    /// Instruction counts instead of everything else.
    pub(crate) guard: bool,
    /// Record the instruction counts as the new baselines.
    pub(crate) record: bool,
}

impl Options {
    /// Whether everything is measured, by all clients.
    fn is_whole(&self) -> bool {
        self.only.is_empty() && self.clients.is_empty()
    }
}

impl std::fmt::Display for Options {
    /// The command line with these options.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cargo xtask bench")?;
        if self.quick {
            f.write_str(" --quick")?;
        }
        for (option, names) in [("--only", &self.only), ("--clients", &self.clients)] {
            if !names.is_empty() {
                write!(f, " {option} {}", names.join(","))?;
            }
        }
        match self.rounds {
            Some(rounds) => write!(f, " --rounds {rounds}"),
            None => Ok(()),
        }
    }
}

pub(crate) fn run(options: &Options) -> Result {
    if options.guard || options.record {
        return guard::run(options.record);
    }
    let mut results = results::Results::load()?;
    match options.only.as_slice() {
        [name] if name == "report" => {}
        [name] if name == "compile" => compile::run(&mut results)?,
        _ => {
            run::run(options, &mut results)?;
            if !options.quick && options.is_whole() {
                // If a program does not compile, the other results are kept.
                if let Err(error) = compile::run(&mut results) {
                    screen::failure(&error.to_string());
                }
            }
        }
    }
    results.store()?;
    let path = report::write(&results)?;
    screen::success(&format!("Written: {}", path.display()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_shown_as_the_command_that_asks_for_them() {
        let options = Options {
            quick: true,
            only: vec!["get-16".to_owned(), "tls".to_owned()],
            clients: vec!["rustis".to_owned()],
            rounds: Some(7),
            ..Options::default()
        };
        let command = "cargo xtask bench --quick --only get-16,tls --clients rustis --rounds 7";
        assert_eq!(options.to_string(), command);
    }
}
