//! Structs as arrays: tuple structs, and fields by their places.

use std::rc::Rc;
use std::sync::Arc;

use typedis::{FromRedis, ToRedis};

use crate::{arguments, error, frame};

#[derive(Debug, Clone, Copy, PartialEq, FromRedis, ToRedis)]
struct Point(f64, f64);

#[test]
fn a_tuple_struct_is_an_array() {
    assert_eq!(arguments(&Point(1.5, -2.0)), ["1.5", "-2.0"]);
    assert_eq!(
        frame("*2 ,1.5 $2 -2").decode::<Point>().unwrap(),
        Point(1.5, -2.0)
    );
    assert_eq!(
        frame("*4 ,1 ,2 ,3 ,4").decode::<Vec<Point>>().unwrap(),
        [Point(1.0, 2.0), Point(3.0, 4.0)]
    );
    assert_eq!(
        frame("*2 *2 ,1 ,2 *2 ,3 ,4")
            .decode::<Vec<Point>>()
            .unwrap()[1],
        Point(3.0, 4.0)
    );
    assert_eq!(frame("*0").decode::<Option<Point>>().unwrap(), None);
    assert_eq!(
        error::<Point>("*1 ,1"),
        "expected an array of 2, got an array of 1"
    );
    assert_eq!(
        error::<Vec<Point>>("*2 ,1 +x"),
        "[0][1]: expected a number, got a simple string that is none, or too great"
    );
}

/// The fields of an array, by their places.
#[derive(FromRedis, Debug, PartialEq)]
#[redis(array)]
struct Visit<T> {
    page: T,
    #[redis(skip)]
    cached: bool,
    #[redis(json)]
    tags: Vec<String>,
    #[redis(default = "one")]
    count: u64,
    referrer: Option<String>,
}

fn one() -> u64 {
    1
}

fn visit(tags: &[&str], count: u64, referrer: Option<&str>) -> Visit<String> {
    Visit {
        page: "home".to_owned(),
        cached: false,
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        count,
        referrer: referrer.map(str::to_owned),
    }
}

#[test]
fn a_struct_is_decoded_from_an_array_whose_end_may_be_missing_or_unknown() {
    let whole = frame("*4 $4 home $5 [\"a\"] :3 $1 x");
    assert_eq!(
        whole.decode::<Visit<String>>().unwrap(),
        visit(&["a"], 3, Some("x"))
    );
    let nil = frame("*4 $4 home $2 [] $1 3 _");
    assert_eq!(nil.decode::<Visit<String>>().unwrap(), visit(&[], 3, None));
    let short = frame("*2 $4 home $2 []");
    assert_eq!(
        short.decode::<Visit<String>>().unwrap(),
        visit(&[], 1, None)
    );
    let newer = frame("*6 $4 home $2 [] :3 $1 x :7 :8");
    assert_eq!(
        newer.decode::<Visit<String>>().unwrap(),
        visit(&[], 3, Some("x"))
    );
    let list = frame("*2 *2 $4 home $2 [] *2 $4 home $2 []");
    assert_eq!(list.decode::<Vec<Visit<String>>>().unwrap().len(), 2);
}

#[test]
fn an_array_that_is_nil_or_empty_is_an_absent_struct() {
    for wire in ["_", "*-1", "*0"] {
        assert_eq!(frame(wire).decode::<Option<Visit<String>>>().unwrap(), None);
    }
}

#[test]
fn errors_in_an_array_name_the_field() {
    assert_eq!(
        error::<Visit<u64>>("*2 $1 x $2 []"),
        "page: expected an integer, got a string that is none"
    );
    assert_eq!(
        error::<Visit<String>>("*1 $4 home"),
        "the field `tags` is missing"
    );
    assert_eq!(
        error::<Visit<String>>("%1 $4 home $2 []"),
        "expected an array, got a map of 1"
    );
    assert_eq!(
        error::<Visit<String>>("$4 home"),
        "expected an array, got a string"
    );
}

/// All of its elements are needed.
#[derive(FromRedis, Debug, Clone, PartialEq)]
#[redis(array)]
struct Scored {
    member: String,
    score: f64,
    #[redis(skip)]
    rank: u8,
}

/// The members and scores of a sorted set: as RESP3 sends them, as RESP2 does, and as a map.
const SCORES: [&str; 3] = [
    "*2 *2 $1 a ,1 *2 $1 b ,2.5",
    "*4 $1 a $1 1 $1 b $3 2.5",
    "%2 $1 a $1 1 $1 b $3 2.5",
];

fn scored() -> [Scored; 2] {
    [("a", 1.0), ("b", 2.5)].map(|(member, score)| Scored {
        member: member.to_owned(),
        score,
        rank: 0,
    })
}

#[test]
fn structs_from_arrays_may_follow_each_other_in_one() {
    for wire in SCORES {
        let list = frame(wire).decode::<Vec<Scored>>();
        assert_eq!(list.unwrap(), scored(), "{wire}");
    }
    assert_eq!(frame("*0").decode::<Vec<Scored>>().unwrap(), []);
    assert_eq!(
        error::<Vec<Scored>>("*3 $1 a $1 1 $1 b"),
        "expected elements in groups of 2, got an array of 3"
    );
    assert_eq!(
        error::<Vec<Scored>>("*4 $1 a $1 1 $1 b $1 x"),
        "[1].score: expected a number, got a string that is none, or too great"
    );
}

#[test]
fn structs_whose_elements_may_be_missing_do_not_follow_each_other() {
    // Where one ends and the next begins would be a guess.
    assert_eq!(
        error::<Vec<Visit<String>>>("*4 $4 home $2 [] $1 1 $1 x"),
        "[0]: expected an array, got a string"
    );

    #[derive(FromRedis, Debug)]
    #[redis(array)]
    #[allow(dead_code)]
    struct Either<T> {
        key: String,
        value: T,
    }
    let flat = "*2 $1 a $1 1";
    let text = error::<Vec<Either<Option<u8>>>>(flat);
    assert_eq!(text, "[0]: expected an array, got a string");
    assert_eq!(frame(flat).decode::<Vec<Either<u8>>>().unwrap().len(), 1);
}

#[test]
fn what_is_in_a_box_comes_in_every_layout_too() {
    for wire in SCORES {
        let boxed = frame(wire).decode::<Vec<Box<(String, f64)>>>().unwrap();
        assert_eq!(*boxed[1], ("b".to_owned(), 2.5), "{wire}");
        let counted = frame(wire).decode::<Vec<Rc<(String, f64)>>>().unwrap();
        assert_eq!(*counted[1], ("b".to_owned(), 2.5), "{wire}");
        let shared = frame(wire).decode::<Vec<Arc<Scored>>>().unwrap();
        assert_eq!(*shared[0], scored()[0], "{wire}");
    }
}
