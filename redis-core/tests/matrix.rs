//! Every kind of reply against every kind of type: what it decodes into, or the error.
//!
//! The snapshots are the documentation of the conversions; `INSTA_UPDATE=always cargo test` writes them anew.

#![allow(clippy::unwrap_used, clippy::panic, clippy::type_complexity)]

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt::Debug;
use std::num::NonZero;

use bytes::Bytes;
use typedis_core::{Error, ErrorKind, Frame, FromRedis, ServerError, Value};

const REPLIES: &[&[u8]] = &[
    b"_\r\n",
    b"$-1\r\n",
    b"*-1\r\n",
    b":0\r\n",
    b":1\r\n",
    b":5\r\n",
    b":-1\r\n",
    b":300\r\n",
    b":16777217\r\n",
    b":9007199254740993\r\n",
    b"$0\r\n\r\n",
    b"$1\r\n5\r\n",
    b"$2\r\n-1\r\n",
    b"$3\r\n300\r\n",
    b"$3\r\n007\r\n",
    b"$2\r\n+5\r\n",
    b"$2\r\n5 \r\n",
    b"$5\r\n12abc\r\n",
    b"$4\r\n1.75\r\n",
    b"$3\r\n3.0\r\n",
    b"$3\r\n1e3\r\n",
    b"$3\r\ninf\r\n",
    b"$4\r\n-inf\r\n",
    b"$3\r\nnan\r\n",
    b"$5\r\n1e999\r\n",
    b"$20\r\n18446744073709551616\r\n",
    b"$3\r\nabc\r\n",
    b"$2\r\n\xc3\xa9\r\n",
    b"$3\r\n\xff\x00a\r\n",
    b"$2\r\nOK\r\n",
    b"$4\r\ntrue\r\n",
    b"$5\r\n[1,2]\r\n",
    b"+OK\r\n",
    b"+QUEUED\r\n",
    b"+5\r\n",
    b",1.75\r\n",
    b",3\r\n",
    b",1e+20\r\n",
    b",inf\r\n",
    b",-inf\r\n",
    b",nan\r\n",
    b"#t\r\n",
    b"#f\r\n",
    b"(5\r\n",
    b"(18446744073709551616\r\n",
    b"=7\r\ntxt:abc\r\n",
    b"-ERR no\r\n",
    b"!9\r\nWRONG no!\r\n",
    b"*0\r\n",
    b"~0\r\n",
    b"%0\r\n",
    b"*1\r\n:5\r\n",
    b"*1\r\n-ERR no\r\n",
    b"*2\r\n:1\r\n:2\r\n",
    b"*2\r\n$1\r\na\r\n:1\r\n",
    b"*2\r\n$1\r\na\r\n$1\r\n1\r\n",
    b"*2\r\n$1\r\na\r\n$-1\r\n",
    b"*3\r\n$1\r\na\r\n:1\r\n$1\r\nx\r\n",
    b"*4\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n:2\r\n",
    b"*4\r\n$1\r\na\r\n:1\r\n$1\r\na\r\n:2\r\n",
    b"*2\r\n*2\r\n$1\r\na\r\n:1\r\n*2\r\n$1\r\nb\r\n,2\r\n",
    b"*2\r\n*2\r\n$1\r\na\r\n:1\r\n*1\r\n$1\r\nb\r\n",
    b"*1\r\n*3\r\n$1\r\na\r\n:1\r\n$1\r\nx\r\n",
    b"*2\r\n$1\r\na\r\n*2\r\n:1\r\n$1\r\nx\r\n",
    b"~2\r\n$1\r\na\r\n$1\r\nb\r\n",
    b"~2\r\n:1\r\n:1\r\n",
    b"%1\r\n$1\r\na\r\n:1\r\n",
    b"%1\r\n$1\r\na\r\n,1.75\r\n",
    b"%2\r\n+a\r\n:1\r\n+b\r\n$1\r\n2\r\n",
    b"%1\r\n$1\r\na\r\n*2\r\n:1\r\n$1\r\nx\r\n",
    b">2\r\n:1\r\n:2\r\n",
];

