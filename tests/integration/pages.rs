//! The pages beside the code: they are found, their code is compiled, and their links lead somewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Markdown files of a folder, itself alone.
fn pages(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).expect("the folder is there");
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect()
}

fn text(path: impl AsRef<Path>) -> String {
    fs::read_to_string(root().join(path)).expect("it can be read")
}

#[test]
fn every_page_of_the_guide_is_linked_and_compiled() {
    let (readme, library) = (text("README.md"), text("src/lib.rs"));
    let guide = pages("docs/guide");
    assert!(guide.len() >= 5, "{guide:?}");
    for page in guide {
        let name = page.file_name().and_then(|name| name.to_str());
        let path = format!("docs/guide/{}", name.expect("names are text"));
        assert!(
            readme.contains(&format!("({path})")),
            "README.md links no {path}"
        );
        let include = format!("include_str!(\"../{path}\")");
        assert!(
            library.contains(&include),
            "the documentation tests leave out {path}"
        );
    }
}

#[test]
fn every_page_of_a_recipe_is_linked_and_compiled() {
    let (overview, library) = (text("docs/guide/recipes.md"), text("recipes/src/lib.rs"));
    for page in pages("docs/guide/recipes") {
        let name = page.file_name().and_then(|name| name.to_str());
        let name = name.expect("names are text");
        assert!(
            overview.contains(&format!("(recipes/{name})")),
            "recipes.md links no {name}"
        );
        let include = format!("include_str!(\"../../docs/guide/recipes/{name}\")");
        assert!(
            library.contains(&include),
            "the documentation tests leave out {name}"
        );
    }
}

#[test]
fn the_page_about_errors_says_what_to_do_about_each_kind() {
    let (page, source) = (
        text("docs/guide/errors.md"),
        text("redis-core/src/error/kind.rs"),
    );
    let (_, kinds) = source
        .split_once("pub enum ErrorKind {\n")
        .expect("the kinds are there");
    let (kinds, _) = kinds.split_once("\n}").expect("they end");
    let is_name = |line: &&str| line.starts_with(char::is_uppercase);
    let kinds: Vec<&str> = kinds.lines().map(str::trim).filter(is_name).collect();
    assert!(kinds.len() > 15, "{kinds:?}");
    let named: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("| "))
        .filter_map(|line| line.split(" | ").next())
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    for kind in kinds {
        let name = kind.split(['(', ',']).next().unwrap_or_default();
        assert!(named.contains(&name), "docs/guide/errors.md lacks {name}");
    }
}

#[test]
fn links_lead_somewhere() {
    let mut checked = 0;
    for page in ["", "docs", "docs/guide", "docs/guide/recipes"]
        .into_iter()
        .flat_map(pages)
    {
        let text = text(&page);
        let targets = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split_once(')'));
        for (target, _) in targets {
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || target.contains("://") || target.contains(char::is_whitespace) {
                continue;
            }
            let folder = page.parent().expect("a file is in a folder");
            assert!(
                folder.join(file).exists(),
                "{} links {target}",
                page.display()
            );
            checked += 1;
        }
    }
    assert!(checked > 15, "{checked}");
}

/// All functions in the Rust files of a folder, and of those in it.
fn functions(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            functions(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("it can be read");
            let found = text.split("fn ").skip(1);
            names.extend(
                found
                    .filter_map(|rest| rest.split('(').next())
                    .map(str::to_owned),
            );
        }
    }
}

#[test]
fn every_test_that_the_page_about_reliability_names_exists() {
    let mut known = BTreeSet::new();
    for folder in ["redis-core/tests", "redis-core/src", "tests/integration"] {
        functions(&root().join(folder), &mut known);
    }
    let page = text("docs/reliability.md");
    let mut rows = BTreeMap::new();
    for line in page.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let tests: Vec<&str> = cells[4].split('`').skip(1).step_by(2).collect();
        for test in &tests {
            assert!(
                known.contains(*test),
                "{}: no test is called {test}",
                cells[1]
            );
        }
        rows.insert(cells[1].to_owned(), tests.len());
    }
    // Beside the tables, names of tests are known by their many words.
    let is_test = |word: &&str| {
        let is_of_name = |letter: char| letter.is_ascii_lowercase() || letter == '_';
        word.split('_').count() > 3 && word.chars().all(is_of_name)
    };
    for test in page.split('`').skip(1).step_by(2).filter(is_test) {
        assert!(known.contains(test), "no test is called {test}");
    }
    let faults = (1..=34).map(|number| format!("F{number}"));
    for row in faults.chain((1..=10).map(|number| format!("S{number}"))) {
        assert!(
            rows.get(&row).is_some_and(|tests| *tests > 0),
            "{row} has no test"
        );
    }
}
