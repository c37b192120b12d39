//! Every shape of the notation, expanded against the core: it compiles, and sends the words that its syntax says.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

// Expansions name the facade; here this test stands for it.
extern crate self as typedis;

#[doc(hidden)]
pub use typedis_core as __core;

/// What rows are checked against.
pub mod commands {
    pub static KNOWN: typedis_core::KnownCommands = typedis_core::KnownCommands::new(&[]);
}

use typedis_core::{Args, BlockMilliseconds, IntoRequest, Milliseconds, Seconds, Timeout, cmd};

typedis_macros::commands! { from "tests/data/shapes.toml" }

mod generated {
    use super::*;

    typedis_macros::spec_cases! { from "tests/data/shapes.toml" }
}

/// The same file as one trait, with everything in the module `every_shape`.
mod single {
    use typedis_core::{BlockMilliseconds, Milliseconds, Seconds, Timeout};

    typedis_macros::commands! { pub(crate) trait EveryShapeCommands from "tests/data/shapes.toml" }
}

fn words(args: &Args) -> String {
    let words = args.to_words();
    let texts: Vec<_> = words
        .iter()
        .map(|word| String::from_utf8_lossy(word))
        .collect();
    texts.join(" ")
}

fn sent<C: IntoRequest<Sink = typedis_core::Detached>>(command: C) -> String {
    words(&command.into_request().into_args())
}

#[test]
fn every_command_and_option_is_sent_as_its_syntax_says() {
    let cases = generated::cases();
    assert!(cases.len() > 80, "{}", cases.len());
    for case in cases {
        let args = (case.build)();
        let keys: Vec<usize> = args
            .key_positions()
            .iter()
            .map(|key| *key as usize)
            .collect();
        assert_eq!(
            args.to_words(),
            case.words,
            "{}: {}",
            case.call,
            words(&args)
        );
        assert_eq!(keys, case.keys, "{}", case.call);
        assert_eq!(args.info().name, case.command);
        assert_eq!(args.block_limit().is_some(), case.blocking, "{}", case.call);
    }
}

/// Written by hand, so that a mistake common to the expansion and the cases shows.
#[test]
fn words_are_those_of_the_documentation() {
    assert_eq!(sent(cmd().nothing()), "NOTHING");
    assert_eq!(sent(cmd().literals("k", "f")), "LITERALS GROUP k  FIELDS f");
    assert_eq!(
        sent(cmd().config_get::<String, String>(["a", "b"])),
        "CONFIG GET a b"
    );
    assert_eq!(
        sent(
            cmd()
                .zinter::<String>(["a", "b"])
                .with_scores()
                .weights([1, 2])
        ),
        "ZINTER 2 a b WEIGHTS 1 2 WITHSCORES"
    );
    assert_eq!(
        sent(cmd().zinter::<String>(["a"]).aggregate(Aggregate::Max)),
        "ZINTER 1 a AGGREGATE MAX"
    );
    let none: [&str; 0] = [];
    assert_eq!(
        sent(cmd().eval::<i64>("return 1", none, ["x"])),
        "EVAL return 1 0 x"
    );
    assert_eq!(
        sent(cmd().words("k", [("f", 1), ("g", 2)]).params(["x", "y"])),
        "WORDS k 4 f 1 g 2 PARAMS 2 x y"
    );
    assert_eq!(
        sent(cmd().geoadd("k", (1.5, 2.5, "m")).ch().nx()),
        "GEOADD k NX CH 1.5 2.5 m"
    );
    assert_eq!(sent(cmd().msetex([("a", 1), ("b", 2)])), "MSETEX 2 a 1 b 2");
    assert_eq!(
        sent(
            cmd()
                .xread::<i64>([("a", "0"), ("b", "1")])
                .block(10)
                .count(5)
        ),
        "XREAD COUNT 5 BLOCK 10 STREAMS a b 0 1"
    );
    assert_eq!(
        sent(cmd().set("k", "v").ex(5).return_old::<String>().nx()),
        "SET k v NX GET EX 5"
    );
    assert_eq!(
        sent(cmd().zadd("k", [(1.5, "m")]).incr().gt().xx()),
        "ZADD k XX GT INCR 1.5 m"
    );
    assert_eq!(
        sent(
            cmd()
                .zrange::<String>("k", 0, 9)
                .byscore()
                .limit(0, 5)
                .rev()
        ),
        "ZRANGE k 0 9 BYSCORE REV LIMIT 0 5"
    );
    assert_eq!(
        sent(cmd().hrandfield::<String>("k").count(2).withvalues::<i64>()),
        "HRANDFIELD k 2 WITHVALUES"
    );
    assert_eq!(
        sent(cmd().bitcount("k").range(0, 1).bit()),
        "BITCOUNT k 0 1 BIT"
    );
    assert_eq!(
        sent(
            cmd()
                .pending::<i64>("k")
                .range("-", "+", 9)
                .consumer("c")
                .idle(7)
        ),
        "PENDING k IDLE 7 - + 9 c"
    );
    assert_eq!(
        sent(
            cmd()
                .sort::<String>("k")
                .asc()
                .get_pattern("a")
                .by("w")
                .get_pattern("b")
        ),
        "SORT k BY w GET a GET b ASC"
    );
    assert_eq!(
        sent(
            cmd()
                .geosearch::<String>("k")
                .count(1)
                .byradius(5.0, Distance::Km)
                .any()
                .frommember("m")
        ),
        "GEOSEARCH k FROMMEMBER m BYRADIUS 5.0 km COUNT 1 ANY"
    );
    assert_eq!(
        sent(cmd().list_by::<String>().filterby_pattern("p")),
        "LIST BY FILTERBY PATTERN p"
    );
    assert_eq!(
        sent(cmd().append_at("k", ["a", "b"]).path("$")),
        "APPENDAT k $ a b"
    );
    assert_eq!(
        sent(cmd().mget_raw::<String>("k").field(["a", "b"])),
        "MGETRAW k a b"
    );
    assert_eq!(
        sent(cmd().lmove::<String>("a", "b", ListEnd::Left, ListEnd::Right)),
        "LMOVE a b LEFT RIGHT"
    );
}

