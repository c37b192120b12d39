//! The command line: [`Command`].

use std::ffi::OsString;

use lexopt::prelude::*;

use crate::{Result, bench};

/// A command with its options.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Help,
    Demo {
        /// Whether it is that of a cluster.
        cluster: bool,
    },
    Servers {
        all: bool,
    },
    /// With arguments for `cargo test`.
    Test(Vec<OsString>),
    /// With arguments for the program.
    Simulate(Vec<OsString>),
    /// With arguments for the program.
    Soak(Vec<OsString>),
    Fuzz {
        /// For each target.
        minutes: f64,
        /// All, if none is named.
        targets: Vec<String>,
    },
    Bench(bench::Options),
    Reference,
    /// The line of redis-cli.
    Translate(String),
    Layers {
        /// Whether the table in `CONTRIBUTING.md` is written.
        write: bool,
    },
    Ci,
    Package,
    Pages,
    Spec {
        check: bool,
        /// The URL of a server to compare with.
        missing: Option<String>,
    },
}

pub(crate) fn parse() -> Result<Command> {
    parse_from(lexopt::Parser::from_env())
}

fn parse_from(mut parser: lexopt::Parser) -> Result<Command> {
    let name = match parser.next()? {
        None | Some(Short('h') | Long("help")) => return Ok(Command::Help),
        Some(Value(name)) => name.string()?,
        Some(other) => return Err(other.unexpected().into()),
    };
    let command = match name.as_str() {
        "help" => Command::Help,
        "demo" => Command::Demo { cluster: false },
        "servers" => Command::Servers { all: false },
        "test" => return Ok(Command::Test(parser.raw_args()?.collect())),
        "simulate" => return Ok(Command::Simulate(parser.raw_args()?.collect())),
        "soak" => return Ok(Command::Soak(parser.raw_args()?.collect())),
        "fuzz" => Command::Fuzz {
            minutes: 30.0,
            targets: Vec::new(),
        },
        "bench" => Command::Bench(bench::Options::default()),
        "reference" => Command::Reference,
        "translate" => return translate(parser),
        "layers" => Command::Layers { write: false },
        "ci" => Command::Ci,
        "package" => Command::Package,
        "pages" => Command::Pages,
        "spec" => Command::Spec {
            check: false,
            missing: None,
        },
        _ => return Err(format!("there is no command {name:?}: see cargo xtask help").into()),
    };
    options(parser, command)
}

/// The words that follow are the line, whether it is quoted as a whole or not.
fn translate(mut parser: lexopt::Parser) -> Result<Command> {
    let words = parser.raw_args()?.map(|word| word.string());
    let words = words.collect::<std::result::Result<Vec<String>, _>>()?;
    Ok(Command::Translate(words.join(" ")))
}

/// Reads the words after a command's name.
fn options(mut parser: lexopt::Parser, mut command: Command) -> Result<Command> {
    while let Some(argument) = parser.next()? {
        match (argument, &mut command) {
            (Short('h') | Long("help"), _) => return Ok(Command::Help),
            (Long("all"), Command::Servers { all }) => *all = true,
            (Long("cluster"), Command::Demo { cluster }) => *cluster = true,
            (Long("write"), Command::Layers { write }) => *write = true,
            (Long("check"), Command::Spec { check, .. }) => *check = true,
            (Long("minutes"), Command::Fuzz { minutes, .. }) => {
                *minutes = parser.value()?.parse()?
            }
            (Long("target"), Command::Fuzz { targets, .. }) => *targets = list(parser.value()?)?,
            (Long("missing"), Command::Spec { missing, .. }) => {
                *missing = Some(parser.value()?.string()?);
            }
            (Long("quick"), Command::Bench(bench)) => bench.quick = true,
            (Long("guard"), Command::Bench(bench)) => bench.guard = true,
            (Long("record"), Command::Bench(bench)) => bench.record = true,
            (Long("only"), Command::Bench(bench)) => bench.only = list(parser.value()?)?,
            (Long("clients"), Command::Bench(bench)) => bench.clients = list(parser.value()?)?,
            (Long("rounds"), Command::Bench(bench)) => {
                bench.rounds = Some(parser.value()?.parse()?);
            }
            (argument, _) => {
                return Err(format!("{}: see cargo xtask help", argument.unexpected()).into());
            }
        }
    }
    Ok(command)
}

