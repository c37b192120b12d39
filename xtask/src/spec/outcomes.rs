//! The results of the conformance test for each call: [`Outcome`], one line of a file for each.

use std::fs;
use std::path::PathBuf;

use crate::{Result, cargo};

/// The result of a call in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) group: String,
    pub(crate) command: String,
    pub(crate) method: String,
    /// The methods of the options that were called.
    pub(crate) options: Vec<String>,
    /// The server; empty if the call is only listed.
    pub(crate) server: String,
    pub(crate) protocol: String,
    pub(crate) result: Outcomes,
    /// Why nothing was proved there, if a list says so.
    pub(crate) reason: String,
}

/// The kinds of outcomes that the table counts separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcomes {
    /// A live reply was of the declared type.
    Live,
    /// A recorded reply was of the declared type.
    Recorded,
    /// Nothing was proved.
    Nothing,
}

/// Removes the results of earlier runs, so that calls that are no longer made do not count.
pub(crate) fn forget() -> Result {
    let folder = folder();
    match fs::remove_dir_all(&folder) {
        Err(error) if folder.exists() => {
            Err(format!("cannot remove {}: {error}", folder.display()).into())
        }
        _ => Ok(()),
    }
}

/// Reads the results of the latest run.
pub(crate) fn read() -> Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    let folder = folder();
    let files = fs::read_dir(&folder).map_err(|error| {
        let folder = folder.display();
        format!("cannot read {folder}, which the conformance test writes: {error}")
    })?;
    for file in files {
        let path = file?.path();
        for line in fs::read_to_string(&path)?.lines() {
            let outcome = parse(line);
            let unread = || format!("{} has a line of another form: {line}", path.display());
            outcomes.push(outcome.ok_or_else(unread)?);
        }
    }
    Ok(outcomes)
}

fn parse(line: &str) -> Option<Outcome> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [
        group,
        command,
        method,
        options,
        server,
        protocol,
        result,
        reason,
    ] = fields[..]
    else {
        return None;
    };
    let result = match result {
        "decoded" | "decoded elsewhere" => Outcomes::Live,
        "recorded" => Outcomes::Recorded,
        "refused" | "listed" => Outcomes::Nothing,
        _ => return None,
    };
    let options = options.split(',').filter(|option| !option.is_empty());
    Some(Outcome {
        group: group.to_owned(),
        command: command.to_owned(),
        method: method.to_owned(),
        options: options.map(str::to_owned).collect(),
        server: server.to_owned(),
        protocol: protocol.to_owned(),
        result,
        reason: reason.to_owned(),
    })
}

fn folder() -> PathBuf {
    cargo::target().join("conformance")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn outcomes_are_where_cargos_tests_write_them() {
        let program = std::env::current_exe().unwrap();
        let target = folder().parent().map(std::path::Path::to_owned);
        assert!(program.starts_with(target.unwrap()), "{program:?}");
    }

    #[test]
    fn a_line_is_an_outcome() {
        let outcome = parse("string\tSET\tset\tnx,ex\tValkey 9.1.2\tRESP3\tdecoded\t").unwrap();
        assert_eq!(outcome.options, ["nx", "ex"]);
        assert_eq!(outcome.result, Outcomes::Live);
        let listed = parse("string\tGET\tget\t\t\t\tlisted\t").unwrap();
        assert!(listed.options.is_empty());
        assert_eq!(listed.result, Outcomes::Nothing);
    }

    #[test]
    fn other_lines_are_refused() {
        assert_eq!(parse("string\tSET"), None);
        assert_eq!(parse("string\tSET\tset\t\t\t\tperhaps\t"), None);
    }
}