#[test]
fn the_caller_need_not_choose_what_the_reply_no_longer_has() {
    // Without this rule nobody could tell what `T` is.
    let request = cmd().sort("k").store("d");
    assert_eq!(sent(request), "SORT k STORE d");
}

#[test]
fn an_option_can_take_the_safety_of_repeating_away() {
    let args = |request: typedis_core::Request<_, bool>| request.into_args();
    assert!(
        cmd()
            .set("k", "v")
            .into_request()
            .into_args()
            .is_idempotent()
    );
    assert!(args(cmd().set("k", "v").xx().into_request()).is_idempotent());
    assert!(!args(cmd().set("k", "v").nx().into_request()).is_idempotent());
}

#[test]
fn the_facts_of_a_command_are_in_its_static() {
    let info = &options::SET;
    assert_eq!(
        (info.name, info.header, info.words),
        ("SET", &b"$3\r\nSET\r\n"[..], 1)
    );
    assert!(info.idempotent && !info.readonly);
    assert!(plain::GET.cacheable && plain::GET.readonly && !plain::NOTHING.cacheable);
    assert!(!records::XREAD.cacheable && !records::XREAD.blocking);
    assert!(connection::BLPOP.blocking);
    assert_eq!(
        connection::SELECT.state,
        Some(typedis_core::StateChange::Database)
    );
    assert_eq!(
        lists::DEL.request_policy,
        typedis_core::RequestPolicy::MultiShard
    );
    assert_eq!(
        lists::DEL.response_policy,
        typedis_core::ResponsePolicy::AggSum
    );
    assert_eq!(plain::CONFIG_GET.words, 2);
}

#[test]
fn a_file_can_be_one_trait() {
    use single::EveryShapeCommands as Shapes;
    use single::every_shape::ListEnd;
    assert_eq!(
        sent(Shapes::lmove::<String>(
            cmd(),
            "a",
            "b",
            ListEnd::Right,
            ListEnd::Left
        )),
        "LMOVE a b RIGHT LEFT"
    );
    let set: single::every_shape::Set<_, ()> = Shapes::set(cmd(), "k", "v");
    assert_eq!(sent(set.px(5)), "SET k v PX 5");
}

/// Where the names that everybody knows mean other things.
mod crowded {
    #![allow(dead_code, unused_imports)]

    use typedis_core::{Seconds, Timeout};

    enum Level {
        None,
        Some,
        Ok,
        Err,
    }
    use Level::*;

    struct Option;
    struct Result;
    struct Vec;
    struct String;
    struct Box;
    struct Default;
    struct From;
    struct Copy;

    /// With the method of the trait that it hides.
    trait Into {
        fn into(self);
    }
    impl<T> Into for T {
        fn into(self) {}
    }

    /// With the method of the trait that it hides.
    trait Future {
        fn poll(self);
    }
    impl<T> Future for T {
        fn poll(self) {}
    }

    typedis_macros::commands! { pub(super) trait CrowdCommands from "tests/data/crowded.toml" }
}

#[test]
fn names_that_mean_other_things_do_not_reach_into_an_expansion() {
    use crowded::CrowdCommands as Crowd;
    use crowded::crowd::ListEnd;
    let push = || Crowd::push(cmd(), "k", ListEnd::Left, "v");
    assert_eq!(
        sent(push().limit(1, 2).range(3, "x").ex(5).at(ListEnd::Right)),
        "CROWD.PUSH k LEFT v LIMIT 1 2 RANGE 3 x EX 5 AT RIGHT"
    );
    assert_eq!(
        sent(push().limit(None, None).px(6)),
        "CROWD.PUSH k LEFT v PX 6"
    );
    assert_eq!(
        sent(Crowd::keep(cmd(), "k", 60).all()),
        "CROWD.KEEP k 60 ALL"
    );
    assert_eq!(
        sent(Crowd::wait(cmd(), ["a", "b"], 0.5)),
        "CROWD.WAIT a b 0.5"
    );
}
