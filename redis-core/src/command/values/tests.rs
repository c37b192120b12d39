#![allow(clippy::unwrap_used, clippy::needless_borrows_for_generic_args)]

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::num::NonZero;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::command::command_info;
use crate::command::duration::{SignedMilliseconds, SignedSeconds};
use crate::{
    Args, BlockLimit, BlockMilliseconds, CommandInfo, Keys, Milliseconds, Seconds, Text, Timeout,
    ToArg, ToArgs, ToRecords, UnixMilliseconds, UnixSeconds, Within, each,
};
use bytes::{Bytes, BytesMut};

static ECHO: CommandInfo = command_info!("ECHO");

fn command(write: impl FnOnce(&mut Args)) -> Vec<String> {
    let mut args = Args::new(&ECHO, Keys::Ignored);
    write(&mut args);
    args.to_words()
        .into_iter()
        .skip(1)
        .map(|word| String::from_utf8_lossy(&word).into_owned())
        .collect()
}

fn sent(args: impl ToArgs) -> Vec<String> {
    command(|out| out.args("value", &args))
}

fn one(arg: impl ToArg) -> String {
    let mut words = command(|out| out.arg("value", &arg));
    assert_eq!(words.len(), 1);
    words.remove(0)
}

#[test]
fn text_and_bytes_are_one_argument() {
    let text = || "a b".to_owned();
    for words in [
        sent("a b"),
        sent(text()),
        sent(&text()),
        sent(Box::<str>::from("a b")),
        sent(Rc::<str>::from("a b")),
        sent(Arc::<str>::from("a b")),
        sent(Arc::new(text())),
        sent(Cow::Borrowed("a b")),
        sent(b"a b"),
        sent(*b"a b"),
        sent(&b"a b"[..]),
        sent(b"a b".to_vec()),
        sent(Cow::Borrowed(&b"a b"[..])),
        sent(Box::<[u8]>::from(&b"a b"[..])),
        sent(Bytes::from_static(b"a b")),
        sent(BytesMut::from("a b")),
        sent(format_args!("{} {}", 'a', "b")),
    ] {
        assert_eq!(words, ["a b"]);
    }
    assert_eq!(one("a b"), "a b");
    assert_eq!(
        (one(b"a b"), one(b"a b".to_vec())),
        ("a b".to_owned(), "a b".to_owned())
    );
    assert_eq!((one('é'), one("")), ("é".to_owned(), String::new()));
}

#[test]
fn numbers_are_digits() {
    assert_eq!(one(i128::MIN), i128::MIN.to_string());
    assert_eq!(one(u128::MAX), u128::MAX.to_string());
    assert_eq!(
        [one(-1_i8), one(255_u8), one(NonZero::new(7_u8).unwrap())],
        ["-1", "255", "7"]
    );
    assert_eq!(
        [
            one(0.1_f64),
            one(0.1_f32),
            one(1e300),
            one(f64::INFINITY),
            one(f32::NEG_INFINITY)
        ],
        ["0.1", "0.1", "1e+300", "inf", "-inf"]
    );
    assert_eq!(sent([1_u8, 2].as_slice()), ["\u{1}\u{2}"]);
    assert_eq!(sent([1_u16, 2]), ["1", "2"]);
}

#[test]
fn long_formatted_text_has_the_right_length() {
    assert_eq!(
        one(format_args!(
            "{}:{}:{}",
            "a".repeat(9),
            "b".repeat(90),
            "c".repeat(900)
        ))
        .len(),
        1001
    );
}

#[test]
fn lists_are_several_arguments() {
    let expected = ["a", "b"];
    assert_eq!(sent(["a", "b"]), expected);
    assert_eq!(sent(&["a", "b"][..]), expected);
    assert_eq!(sent(vec!["a", "b"]), expected);
    assert_eq!(sent(&vec!["a".to_owned(), "b".to_owned()]), expected);
    assert_eq!(sent(VecDeque::from(["a", "b"])), expected);
    assert_eq!(sent(BTreeSet::from(["b", "a"])), expected);
    assert_eq!(sent(HashSet::from(["a"])), ["a"]);
    assert_eq!(
        sent(Arc::<[String]>::from(vec!["a".to_owned(), "b".to_owned()])),
        expected
    );
    assert_eq!(sent(vec![b"a".to_vec(), b"b".to_vec()]), expected);
    assert_eq!(sent([b"a", b"b"]), expected);
    assert_eq!(
        sent(("a", 1, Some("x"), None::<&str>, ["y", "z"])),
        ["a", "1", "x", "y", "z"]
    );
    assert_eq!(sent(each(1..4)), ["1", "2", "3"]);
    assert_eq!(sent(each(["a", "b"].map(str::to_uppercase))), ["A", "B"]);
    assert!(sent(None::<i64>).is_empty() && sent(Vec::<String>::new()).is_empty());
}

