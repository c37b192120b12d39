//! All faults of an item are reported at once, each at its place.

use typedis::prelude::*;

#[derive(FromRedis, ToRedis)]
#[redis(rename_all = "camelcase")]
struct User {
    #[redis(renam = "id")]
    number: u64,
    #[redis(skip, json)]
    cache: Vec<u8>,
}

#[derive(FromRedis)]
enum Shape {
    Circle(f64),
}

#[derive(FromRedis)]
struct Borrowed<'a> {
    name: &'a str,
}

fn main() {}
