//! The tables of `docs/guide/from-redis-rs.md` and `docs/guide/from-fred.md` show what is compiled: their last column the code
//! of the same page, their first column a program of the benches' workspace, which has the other clients (`cargo xtask pages`).

struct Page {
    text: &'static str,
    /// The calls of the other client.
    theirs: &'static str,
}

const FROM_REDIS_RS: Page = Page {
    text: include_str!("../../docs/guide/from-redis-rs.md"),
    theirs: include_str!("../../benches/peers/pages/src/redis.rs"),
};

const FROM_FRED: Page = Page {
    text: include_str!("../../docs/guide/from-fred.md"),
    theirs: include_str!("../../benches/peers/pages/src/fred.rs"),
};

impl Page {
    /// The rows of the table, as the texts between backticks of their two cells.
    fn rows(&self) -> Vec<[Vec<&'static str>; 2]> {
        let rows = self.text.lines().filter(|line| line.starts_with("| "));
        let cells = rows.skip(2).filter_map(|row| row.rsplit_once(" | "));
        cells
            .map(|(theirs, ours)| [calls(theirs), calls(ours)])
            .collect()
    }

    /// The code of the page, which the documentation tests compile.
    fn ours(&self) -> String {
        let blocks = self.text.split("```");
        let code = blocks
            .skip(1)
            .step_by(2)
            .filter_map(|block| block.strip_prefix("rust\n"));
        code.collect()
    }

    fn check(&self) {
        let (rows, ours) = (self.rows(), self.ours());
        assert!(rows.len() >= 20, "{rows:?}");
        for [left, right] in rows {
            assert!(!right.is_empty(), "{left:?} has no counterpart");
            for call in left {
                assert!(is_in(call, self.theirs), "no program has `{call}`");
            }
            for call in right {
                assert!(is_in(call, &ours), "no code of the page has `{call}`");
            }
        }
    }
}

fn calls(cell: &'static str) -> Vec<&'static str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Whether the code has the call, however its lines are broken.
fn is_in(call: &str, code: &str) -> bool {
    without_blanks(code).contains(&without_blanks(call))
}

fn without_blanks(text: &str) -> String {
    let text: String = text.split_whitespace().collect();
    // Where a call is broken into lines, its last argument has a comma behind it.
    text.replace(",)", ")")
}

#[test]
fn each_row_of_redis_rs_is_compiled_on_both_sides() {
    FROM_REDIS_RS.check();
}

#[test]
fn each_row_of_fred_is_compiled_on_both_sides() {
    FROM_FRED.check();
}
