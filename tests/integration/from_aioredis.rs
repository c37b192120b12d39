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
fn every_test_is_there() {
    let page = read("docs/from-aioredis.md").expect("the page is there");
    let tests: Vec<_> = quoted(&page)
        .filter_map(|text| text.split_once(".rs::"))
        .collect();
    assert!(tests.len() > 70, "{}", tests.len());
    for (file, test) in tests {
        let source = read(&format!("{file}.rs")).unwrap_or_default();
        let there =
            source.contains(&format!("fn {test}(")) || source.contains(&format!("fn {test}<"));
        assert!(there, "{file}.rs has no test `{test}`");
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
        let row = |line: &str| {
            line.ends_with(&format!(".{method}]")) || line == format!("method = \"{method}\"")
        };
        let of_a_handle = OF_HANDLES.iter().any(|known| known == &method);
        let known = of_a_handle || spec.lines().any(row);
        assert!(known, "there is no method `{method}`");
        checked += 1;
    }
    assert!(checked > 60, "{checked}");
}
