//! What is repeated as a stream has to wait, on a socket of its own.

use typedis::prelude::*;

fn wrong(conn: &Connection, pool: &Pool) {
    let _ = conn.listen::<String>(["jobs"]);
    let _ = conn.tail::<String>([("entries", "$")]);
    let _ = pool.llen("jobs").repeat();
}

fn main() {}
