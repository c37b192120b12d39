//! What the guide shows of other clients, compiled with these clients: `cargo xtask pages`.
//!
//! The tests in `tests/integration/from_others.rs` check that each call in the left column of a page stands in the file of its
//! client.

#![allow(
    dead_code,
    unused_variables,
    reason = "it has to compile; nothing runs it"
)]

mod fred;

/// The calls of redis-rs are the same in both of its versions.
mod redis_1 {
    use redis1 as redis;
    include!("redis.rs");
}

mod redis_2 {
    use redis2 as redis;
    include!("redis.rs");
}