fn frame(wire: &[u8]) -> Frame {
    Frame::parse(wire.to_vec()).unwrap()
}

/// The value, or the text of the error.
fn outcome<T: FromRedis + Debug>(wire: &[u8]) -> Result<String, String> {
    frame(wire)
        .decode::<T>()
        .map(|value| format!("{value:?}"))
        .map_err(|error| match error.kind() {
            ErrorKind::Decode(error) => error.to_string(),
            ErrorKind::Server(error) => format!("refused: {error}"),
            other => panic!("no decoding fails with {other:?}"),
        })
}

/// Each reply that the type accepts with its value, and then each error with the replies that cause it.
fn column<T: FromRedis + Debug>(name: &str, out: &mut String) {
    out.push_str(&format!("\n{name}\n"));
    let mut errors: Vec<(String, Vec<String>)> = Vec::new();
    for wire in REPLIES {
        let shown = wire.escape_ascii().to_string();
        let shown = shown.trim_end_matches("\\r\\n").replace("\\r\\n", " ");
        match outcome::<T>(wire) {
            Ok(value) => out.push_str(&format!("    {shown:<36}{value}\n")),
            Err(text) => match errors.iter_mut().find(|(error, _)| *error == text) {
                Some((_, replies)) => replies.push(shown),
                None => errors.push((text, vec![shown])),
            },
        }
    }
    for (error, replies) in errors {
        out.push_str(&format!("  {error}\n"));
        replies
            .chunks(8)
            .for_each(|line| out.push_str(&format!("    {}\n", line.join(" | "))));
    }
}

macro_rules! matrix {
    ($($group:ident: $($type:ty),+;)+) => {
        $(#[test]
        fn $group() {
            let mut out = String::new();
            $(column::<$type>(stringify!($type), &mut out);)+
            insta::assert_snapshot!(stringify!($group), out);
        })+

        /// RESP2 and RESP3 give the same result, whatever the type.
        #[test]
        fn protocols_agree() {
            for (resp2, resp3) in SAME {
                $($(assert_eq!(outcome::<$type>(resp2).ok(), outcome::<$type>(resp3).ok(), "{} {:?} {:?}",
                    stringify!($type), resp2.escape_ascii().to_string(), resp3.escape_ascii().to_string());)+)+
            }
        }
    };
}

matrix! {
    text: String, Box<str>, Cow<'static, str>, char, Bytes, Vec<u8>, [u8; 3];
    integers: i64, u8, u64, i128, NonZero<u16>;
    floats: f64, f32;
    scalars: bool, (), Option<i64>, Option<String>, Option<bool>, Result<i64, ServerError>;
    lists: Vec<String>, Vec<i64>, Vec<bool>, VecDeque<i64>, BTreeSet<String>, [i64; 2], Vec<Option<String>>,
        Vec<Result<i64, ServerError>>, Option<Vec<i64>>, Vec<Vec<u8>>;
    maps: BTreeMap<String, i64>, BTreeMap<String, String>, Option<BTreeMap<String, i64>>, BTreeMap<String, (i64, String)>;
    tuples: (String, i64), Option<(String, i64)>, Vec<(String, i64)>, Vec<(String, i64, String)>, [(String, i64); 2];
}

#[test]
fn values() {
    let mut out = String::new();
    column::<Value>("Value", &mut out);
    insta::assert_snapshot!("values", out);
}

#[cfg(feature = "json")]
#[test]
fn json() {
    let mut out = String::new();
    column::<typedis_core::Json<Vec<i64>>>("Json<Vec<i64>>", &mut out);
    column::<Option<typedis_core::Json<f64>>>("Option<Json<f64>>", &mut out);
    insta::assert_snapshot!("json", out);
}

