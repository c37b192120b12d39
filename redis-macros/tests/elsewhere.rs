//! The facade is where the input says; there is none at `::typedis`.

#![allow(missing_docs, clippy::unwrap_used)]

// Nothing is in it that an expansion could name.
extern crate self as typedis;

use typedis_core::{Frame, IntoRequest, cmd};

/// A crate that hands the facade on.
pub mod framework {
    pub mod kv {
        pub use typedis_core as __core;

        pub mod commands {
            pub static KNOWN: typedis_core::KnownCommands = typedis_core::KnownCommands::new(&[]);
        }
    }
}

mod by_crate {
    use typedis_core::{Seconds, Timeout};

    typedis_macros::commands! {
        crate = crate::framework::kv;
        pub(super) trait CrowdCommands from "tests/data/crowded.toml"
    }
}

mod by_self {
    use typedis_core::{Seconds, Timeout};

    use super::framework as deps;

    typedis_macros::commands! {
        crate = self::deps::kv;
        pub(super) trait CrowdCommands from "tests/data/crowded.toml"
    }
}

mod by_super {
    use typedis_core::{Seconds, Timeout};

    typedis_macros::commands! {
        crate = super::framework::kv;
        pub(super) trait CrowdCommands from "tests/data/crowded.toml"
    }
}

/// With a trait for each group.
mod by_name {
    use typedis_core::{Seconds, Timeout};

    use super::framework::kv;

    typedis_macros::commands! { crate = kv; from "tests/data/crowded.toml"; crowd: push keep wait; }
}

#[test]
fn commands_find_the_facade_where_it_is() {
    use by_crate::CrowdCommands as ByCrate;
    use by_name::CrowdCommands as ByName;
    use by_self::CrowdCommands as BySelf;
    use by_super::CrowdCommands as BySuper;

    let calls = [
        ByCrate::keep(cmd(), "k", 1).all().into_request(),
        BySelf::keep(cmd(), "k", 1).all().into_request(),
        BySuper::keep(cmd(), "k", 1).all().into_request(),
        ByName::keep(cmd(), "k", 1).all().into_request(),
    ];
    for call in calls {
        let words = call.into_args().to_words();
        assert_eq!(words, ["CROWD.KEEP", "k", "1", "ALL"].map(Vec::from));
    }
}

mod derived {
    use super::framework as deps;

    #[derive(Debug, PartialEq, typedis_macros::FromRedis, typedis_macros::ToRedis)]
    #[redis(crate = "self::deps::kv")]
    pub(super) enum Level {
        Low,
        High,
    }

    #[derive(Debug, PartialEq, typedis_macros::FromRedis, typedis_macros::ToRedis)]
    #[redis(crate = "super::framework::kv")]
    pub(super) struct Id(pub(super) u64);

    #[derive(Debug, PartialEq, typedis_macros::FromRedis, typedis_macros::ToRedis)]
    #[redis(crate = "crate::framework::kv")]
    pub(super) struct Point(pub(super) f64, pub(super) f64);

    #[derive(Debug, PartialEq, typedis_macros::FromRedis, typedis_macros::ToRedis)]
    #[redis(rename_all = "UPPERCASE", crate = "deps::kv")]
    pub(super) struct Entry {
        pub(super) id: Id,
        pub(super) level: Option<Level>,
    }
}

#[test]
fn derives_find_the_facade_where_it_is() {
    use derived::{Entry, Id, Level, Point};

    #[derive(Debug, PartialEq, typedis_macros::FromRedis)]
    #[redis(crate = "framework::kv")]
    struct Inside(u8);

    let frame = |wire: &'static str| Frame::parse(wire).unwrap();
    let entry: Entry = frame("%1\r\n+ID\r\n:7\r\n").decode().unwrap();
    let (id, level) = (Id(7), None);
    assert_eq!(entry, Entry { id, level });
    assert_eq!(frame("+High\r\n").decode::<Level>().unwrap(), Level::High);
    let point: Point = frame("*2\r\n,1\r\n,2\r\n").decode().unwrap();
    assert_eq!(point, Point(1.0, 2.0));
    assert_eq!(frame(":1\r\n").decode::<Inside>().unwrap(), Inside(1));
}