fn records(records: impl ToRecords<(Text, Text)>) -> Vec<String> {
    command(|out| out.records("records", &records))
}

#[test]
fn a_number_out_of_the_range_of_its_column_is_refused() {
    fn write(records: impl ToRecords<(Text, Within<-1, 9>)>) -> Result<Vec<String>, String> {
        let mut args = Args::new(&ECHO, Keys::Ignored);
        args.records("records", &records);
        match args.take_error() {
            Some(error) => Err(error.to_string()),
            None => Ok(command(|out| out.records("records", &records))),
        }
    }
    assert_eq!(write([("a", -1), ("b", 9)]).unwrap(), ["a", "-1", "b", "9"]);
    assert_eq!(write(&[("a", &&7_usize)]).unwrap(), ["a", "7"]);
    for refused in [
        write(("a", -2)),
        write(("a", 10_u8)),
        write(("a", u64::MAX)),
        write(("a", i128::MIN)),
    ] {
        let error = refused.unwrap_err();
        assert!(error.contains("`records`: "), "{error}");
        assert!(error.contains(" is not from -1 to 9"), "{error}");
    }
}

#[test]
fn records_are_pairs() {
    let expected = ["a", "1", "b", "2"];
    assert_eq!(records(("a", 1)), ["a", "1"]);
    assert_eq!(records([("a", 1), ("b", 2)]), expected);
    assert_eq!(records(vec![("a", 1), ("b", 2)]), expected);
    assert_eq!(records(&[("a", 1), ("b", 2)][..]), expected);
    assert_eq!(records(BTreeMap::from([("a", 1), ("b", 2)])), expected);
    assert_eq!(records(HashMap::from([("a", 1)])), ["a", "1"]);
    assert_eq!(records(each(["a", "b"].into_iter().zip(1..))), expected);
}

#[test]
fn times_are_whole_units() {
    assert_eq!(
        [
            one(Seconds::from(30)),
            one(SignedSeconds::from(-1)),
            one(Seconds::from(Duration::from_secs(90)))
        ],
        ["30", "-1", "90"]
    );
    assert_eq!(
        [
            one(Milliseconds::from(5_u64)),
            one(Milliseconds::from(Duration::from_millis(1500)))
        ],
        ["5", "1500"]
    );
    let moment = UNIX_EPOCH + Duration::from_millis(1_700_000_000_001);
    assert_eq!(
        [
            one(UnixSeconds::from(moment)),
            one(UnixMilliseconds::from(moment))
        ],
        ["1700000001", "1700000000001"]
    );
    let before = UNIX_EPOCH - Duration::from_millis(1500);
    assert_eq!(
        [
            one(UnixSeconds::from(before)),
            one(UnixMilliseconds::from(before))
        ],
        ["-1", "-1500"]
    );
}

#[test]
fn a_time_that_deletes_at_once_is_not_sent_twice() {
    static EXPIRE: CommandInfo = command_info!("EXPIRE").idempotent();
    static READS: CommandInfo = command_info!("READS").readonly();
    let repeats = |info: &'static CommandInfo, time: &dyn ToArg| {
        let mut args = Args::new(info, Keys::Ignored);
        args.arg("time", time);
        args.is_idempotent()
    };
    let day = Duration::from_secs(86_400);
    let (yesterday, tomorrow) = (SystemTime::now() - day, SystemTime::now() + day);
    let at_once: [&dyn ToArg; 9] = [
        &Seconds::from(0),
        &Milliseconds::from(0),
        &SignedSeconds::from(0),
        &SignedSeconds::from(-1),
        &SignedMilliseconds::from(i64::MIN),
        &UnixSeconds::from(i64::MIN),
        &UnixSeconds::from(yesterday),
        &UnixMilliseconds::from(yesterday),
        // The server's clock may be ahead.
        &UnixMilliseconds::from(SystemTime::now() + Duration::from_secs(1)),
    ];
    for time in at_once {
        assert!(!repeats(&EXPIRE, time));
        assert!(!repeats(&EXPIRE, &Box::new(time)));
        assert!(repeats(&READS, time), "to read twice does no harm");
    }
    let borrowed = Cow::Borrowed(&Seconds::from(0));
    assert!(!repeats(&EXPIRE, &borrowed));
    let later: [&dyn ToArg; 6] = [
        &Seconds::from(1),
        &Milliseconds::from(1),
        &SignedMilliseconds::from(1),
        &UnixSeconds::from(tomorrow),
        &UnixMilliseconds::from(tomorrow),
        &UnixMilliseconds::from(i64::MAX),
    ];
    for time in later {
        assert!(repeats(&EXPIRE, time));
    }
}