/// Words between commas.
fn list(value: OsString) -> Result<Vec<String>> {
    Ok(value.string()?.split(',').map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn parse(words: &[&str]) -> Result<Command, String> {
        parse_from(lexopt::Parser::from_args(words)).map_err(|error| error.to_string())
    }

    #[test]
    fn commands_and_their_options() {
        assert_eq!(parse(&[]), Ok(Command::Help));
        assert_eq!(parse(&["--help"]), Ok(Command::Help));
        assert_eq!(parse(&["servers"]), Ok(Command::Servers { all: false }));
        assert_eq!(
            parse(&["servers", "--all"]),
            Ok(Command::Servers { all: true })
        );
        assert_eq!(parse(&["layers"]), Ok(Command::Layers { write: false }));
        assert_eq!(
            parse(&["layers", "--write"]),
            Ok(Command::Layers { write: true })
        );
        let spec = |check, missing: Option<&str>| {
            let missing = missing.map(str::to_owned);
            Ok(Command::Spec { check, missing })
        };
        assert_eq!(parse(&["spec"]), spec(false, None));
        assert_eq!(parse(&["spec", "--check"]), spec(true, None));
        let url = "redis://localhost";
        assert_eq!(parse(&["spec", "--missing", url]), spec(false, Some(url)));
        assert_eq!(parse(&["demo", "-h"]), Ok(Command::Help));
        let cluster = Ok(Command::Demo { cluster: true });
        assert_eq!(parse(&["demo", "--cluster"]), cluster);
        let bench = bench::Options {
            quick: true,
            only: vec!["get".to_owned(), "set-16".to_owned()],
            clients: vec!["fred".to_owned()],
            rounds: Some(4),
            ..bench::Options::default()
        };
        assert_eq!(
            parse(&[
                "bench",
                "--quick",
                "--only",
                "get,set-16",
                "--clients=fred",
                "--rounds",
                "4"
            ]),
            Ok(Command::Bench(bench))
        );
    }

    #[test]
    fn all_that_follows_test_is_for_cargo() {
        let words = ["-p", "typedis-core", "--", "--nocapture"];
        let command = parse(&["test", "-p", "typedis-core", "--", "--nocapture"]);
        assert_eq!(
            command,
            Ok(Command::Test(words.map(OsString::from).to_vec()))
        );
        let words = ["--seeds", "9"];
        assert_eq!(
            parse(&["simulate", "--seeds", "9"]),
            Ok(Command::Simulate(words.map(OsString::from).to_vec()))
        );
    }

    #[test]
    fn a_line_is_translated_with_or_without_quotes() {
        let line = || Ok(Command::Translate("GET k".to_owned()));
        assert_eq!(parse(&["translate", "GET k"]), line());
        assert_eq!(parse(&["translate", "GET", "k"]), line());
        assert_eq!(parse(&["reference"]), Ok(Command::Reference));
    }

    #[test]
    fn fuzzing_takes_a_time_and_targets() {
        let fuzz = |minutes, targets: &[&str]| {
            let targets = targets.iter().map(|name| (*name).to_owned()).collect();
            Ok(Command::Fuzz { minutes, targets })
        };
        assert_eq!(parse(&["fuzz"]), fuzz(30.0, &[]));
        let words = ["fuzz", "--target", "url,scan", "--minutes", "0.5"];
        assert_eq!(parse(&words), fuzz(0.5, &["url", "scan"]));
    }

    #[test]
    fn what_is_unknown_is_refused() {
        assert!(
            parse(&["tset"])
                .unwrap_err()
                .contains(r#"no command "tset""#)
        );
        assert!(parse(&["demo", "--all"]).unwrap_err().contains("--all"));
        assert!(
            parse(&["spec", "--missing"])
                .unwrap_err()
                .contains("missing")
        );
        assert!(parse(&["ci", "fast"]).unwrap_err().contains("fast"));
    }
}