/// The same value as RESP2 and as RESP3 sends it.
const SAME: &[(&[u8], &[u8])] = &[
    (b"$-1\r\n", b"_\r\n"),
    (b"*-1\r\n", b"_\r\n"),
    (b"$4\r\n1.75\r\n", b",1.75\r\n"),
    (b"+1.75\r\n", b",1.75\r\n"),
    (b"$1\r\n3\r\n", b",3\r\n"),
    (b"$5\r\n1e+20\r\n", b",1e+20\r\n"),
    (b"$3\r\ninf\r\n", b",inf\r\n"),
    (b"$4\r\n-inf\r\n", b",-inf\r\n"),
    (b"$3\r\nnan\r\n", b",nan\r\n"),
    (
        b"$20\r\n18446744073709551616\r\n",
        b"(18446744073709551616\r\n",
    ),
    (b"$3\r\nabc\r\n", b"=7\r\ntxt:abc\r\n"),
    (b"-ERR no\r\n", b"!6\r\nERR no\r\n"),
    (b"*0\r\n", b"%0\r\n"),
    (b"*0\r\n", b"~0\r\n"),
    (
        b"*2\r\n$1\r\na\r\n$1\r\nb\r\n",
        b"~2\r\n$1\r\na\r\n$1\r\nb\r\n",
    ),
    (b"*2\r\n$1\r\na\r\n:1\r\n", b"%1\r\n$1\r\na\r\n:1\r\n"),
    (
        b"*4\r\n$1\r\na\r\n$3\r\n1.5\r\n$1\r\nb\r\n$1\r\n2\r\n",
        b"%2\r\n$1\r\na\r\n,1.5\r\n$1\r\nb\r\n,2\r\n",
    ),
    (b"*3\r\n:1\r\n:2\r\n:3\r\n", b">3\r\n:1\r\n:2\r\n:3\r\n"),
    (
        b"*2\r\n$1\r\na\r\n*2\r\n$1\r\nx\r\n:1\r\n",
        b"%1\r\n$1\r\na\r\n%1\r\n$1\r\nx\r\n:1\r\n",
    ),
];

/// Pairs are flat in RESP2 and nested in RESP3, or the other way round; lists of tuples and maps take both.
#[test]
fn pairs_are_taken_flat_and_nested() {
    let flat = b"*4\r\n$1\r\na\r\n$3\r\n1.5\r\n$1\r\nb\r\n$1\r\n2\r\n";
    let nested = b"*2\r\n*2\r\n$1\r\na\r\n,1.5\r\n*2\r\n$1\r\nb\r\n,2\r\n";
    let map = b"%2\r\n$1\r\na\r\n,1.5\r\n$1\r\nb\r\n,2\r\n";
    let pairs = [("a".to_owned(), 1.5), ("b".to_owned(), 2.0)];
    for wire in [&flat[..], nested, map] {
        assert_eq!(frame(wire).decode::<Vec<(String, f64)>>().unwrap(), pairs);
        assert_eq!(
            frame(wire).decode::<HashMap<String, f64>>().unwrap(),
            HashMap::from(pairs.clone())
        );
    }
}

/// VSIM WITHSCORES WITHATTRIBS: three in a row in RESP2, a map to arrays of two in RESP3.
#[test]
fn triples_are_taken_flat_and_from_maps() {
    let flat = b"*6\r\n$1\r\na\r\n$1\r\n1\r\n$-1\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\nx\r\n";
    let map = b"%2\r\n$1\r\na\r\n*2\r\n,1\r\n_\r\n$1\r\nb\r\n*2\r\n,2\r\n$1\r\nx\r\n";
    for wire in [&flat[..], map] {
        let triples: Vec<(String, f64, Option<String>)> = frame(wire).decode().unwrap();
        assert_eq!(
            triples,
            [
                ("a".to_owned(), 1.0, None),
                ("b".to_owned(), 2.0, Some("x".to_owned()))
            ]
        );
    }
}

