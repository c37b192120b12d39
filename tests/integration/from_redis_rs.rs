//! The table of `docs/guide/from-redis-rs.md` shows what the code of the same page compiles.

const PAGE: &str = include_str!("../../docs/guide/from-redis-rs.md");

/// The texts between backticks in the last column of the table.
fn shown() -> impl Iterator<Item = &'static str> {
    let rows = PAGE.lines().filter(|line| line.starts_with("| "));
    let cells = rows.skip(2).filter_map(|row| row.rsplit(" | ").next());
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2))
}

/// The code of the page, which the documentation tests compile.
fn compiled() -> String {
    let blocks = PAGE.split("```");
    let code = blocks
        .skip(1)
        .step_by(2)
        .filter_map(|block| block.strip_prefix("rust\n"));
    code.collect()
}

#[test]
fn each_row_is_compiled() {
    let (compiled, shown) = (compiled(), Vec::from_iter(shown()));
    assert!(shown.len() >= 20, "{shown:?}");
    for call in shown {
        assert!(compiled.contains(call), "no code of the page has `{call}`");
    }
}
