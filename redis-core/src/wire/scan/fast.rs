//! What usual replies take besides the general path: it finds the same.

use super::super::{Limits, ScanError, Scanner};
use super::scan;
use crate::Value;
use crate::reply::Frame;

/// A limit below their length makes short strings take the general path, not the fast one.
#[test]
fn short_strings_are_scanned_as_any_others() {
    let limits = Limits {
        max_bulk: 998,
        ..Limits::default()
    };
    let lengths = (0..=998).map(|len| len.to_string());
    let odd = [
        "", "-0", "-2", "00", "01", "007", "1:", ":1", "1/2", " 1", "1 ", "+1",
    ];
    for len in lengths.chain(odd.map(str::to_owned)) {
        let data = "x".repeat(len.parse::<usize>().unwrap_or(1));
        for end in ["\r\n", "\r\r", "\n\n", "\r", "", "x\r\n"] {
            for line_end in ["\r\n", "\r\r", "\n\n", "\r", ""] {
                let bulk = format!("${len}{line_end}{data}{end}");
                for frame in [format!("*2\r\n{bulk}+\r\n"), format!("{bulk}:1\r\n"), bulk] {
                    let general = Scanner::new(limits).scan(frame.as_bytes());
                    let found = Scanner::new(Limits::default()).scan(frame.as_bytes());
                    assert_eq!(found, general, "{frame:?}");
                }
            }
        }
    }
}

/// The same limit makes integers and small arrays take the general path, too.
#[test]
fn integers_and_small_arrays_are_scanned_as_any_others() {
    let limits = Limits {
        max_bulk: 998,
        ..Limits::default()
    };
    let elements = [
        "$1\r\na\r\n",
        "$0\r\n\r\n",
        "_\r\n",
        "$-1\r\n",
        ":1\r\n",
        "+OK\r\n",
        "-ERR\r\n",
        "*0\r\n",
        ">1\r\n:1\r\n",
        "|1\r\n:1\r\n:1\r\n",
        "$1\r\nab\r\n",
        "",
    ];
    let mut frames = Vec::new();
    for count in ["0", "1", "2", "9", "10", "01", "-1", "", "?"] {
        for (first, last) in elements.iter().zip(elements.iter().cycle().skip(3)) {
            let some = count.parse().unwrap_or(1_usize).saturating_sub(1);
            frames.push(format!("*{count}\r\n{}{last}", first.repeat(some)));
        }
    }
    for number in [
        "0",
        "-1",
        "-0",
        "01",
        "12345678901234567",
        "123456789012345678",
        "9223372036854775808",
        "",
        "+1",
    ] {
        frames.push(format!(":{number}\r\n"));
        frames.push(format!(":{number}\r"));
    }
    for frame in frames {
        let general = Scanner::new(limits).scan(frame.as_bytes());
        let found = Scanner::new(Limits::default()).scan(frame.as_bytes());
        assert_eq!(found, general, "{frame:?}");
        let cut = &frame.as_bytes()[..frame.len() - 1];
        let general = Scanner::new(limits).scan(cut);
        let found = Scanner::new(Limits::default()).scan(cut);
        assert_eq!(found, general, "{frame:?}, without its last byte");
    }
}

#[test]
fn small_arrays_keep_to_the_limits() {
    let few = Limits {
        max_elements: 2,
        ..Limits::default()
    };
    let reply = b"*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n";
    assert_eq!(
        Scanner::new(few).scan(reply),
        Err(ScanError::TooManyElements)
    );
    let flat = Limits {
        max_depth: 0,
        ..Limits::default()
    };
    assert_eq!(Scanner::new(flat).scan(reply), Err(ScanError::TooDeep));
}

/// The same limit makes statuses take the general path, too.
#[test]
fn usual_statuses_are_scanned_as_any_others() {
    let limits = Limits {
        max_bulk: 998,
        ..Limits::default()
    };
    for status in ["", "O", "OK", "OKAY", "ok", "QUEUED", "QUEUEDX", "QUEUE"] {
        for end in ["\r\n", "\r\r", "\n\n", "\r", ""] {
            let line = format!("+{status}{end}");
            for frame in [format!("*1\r\n{line}"), format!("{line}+OK\r\n"), line] {
                let general = Scanner::new(limits).scan(frame.as_bytes());
                let found = Scanner::new(Limits::default()).scan(frame.as_bytes());
                assert_eq!(found, general, "{frame:?}");
            }
        }
        let reply = Frame::parse(format!("+{status}\r\n")).unwrap();
        let text: String = reply.decode().unwrap();
        assert_eq!(text, status);
    }
}

/// Numbers that take the fast path, and numbers just beyond it.
#[test]
fn numbers_are_read_whatever_their_length() {
    for (text, number) in [
        ("0", 0),
        ("-1", -1),
        ("-10", -10),
        ("999999999999999999", 999_999_999_999_999_999),
        ("-999999999999999999", -999_999_999_999_999_999),
        ("1000000000000000000", 1_000_000_000_000_000_000),
        ("9223372036854775807", i64::MAX),
        ("-9223372036854775808", i64::MIN),
    ] {
        let frame = Frame::parse(format!(":{text}\r\n").into_bytes()).unwrap();
        assert_eq!(frame.to_value(), Value::Integer(number));
        let frame = Frame::parse(format!("${}\r\n{text}\r\n", text.len()).into_bytes()).unwrap();
        assert_eq!(frame.decode::<i64>().unwrap(), number);
    }
    for text in [
        "",
        "-",
        "-0",
        "00",
        "01",
        "-01",
        "+1",
        "1 ",
        "9223372036854775808",
        "-9223372036854775809",
    ] {
        assert_eq!(
            scan(format!(":{text}\r\n").as_bytes()),
            Err(ScanError::Number),
            "{text:?}"
        );
    }
    for text in ["0", "1.", ".5", "-1.5", "1e5", "inf", "-inf", "nan"] {
        assert!(scan(format!(",{text}\r\n").as_bytes()).is_ok(), "{text:?}");
    }
    for text in ["", "-", ".", "-.", "1.5.2", "1-5", "--1"] {
        assert_eq!(
            scan(format!(",{text}\r\n").as_bytes()),
            Err(ScanError::Number),
            "{text:?}"
        );
    }
}
