//! `cargo xtask bench`: typedis beside its peers, and `docs/benchmarks.md` from what was measured.
//!
//! # Layout
//!
//! - `plan`: the clients, the workloads, and what typedis has to reach
//! - `run`: the rounds: which program runs when, on which data
//! - `program`: one run of one program
//! - `data`: what the server holds
//! - `results`: what was measured, kept in `benches/results.json`; medians and ratios
//! - `report`: `docs/benchmarks.md`
//! - `plot`: its plots
//! - `compile`: what it costs to compile a program
//! - `guard`: instruction counts against recorded ones

use crate::{Result, screen};

mod compile;
mod data;
mod guard;
mod plan;
mod plot;
mod program;
mod report;
mod results;
mod run;

/// What was asked for.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    /// Fewer and shorter runs.
    pub(crate) quick: bool,
    /// Only workloads whose name contains this; `compile` for the cost of compiling, `report` for the report alone.
    pub(crate) only: Option<String>,
    /// Instruction counts in place of everything else.
    pub(crate) guard: bool,
    /// Record the instruction counts as the new baselines.
    pub(crate) record: bool,
}

impl std::fmt::Display for Options {
    /// The command that asks for this.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cargo xtask bench")?;
        if self.quick {
            f.write_str(" --quick")?;
        }
        match &self.only {
            Some(name) => write!(f, " --only {name}"),
            None => Ok(()),
        }
    }
}

pub(crate) fn run(options: &Options) -> Result {
    if options.guard || options.record {
        return guard::run(options.record);
    }
    let mut results = results::Results::load()?;
    match options.only.as_deref() {
        Some("report") => {}
        Some("compile") => compile::run(&mut results)?,
        _ => {
            run::run(options, &mut results)?;
            if !options.quick && options.only.is_none() {
                compile::run(&mut results)?;
            }
        }
    }
    results.store()?;
    let path = report::write(&results)?;
    screen::success(&format!("Written: {}", path.display()));
    Ok(())
}
