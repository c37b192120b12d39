//! The expansions name everything by its full path.

#![no_implicit_prelude]
#![allow(dead_code, non_camel_case_types)]

/// These names mean other things here.
struct Option;
struct Result;
struct String;
struct Some;
struct Ok;

#[derive(::typedis::FromRedis, ::typedis::ToRedis)]
struct Map {
    reply: u8,
    out: ::std::option::Option<u8>,
    #[redis(default)]
    value: u8,
    #[redis(json)]
    key: ::std::option::Option<u8>,
    #[redis(skip)]
    field: u8,
}

#[derive(::typedis::FromRedis)]
#[redis(array)]
struct Row {
    elements: u8,
    slots: ::std::option::Option<u8>,
    #[redis(json)]
    reply: u8,
}

#[derive(::typedis::FromRedis, ::typedis::ToRedis)]
struct Array(u8, u8);

#[derive(::typedis::FromRedis, ::typedis::ToRedis)]
struct Newtype(u8);

#[derive(::typedis::FromRedis, ::typedis::ToRedis)]
enum Word {
    Ok,
    Some,
    None,
}

#[derive(::typedis::FromRedis, ::typedis::ToRedis)]
struct OnlyFlat {
    #[redis(flatten)]
    map: Map,
}
