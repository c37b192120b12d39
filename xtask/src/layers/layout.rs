//! Where to find what: a file with files below it has a `# Layout`, which names each of them.
//!
//! Where the text is public documentation, a comment may hold it. A layout that speaks of a "file for each" of something need not name
//! these.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::rules::Fault;
use crate::Result;

/// The faults of all Rust files in a folder and those below it; `path` leads from the workspace to it.
pub(super) fn check(workspace: &Path, path: &Path) -> Result<Vec<Fault>> {
    let mut faults = Vec::new();
    let mut entries = Vec::new();
    for entry in fs::read_dir(workspace.join(path))? {
        entries.push(entry?.path());
    }
    entries.sort();
    for entry in entries {
        let path = path.join(entry.file_name().unwrap_or_default());
        if entry.is_dir() {
            faults.extend(check(workspace, &path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            faults.extend(of_file(&path, &fs::read_to_string(&entry)?));
        }
    }
    Ok(faults)
}

/// The faults of one file.
fn of_file(path: &Path, text: &str) -> Vec<Fault> {
    let fault = |text: String, rule: &str| Fault {
        place: path.display().to_string(),
        text,
        rule: rule.to_owned(),
    };
    let below = below(text);
    if below.is_empty() {
        return Vec::new();
    }
    let layout = layout(text);
    if layout.is_empty() {
        let rule = "is missing: say in a line for each what the files below this one hold";
        return vec![fault("# Layout".to_owned(), rule)];
    }
    if layout.contains("file for each") {
        return Vec::new();
    }
    let named = named(&layout);
    let missing = below.iter().filter(|name| !named.contains(*name));
    missing
        .map(|name| {
            fault(
                format!("mod {name}"),
                "is not named in the `# Layout`: say what it holds",
            )
        })
        .collect()
}

/// The files below, as the `mod` lines have them. Files that lie elsewhere do not count, and unit tests need no line.
fn below(text: &str) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    let mut is_elsewhere = false;
    for line in text.lines() {
        if line.starts_with("#[") {
            is_elsewhere |= line.starts_with("#[path");
            continue;
        }
        if let Some(name) = declared(line)
            && !is_elsewhere
            && name != "tests"
        {
            names.insert(name);
        }
        is_elsewhere = false;
    }
    names
}

/// The name in `mod name;`, whoever may see it.
fn declared(line: &str) -> Option<&str> {
    let (visibility, rest) = line.split_once("mod ")?;
    let is_visibility = visibility.is_empty() || visibility.starts_with("pub");
    rest.strip_suffix(';').filter(|_| is_visibility)
}

/// The comments from a line with "Layout" to the end of their block.
fn layout(text: &str) -> String {
    let mut layout = String::new();
    let mut is_within = false;
    for line in text.lines() {
        let comment = line.starts_with("//");
        is_within = comment && (is_within || line.contains("Layout"));
        if is_within {
            layout += line.trim_start_matches(['/', '!']);
        }
    }
    layout
}

/// The names of files among the words between backticks: `pool`, `pool/`, `handle/pool.rs`.
fn named(layout: &str) -> BTreeSet<&str> {
    let code = layout.split('`').skip(1).step_by(2);
    code.map(|word| {
        let word = word.trim_end_matches('/');
        let word = word.rsplit('/').next().unwrap_or(word);
        let word = word.strip_prefix("mod@").unwrap_or(word);
        word.strip_suffix(".rs").unwrap_or(word)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        let faults = of_file(Path::new("low/mod.rs"), text);
        faults.iter().map(Fault::to_string).collect()
    }

    #[test]
    fn an_entry_file_that_does_not_say_where_to_find_what_is_a_fault() {
        let faults = faults("mod stone;");
        assert!(
            faults[0].starts_with("low/mod.rs: `# Layout` is missing"),
            "{faults:?}"
        );
        assert_eq!(faults.len(), 1);
    }

    #[test]
    fn each_file_below_is_named_in_the_layout() {
        let layout = "//! # Layout\n//!\n//! - `stone`, `low/wood.rs`: walls\n//! - `roof/`: the rest\n\n// `glass`\n";
        let sound = format!(
            "{layout}mod stone;\n#[cfg(unix)]\nmod wood;\npub(crate) mod roof;\n#[cfg(test)]\nmod tests;\n"
        );
        assert_eq!(faults(&sound), [""; 0]);
        assert_eq!(
            faults(&format!("{sound}pub mod glass;\n")),
            ["low/mod.rs: `mod glass` is not named in the `# Layout`: say what it holds"]
        );
    }

    #[test]
    fn a_layout_may_speak_of_all_files_at_once_and_of_files_elsewhere_not_at_all() {
        let text = "// Layout: one file for each type\nmod stone;\nmod wood;\n";
        assert_eq!(faults(text), [""; 0]);
        let text = "#[path = \"../stone.rs\"]\n#[allow(dead_code)]\nmod stone;\n";
        assert_eq!(faults(text), [""; 0]);
    }
}
