//! `cargo xtask bench`: typedis beside its peers, and `docs/benchmarks.md` from what was measured.
//!
//! # Layout
//!
//! - `plan`: the clients, the workloads, and what typedis has to reach
//! - `run`: the rounds: which program runs when, on which data
//! - `program`: one run of one program
//! - `servers`, `relay`: what the programs connect to
//! - `place`: where the programs are built
//! - `data`: what the server holds
//! - `results`: what was measured, kept in `benches/results.json`
//! - `compare`: medians and ratios of it
//! - `report`: `docs/benchmarks.md`
//! - `plot`: its plots; `format`: how figures are written
//! - `compile`: what it costs to compile a program
//! - `guard`: instruction counts against recorded ones

use crate::{Result, screen};

mod compare;
mod compile;
mod data;
mod format;
mod guard;
mod place;
mod plan;
mod plot;
mod program;
mod relay;
mod report;
mod results;
mod run;
mod servers;

/// What was asked for.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    /// Fewer and shorter runs.
    pub(crate) quick: bool,
    /// Only these workloads; `compile` for the cost of compiling, `report` for the report alone.
    pub(crate) only: Vec<String>,
    /// Only these clients.
    pub(crate) clients: Vec<String>,
    /// So many rounds in place of the usual number.
    pub(crate) rounds: Option<usize>,
    /// Instruction counts in place of everything else.
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
    /// The command that asks for this.
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
                // What was measured stays, if a program does not compile.
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
