//! `#[redis(array)]` where it means nothing.

use typedis::prelude::*;

#[derive(FromRedis)]
#[redis(array, rename_all = "camelCase")]
struct Named {
    #[redis(rename = "id")]
    number: u64,
    #[redis(flatten)]
    rest: Rest,
    #[redis(array)]
    list: Vec<u64>,
}

#[derive(FromRedis)]
#[redis(array)]
struct Rest(u64, u64);

#[derive(FromRedis)]
#[redis(array)]
enum Colour {
    Red,
}

#[derive(ToRedis)]
#[redis(array)]
struct Sent {
    number: u64,
}

fn main() {}