#[test]
fn hashed_collections_are_as_sorted_ones() {
    for wire in REPLIES {
        let (hashed, sorted) = (
            frame(wire).decode::<HashSet<String>>(),
            frame(wire).decode::<BTreeSet<String>>(),
        );
        assert_eq!(
            hashed.map(|set| set.into_iter().collect()).ok(),
            sorted.ok()
        );
        let hashed = frame(wire).decode::<HashMap<String, i64>>();
        let sorted = frame(wire).decode::<BTreeMap<String, i64>>();
        assert_eq!(
            hashed.map(|map| map.into_iter().collect()).ok(),
            sorted.ok()
        );
    }
}

/// What `.attempt()` gives: every failure is a value.
#[test]
fn failures_can_be_values() {
    let attempt = |wire: &[u8]| frame(wire).decode::<Result<i64, Error>>().unwrap();
    assert_eq!(attempt(b":5\r\n").unwrap(), 5);
    assert_eq!(
        attempt(b"-ERR no\r\n")
            .unwrap_err()
            .server()
            .unwrap()
            .code(),
        "ERR"
    );
    assert!(matches!(
        attempt(b"_\r\n").unwrap_err().kind(),
        ErrorKind::Decode(_)
    ));
    let lost = Error::new(ErrorKind::Timeout, typedis_core::Phase::MaybeApplied);
    assert!(
        Result::<i64, Error>::from_outcome(Err(lost))
            .unwrap()
            .unwrap_err()
            .is_timeout()
    );
}

/// An element that LPOP took from its list is in the error.
#[test]
fn a_reply_that_does_not_fit_is_not_lost() {
    let error = frame(b"$3\r\njob\r\n").decode::<i64>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the reply does not fit: expected an integer, got a string that is none"
    );
    assert_eq!(error.into_reply().unwrap().as_str(), Some("job"));
}

/// The keys of a map may be secret, and of any length.
#[test]
fn errors_of_maps_show_no_keys() {
    let twice = b"%2\r\n$7\r\ntok\nen1\r\n:1\r\n$7\r\ntok\nen1\r\n:2\r\n";
    let wrong = b"%1\r\n$7\r\ntok\nen1\r\n$1\r\nx\r\n";
    let pairs = b"*1\r\n*2\r\n$7\r\ntok\nen1\r\n$1\r\nx\r\n";
    for wire in [&twice[..], wrong, pairs] {
        let hashed = frame(wire).decode::<HashMap<String, i64>>().unwrap_err();
        let sorted = frame(wire).decode::<BTreeMap<String, i64>>().unwrap_err();
        assert_eq!(hashed.to_string(), sorted.to_string());
        let text = format!("{hashed} {hashed:?}");
        assert!(!text.contains("tok") && !text.contains('\n'), "{text}");
    }
}

#[test]
fn errors_say_where() {
    let wire = b"*2\r\n*2\r\n$1\r\na\r\n:1\r\n*2\r\n$1\r\nb\r\n%1\r\n$1\r\nx\r\n_\r\n";
    let error = frame(wire)
        .decode::<Vec<(String, BTreeMap<String, Option<i64>>)>>()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the reply does not fit: [0][1]: expected a map, got an integer"
    );
    let wire = b"*1\r\n*2\r\n$1\r\nb\r\n%1\r\n$1\r\nx\r\n_\r\n";
    let error = frame(wire)
        .decode::<Vec<(String, BTreeMap<String, i64>)>>()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the reply does not fit: [0][1][0]: expected an integer, got nil"
    );
}

#[test]
fn long_strings_are_not_copied() {
    let mut wire = b"$5000\r\n".to_vec();
    wire.resize(wire.len() + 5000, b'x');
    wire.extend_from_slice(b"\r\n");
    let frame = frame(&wire);
    let range = frame.as_bytes().as_ptr_range();
    let bytes: Bytes = frame.decode().unwrap();
    assert_eq!(bytes.len(), 5000);
    assert!(range.contains(&bytes.as_ptr()));
}
