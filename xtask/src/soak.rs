//! `cargo xtask soak`: checked load on real servers that fail, for an hour. The program is the package `typedis-soak`; what it
//! uses is plotted here, and has to stay as it is.
//!
//! # Layout
//!
//! - `flat`: whether a line stays flat
//! - this file: building and running the program, and the plots

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bench::plot::{self, Series};
use crate::{Result, cargo, lacking, screen};

mod flat;

use flat::Line;

/// The package, and the name of its program.
const PACKAGE: &str = "typedis-soak";

const MEBIBYTE: f64 = (1 << 20) as f64;

/// Where the program reads what it uses.
const PROC: &str = "/proc/self/fd";

/// Builds the program, runs it with these arguments, and judges what it used.
pub(crate) fn run(arguments: Vec<OsString>) -> Result {
    check(Path::new(PROC))?;
    let folder = cargo::target().join("soak");
    fs::create_dir_all(&folder)?;
    let program = build(&folder)?;
    let mut command = Command::new(program);
    command.args(arguments).arg("--out").arg(&folder);
    let ran = cargo::run(command);
    // It is plotted and judged also if a rule was broken.
    let judged = judge(&folder);
    ran.and(judged)
}

/// Said at once, and not after the build or an hour of load.
fn check(proc: &Path) -> Result {
    if proc.is_dir() {
        Ok(())
    } else {
        let path = proc.display();
        Err(format!("the soak runs on Linux only: it reads in {path} what it uses").into())
    }
}

/// The program is copied, so that a build in the meantime does not replace it.
fn build(folder: &Path) -> Result<PathBuf> {
    let mut words = vec!["build", "--release", "--quiet", "--package", PACKAGE];
    if cargo::has_openssl() {
        words.extend(["--features", "tls"]);
    } else {
        screen::note(&format!("Left out: {}", lacking::NO_TLS));
    }
    let built = cargo::build_program(cargo::command(words), PACKAGE)?;
    let program = folder.join(PACKAGE);
    fs::copy(built, &program)?;
    Ok(program)
}

/// Draws the plots, and fails if a line is not flat.
fn judge(folder: &Path) -> Result {
    let samples = Samples::read(&fs::read_to_string(folder.join("samples.csv"))?)?;
    fs::write(folder.join("memory.svg"), samples.memory_plot())?;
    fs::write(folder.join("descriptors.svg"), samples.counts_plot())?;
    println!("plots: {}", folder.join("*.svg").display());
    let mut rising = Vec::new();
    for line in samples.lines() {
        println!("{line}");
        if !line.is_flat() {
            rising.push(line.to_string());
        }
    }
    if rising.is_empty() {
        screen::success("the lines are flat");
        Ok(())
    } else {
        Err(format!("not flat: {}", rising.join("; ")).into())
    }
}

/// What was used, each second.
#[derive(Debug, Default, PartialEq)]
struct Samples {
    minutes: Vec<f64>,
    mebibytes: Vec<f64>,
    descriptors: Vec<f64>,
    tasks: Vec<f64>,
}

impl Samples {
    /// Reads the file that the program writes.
    fn read(text: &str) -> Result<Self> {
        let mut samples = Self::default();
        for line in text.lines().skip(1) {
            let numbers = line.split(',').map(str::parse::<f64>);
            let numbers = numbers
                .collect::<std::result::Result<Vec<_>, _>>()
                .map_err(|error| format!("a line of the samples is {line:?}: {error}"))?;
            let [second, bytes, descriptors, tasks, ..] = *numbers else {
                return Err(format!("a line of the samples is {line:?}").into());
            };
            samples.minutes.push(second / 60.0);
            samples.mebibytes.push(bytes / MEBIBYTE);
            samples.descriptors.push(descriptors);
            samples.tasks.push(tasks);
        }
        Ok(samples)
    }

    fn lines(&self) -> [Line; 3] {
        [
            Line::new("memory in MiB", &self.mebibytes),
            Line::new("descriptors", &self.descriptors),
            Line::new("tasks", &self.tasks),
        ]
    }

    fn series(&self, name: &'static str, values: &[f64]) -> Series {
        let points = self.minutes.iter().copied();
        Series {
            name,
            points: points.zip(values.iter().copied()).collect(),
        }
    }

    fn memory_plot(&self) -> String {
        let memory = self.series("in RAM", &self.mebibytes);
        plot::linear("memory of the load", ("minutes", "MiB"), &[memory])
    }

    fn counts_plot(&self) -> String {
        let descriptors = self.series("descriptors", &self.descriptors);
        let tasks = self.series("tasks", &self.tasks);
        let words = ("minutes", "number");
        plot::linear(
            "descriptors and tasks of the load",
            words,
            &[descriptors, tasks],
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_system_that_does_not_tell_what_is_used_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        assert!(check(folder.path()).is_ok());
        let error = check(&folder.path().join("proc")).unwrap_err().to_string();
        assert!(error.contains("Linux only"), "{error}");
    }

    #[test]
    fn samples_are_read_and_plotted() {
        let text = "second,memory_bytes,descriptors,tasks,commands,faults\n0,1048576,10,5,0,0\n60,2097152,12,6,9,1\n";
        let samples = Samples::read(text).unwrap();
        assert_eq!(samples.minutes, [0.0, 1.0]);
        assert_eq!(samples.mebibytes, [1.0, 2.0]);
        assert_eq!(samples.tasks, [5.0, 6.0]);
        assert!(samples.memory_plot().contains("<polyline"));
        assert!(Samples::read("head\n1,x\n").is_err());
    }
}
