//! `docs/from-aioredis.md` names tests and methods that exist.

use std::fs;
use std::path::Path;

fn read(path: &str) -> Option<String> {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).ok()
}

/// The page's texts between backticks.
fn quoted(page: &str) -> impl Iterator<Item = &str> {
    let lines = page.lines();
    lines.flat_map(|line| line.split('`').skip(1).step_by(2))
}

#[test]
fn every_test_is_run() {
    let page = read("docs/from-aioredis.md").expect("the page is there");
    let tests: Vec<_> = quoted(&page)
        .filter_map(|text| text.split_once(".rs::"))
        .collect();
    assert!(tests.len() > 70, "{}", tests.len());
    for (file, test) in tests {
        let source = read(&format!("{file}.rs")).unwrap_or_default();
        assert!(
            is_run(&source, test) || must_not_compile(file),
            "{file}.rs runs no test `{test}`"
        );
        assert!(is_compiled(file), "no target compiles {file}.rs");
    }
}

/// Whether a function is a test that is not ignored, on its own account or by a list of tests for each server.
fn is_run(source: &str, test: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let is_function = |line: &&str| {
        line.contains(&format!("fn {test}(")) || line.contains(&format!("fn {test}<"))
    };
    let Some(at) = lines.iter().position(is_function) else {
        return false;
    };
    let is_attribute = |line: &&&str| line.starts_with("#[");
    let attributes: Vec<_> = lines[..at].iter().rev().take_while(is_attribute).collect();
    let begins = |text: &str| attributes.iter().any(|line| line.starts_with(text));
    let is_listed =
        source.contains("on_servers! {") && lines.contains(&format!("{test};").as_str());
    (begins("#[test]") || begins("#[tokio::test") || is_listed) && !begins("#[ignore")
}

/// Whether a file is one of those that tests/ui.rs compiles in vain.
fn must_not_compile(file: &str) -> bool {
    file.starts_with("tests/ui/") && read(&format!("{file}.stderr")).is_some()
}

/// Whether it is a target of its own, or a module of one.
fn is_compiled(file: &str) -> bool {
    let Some((folder, module)) = file.rsplit_once('/') else {
        return false;
    };
    let main = read(&format!("{folder}/main.rs"));
    let is_module = |main: String| module == "main" || main.contains(&format!("mod {module};"));
    folder.ends_with("tests") || folder == "tests/ui" || main.is_some_and(is_module)
}

/// The cells of each row of the tables whose last column has this heading.
fn rows<'p>(page: &'p str, heading: &str) -> Vec<Vec<&'p str>> {
    let cells = |line: &'p str| -> Vec<&'p str> {
        let inner = line.trim_start_matches('|').trim_end_matches('|');
        inner.split(" | ").map(str::trim).collect()
    };
    let mut found = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if line.starts_with('|') && cells(line).last() == Some(&heading) {
            let rows = lines
                .by_ref()
                .skip(1)
                .take_while(|line| line.starts_with('|'));
            found.extend(rows.map(cells));
        }
    }
    found
}

#[test]
fn a_row_without_a_test_says_why() {
    let page = read("docs/from-aioredis.md").expect("the page is there");
    let rows = rows(&page, "test");
    assert!(rows.len() > 90, "{}", rows.len());
    for row in rows {
        let [_, here, test] = row[..] else {
            panic!("not three cells: {row:?}");
        };
        assert!(
            test.contains(".rs::") || here.starts_with("left out: "),
            "{row:?}"
        );
    }
}

/// Methods of handles, which no row of the spec stands for.
const OF_HANDLES: [&str; 15] = [
    "abort",
    "available",
    "close",
    "config",
    "exclusive",
    "is_closed",
    "pipeline",
    "publish_json",
    "psubscribe",
    "run",
    "ssubscribe",
    "subscribe",
    "subscriber",
    "tail",
    "transaction",
];

/// Whether the spec has a method of this name.
fn is_method(spec: &str, method: &str) -> bool {
    let row = |line: &str| {
        line.ends_with(&format!(".{method}]")) || line == format!("method = \"{method}\"")
    };
    spec.lines().any(row)
}

#[test]
fn every_method_is_there() {
    let page = read("docs/from-aioredis.md").expect("the page is there");
    let spec = read("commands.toml").expect("the spec is there");
    let mut checked = 0;
    for text in quoted(&page) {
        let Some(call) = ["conn.", "own.", "pool."]
            .iter()
            .find_map(|on| text.strip_prefix(on))
        else {
            continue;
        };
        let Some((method, _)) = call.split_once('(') else {
            continue;
        };
        assert!(
            OF_HANDLES.contains(&method) || is_method(&spec, method),
            "there is no method `{method}`"
        );
        checked += 1;
    }
    assert!(checked > 60, "{checked}");
}

#[test]
fn what_is_called_the_same_is_there() {
    let page = read("docs/from-aioredis.md").expect("the page is there");
    let spec = read("commands.toml").expect("the spec is there");
    let groups = page
        .split_once("| group | the same here | test |")
        .expect("the table is there");
    let groups = groups
        .1
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let mut checked = 0;
    for method in groups.flat_map(|row| row.split('`').skip(1).step_by(2)) {
        if !method.contains("::") {
            assert!(is_method(&spec, method), "there is no method `{method}`");
            checked += 1;
        }
    }
    assert!(checked > 170, "{checked}");
}