#[test]
fn blocking_times_are_rounded_up_to_milliseconds() {
    let texts = [
        one(Timeout::from(5)),
        one(Timeout::from(0)),
        one(Timeout::FOREVER),
        one(Timeout::from(0.25)),
        one(Timeout::from(0.0004)),
        one(Timeout::from(Duration::from_micros(1_234_500))),
        one(Timeout::from(1e3)),
    ];
    assert_eq!(texts, ["5", "0", "0", "0.25", "0.002", "1.235", "1000"]);
    for short in [0.1 + 0.2 - 0.3, f64::MIN_POSITIVE, 1e-10] {
        let time = Timeout::from(short);
        assert_eq!(time.limit(), Some(Duration::from_millis(1)), "{short}");
        assert_eq!(one(time), "0.002", "{short}");
    }
    assert_eq!(one(Timeout::from(-0.0)), "0");
    let texts = [
        one(BlockMilliseconds::from(5)),
        one(BlockMilliseconds::from(Duration::from_nanos(1))),
    ];
    assert_eq!(texts, ["5", "1"]);
    assert_eq!(
        Timeout::from(2.5).limit(),
        Some(Duration::from_millis(2500))
    );
    assert_eq!(
        BlockMilliseconds::from(7).limit(),
        Some(Duration::from_millis(7))
    );
    assert_eq!(
        (Timeout::from(0).limit(), BlockMilliseconds::FOREVER.limit()),
        (None, None)
    );
}

fn refusal(args: impl ToArgs) -> String {
    let mut out = Args::new(&ECHO, Keys::Ignored);
    out.args("time", &args);
    out.take_error().unwrap().to_string()
}

#[test]
fn what_cannot_be_sent_is_refused() {
    let cases = [
        (
            refusal(Seconds::from(Duration::from_millis(1500))),
            "1.5s is not a whole number of seconds; the method for milliseconds takes it",
        ),
        (
            refusal(Milliseconds::from(Duration::from_micros(1500))),
            "1.5ms is not a whole number of milliseconds, which is the shortest time that a server knows",
        ),
        (
            refusal(Seconds::from(-1)),
            "a time to live of -1 is negative",
        ),
        (
            refusal(Seconds::from(u64::MAX)),
            "this is a longer time than a server can hold",
        ),
        (
            refusal(Seconds::from(
                Duration::MAX - Duration::from_nanos(999_999_999),
            )),
            "this is a longer time than a server can hold",
        ),
        (refusal(Timeout::from(f64::NAN)), "NaN is no time"),
        (
            refusal(Timeout::from(-0.5)),
            "a command cannot block for a negative time",
        ),
        (
            refusal(Timeout::from(-1)),
            "a command cannot block for a negative time",
        ),
        (
            refusal(Timeout::from(1e300)),
            "this is a longer time than a server can hold",
        ),
        (
            refusal(Timeout::from(f64::INFINITY)),
            "this is a longer time than a server can hold",
        ),
        (
            refusal(Timeout::from(Duration::ZERO)),
            "a `Duration` of zero would block for ever; say FOREVER if that is meant",
        ),
        (
            refusal(BlockMilliseconds::from(Duration::ZERO)),
            "a `Duration` of zero would block for ever; say FOREVER if that is meant",
        ),
        (
            refusal(BlockMilliseconds::from(i64::MIN)),
            "a command cannot block for a negative time",
        ),
        (
            refusal(f64::NAN),
            "NaN is not a number that a server accepts",
        ),
        (
            refusal(f32::NAN),
            "NaN is not a number that a server accepts",
        ),
    ];
    for (text, reason) in cases {
        assert_eq!(
            text,
            format!("ECHO: argument `time`: {reason}; nothing was sent")
        );
    }
}
