//! Only what has a cursor can be read page by page.

use typedis::args::AggregateSteps;
use typedis::prelude::*;

fn wrong(conn: &Connection, pool: &Pool) {
    let _ = conn.get::<String>("key").stream();
    let _ = conn.ft_aggregate::<String>("shop", "*", AggregateSteps::new()).stream();
    let _ = pool.pipeline().scan::<String>(0).stream();
}

fn main() {}
