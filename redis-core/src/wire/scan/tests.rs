//! The scanner, on frames that are written out.
//!
//! # Layout
//!
//! - `random`: on frames and bytes of every form, at random
//! - `fast`: the short way of usual replies finds the same as the general one

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use bytes::Bytes;

mod fast;
mod random;

use super::{FrameKind, Limits, ScanError, Scanner};
use crate::reply::Frame;

fn scan(bytes: &[u8]) -> Result<Option<usize>, ScanError> {
    Scanner::new(Limits::default())
        .scan(bytes)
        .map(|found| found.map(|found| found.len))
}

#[test]
fn every_kind_is_found() {
    let frames = [
        "+OK\r\n",
        "+\r\n",
        "+\n\r\r\n",
        "+a\rb\nc\n\r\r\n",
        "-ERR no\r\n",
        "-ERR\n\ra long line, which is searched in another way\n\n\r\r\n",
        ":0\r\n",
        ":-9223372036854775808\r\n",
        "$0\r\n\r\n",
        "$2\r\n\r\n\r\n",
        "$-1\r\n",
        "*0\r\n",
        "*-1\r\n",
        "*2\r\n:1\r\n*1\r\n$1\r\na\r\n",
        "_\r\n",
        "#t\r\n",
        "#f\r\n",
        ",1.5\r\n",
        ",-1e+20\r\n",
        ",inf\r\n",
        ",-inf\r\n",
        ",nan\r\n",
        ",10\r\n",
        "(-123456789012345678901234567890\r\n",
        "!5\r\nERR x\r\n",
        "=7\r\ntxt:abc\r\n",
        "=4\r\ntxt:\r\n",
        "%0\r\n",
        "%1\r\n+a\r\n:1\r\n",
        "~1\r\n:1\r\n",
        ">1\r\n+x\r\n",
        "|1\r\n+ttl\r\n:3\r\n$1\r\na\r\n",
        "*1\r\n|1\r\n+ttl\r\n:3\r\n$1\r\na\r\n",
        "|0\r\n|0\r\n:1\r\n",
    ];
    for frame in frames {
        assert_eq!(scan(frame.as_bytes()), Ok(Some(frame.len())), "{frame:?}");
        for cut in 0..frame.len() {
            assert_eq!(
                scan(&frame.as_bytes()[..cut]),
                Ok(None),
                "{frame:?} up to {cut}"
            );
        }
    }
}

#[test]
fn what_is_not_resp_is_refused() {
    let deep = "*1\r\n".repeat(100_000);
    let endless = format!("({}", "1".repeat(70_000));
    let cases: [(&str, ScanError); 43] = [
        (&deep, ScanError::TooDeep),
        (&endless, ScanError::LineTooLong),
        ("*4294967295\r\n", ScanError::TooManyElements),
        ("%9223372036854775808\r\n", ScanError::Number),
        ("%9223372036854775807\r\n", ScanError::TooManyElements),
        ("%4611686018427387904\r\n", ScanError::TooManyElements),
        ("|9223372036854775807\r\n", ScanError::TooManyElements),
        (
            "$9223372036854775807\r\n",
            ScanError::BulkTooLong(i64::MAX as u64),
        ),
        ("$536870913\r\n", ScanError::BulkTooLong(536_870_913)),
        (
            "!9223372036854775807\r\n",
            ScanError::BulkTooLong(i64::MAX as u64),
        ),
        (
            "=9223372036854775807\r\n",
            ScanError::BulkTooLong(i64::MAX as u64),
        ),
        ("$18446744073709551616\r\n", ScanError::Number),
        ("$-2\r\n", ScanError::Number),
        ("*-2\r\n", ScanError::Number),
        ("%-1\r\n", ScanError::Number),
        ("~-1\r\n", ScanError::Number),
        (">-1\r\n", ScanError::Number),
        ("|-1\r\n", ScanError::Number),
        ("!-1\r\n", ScanError::Number),
        ("=-1\r\n", ScanError::Number),
        (":99999999999999999999\r\n", ScanError::Number),
        (":9223372036854775808\r\n", ScanError::Number),
        (":+1\r\n", ScanError::Number),
        (":01\r\n", ScanError::Number),
        (":-0\r\n", ScanError::Number),
        (":\r\n", ScanError::Number),
        (":1 \r\n", ScanError::Number),
        ("$+1\r\n", ScanError::Number),
        ("$\r\n", ScanError::Number),
        (",1.5x\r\n", ScanError::Number),
        (",\r\n", ScanError::Number),
        (",infinity\r\n", ScanError::Number),
        ("#x\r\n", ScanError::Number),
        ("_x\r\n", ScanError::Number),
        ("(12a\r\n", ScanError::Number),
        ("$?\r\n", ScanError::Streamed),
        ("*?\r\n", ScanError::Streamed),
        ("$3\r\nabcd\r\n", ScanError::PayloadEnd),
        (":1\n\r\n", ScanError::LineBreak),
        ("$1\r1\r\n", ScanError::LineBreak),
        ("*1\n\r\n", ScanError::LineBreak),
        ("=3\r\nabc\r\n", ScanError::Verbatim),
        ("HTTP/1.1 400\r\n", ScanError::UnknownType(b'H')),
    ];
    for (bytes, error) in cases {
        assert_eq!(
            scan(bytes.as_bytes()),
            Err(error),
            "{:?}",
            &bytes[..bytes.len().min(40)]
        );
    }
    for lead in [0x00, 0xff, b'\r', b'\n', b'.', b'?'] {
        assert_eq!(
            scan(&[lead, b'\r', b'\n']),
            Err(ScanError::UnknownType(lead))
        );
    }
}

#[test]
fn limits_are_exact() {
    let mut limits = Limits::default();
    (
        limits.max_depth,
        limits.max_elements,
        limits.max_bulk,
        limits.max_line,
    ) = (2, 4, 5, 6);
    let scan = |bytes: &str| {
        Scanner::new(limits)
            .scan(bytes.as_bytes())
            .map(|found| found.is_some())
    };
    assert_eq!(scan("*1\r\n*1\r\n:1\r\n"), Ok(true));
    assert_eq!(scan("*1\r\n*1\r\n*1\r\n:1\r\n"), Err(ScanError::TooDeep));
    assert_eq!(scan("*4\r\n"), Ok(false));
    assert_eq!(scan("*5\r\n"), Err(ScanError::TooManyElements));
    assert_eq!(
        scan("*2\r\n*2\r\n:1\r\n:2\r\n*1\r\n"),
        Err(ScanError::TooManyElements)
    );
    assert_eq!(scan("$5\r\n"), Ok(false));
    assert_eq!(scan("$6\r\n"), Err(ScanError::BulkTooLong(6)));
    assert_eq!(scan("+123456\r\n"), Ok(true));
    assert_eq!(scan("+12\n456\r\n"), Ok(true));
    assert_eq!(scan("-1234567\r\n"), Err(ScanError::LineTooLong));
    assert_eq!(scan("-123\n567\n"), Err(ScanError::LineTooLong));
    assert_eq!(scan("+1234567\r\n"), Err(ScanError::LineTooLong));
    assert_eq!(scan("+1234567"), Err(ScanError::LineTooLong));
}

/// Its line break may come in two pieces.
#[test]
fn a_line_of_the_greatest_length_is_found_in_any_pieces() {
    let limits = Limits {
        max_line: 6,
        ..Limits::default()
    };
    for line in ["+123456\r\n", "-123456\r\n", "-12345\r\r\n"] {
        for cut in 0..line.len() {
            let mut scanner = Scanner::new(limits);
            assert_eq!(
                scanner.scan(&line.as_bytes()[..cut]),
                Ok(None),
                "{line:?} up to {cut}"
            );
            let found = scanner.scan(line.as_bytes()).unwrap();
            assert_eq!(found.map(|found| found.len), Some(line.len()), "{line:?}");
        }
        let longer = line.replace("1", "11");
        assert_eq!(
            Scanner::new(limits).scan(longer.as_bytes()),
            Err(ScanError::LineTooLong)
        );
    }
}

#[test]
fn the_count_of_elements_starts_anew_with_each_frame() {
    let limits = Limits {
        max_elements: 2,
        ..Limits::default()
    };
    let mut scanner = Scanner::new(limits);
    for _ in 0..3 {
        assert_eq!(
            scanner
                .scan(b"*2\r\n:1\r\n:2\r\n")
                .unwrap()
                .map(|found| found.len),
            Some(12)
        );
    }
}

#[test]
fn pushes_are_told_from_replies() {
    let kinds = |bytes: &[u8]| {
        let found = Scanner::new(Limits::default())
            .scan(bytes)
            .unwrap()
            .unwrap();
        (found.kind, found.has_inner_pushes)
    };
    assert_eq!(
        kinds(b">2\r\n+message\r\n>0\r\n+x\r\n"),
        (FrameKind::Push, true)
    );
    assert_eq!(kinds(b">1\r\n*1\r\n:1\r\n"), (FrameKind::Push, false));
    assert_eq!(
        kinds(b"|1\r\n+a\r\n+b\r\n>1\r\n:1\r\n"),
        (FrameKind::Push, false)
    );
    assert_eq!(kinds(b"*1\r\n:1\r\n"), (FrameKind::Reply, false));
}

/// Redis before 7.2 sends the push of a PUBLISH within EXEC in the middle of EXEC's reply.
#[test]
fn a_push_within_a_reply_is_no_element() {
    let bytes = Bytes::from_static(b"*2\r\n>3\r\n+message\r\n+news\r\n$2\r\nhi\r\n:1\r\n>1\r\n:7\r\n|1\r\n+a\r\n+b\r\n+OK\r\n+next\r\n");
    let found = Scanner::new(Limits::default())
        .scan(&bytes)
        .unwrap()
        .unwrap();
    assert_eq!((found.len, found.has_inner_pushes), (bytes.len() - 7, true));
    let frame = Frame::from_scanned(bytes.slice(..found.len));
    assert_eq!(format!("{frame:?}"), "[1, OK]");
    assert_eq!(
        format!("{:?}", frame.elements().unwrap().collect::<Vec<_>>()),
        "[1, OK]"
    );
    assert_eq!(
        format!("{:?}", frame.inner_pushes()),
        r#"[push[message, news, "hi"], push[7]]"#
    );
}

/// Whatever the configuration says, values are never too deep for the stack of a thread.
#[test]
fn the_deepest_value_that_can_be_allowed_is_harmless() {
    let limits = Limits {
        max_depth: usize::MAX,
        ..Limits::default()
    };
    let wire = format!("{}:1\r\n", "*1\r\n".repeat(super::DEEPEST));
    let deeper = format!("*1\r\n{wire}");
    assert_eq!(
        Scanner::new(limits).scan(deeper.as_bytes()),
        Err(ScanError::TooDeep)
    );
    let check = move || {
        assert!(
            Scanner::new(limits)
                .scan(wire.as_bytes())
                .unwrap()
                .is_some()
        );
        let value = Frame::from_scanned(Bytes::from(wire)).to_value();
        assert_eq!(value.clone(), value);
        assert!(format!("{value:?}").contains('1') && format!("{value:#?}").contains('1'));
    };
    std::thread::Builder::new()
        .stack_size(1 << 20)
        .spawn(check)
        .unwrap()
        .join()
        .unwrap();
}

/// What was scanned is never looked at again, so it may be overwritten.
#[test]
fn each_byte_is_scanned_once() {
    let mut frame = b"*3000\r\n".to_vec();
    (0..1000).for_each(|n| {
        frame.extend_from_slice(format!("*1\r\n:{n}\r\n$2\r\nab\r\n+x\r\n").as_bytes())
    });
    let mut scanner = Scanner::new(Limits::default());
    let mut buffer = Vec::new();
    for (at, byte) in frame.iter().enumerate() {
        buffer.push(*byte);
        let found = scanner.scan(&buffer).unwrap();
        assert_eq!(found.is_some(), at + 1 == frame.len());
        if found.is_none() {
            assert!(buffer.len() - scanner.at < 16);
            buffer[..scanner.at].fill(b'?');
        }
    }
}

#[test]
fn a_long_line_is_searched_once() {
    let mut scanner = Scanner::new(Limits::default());
    let mut buffer = b"+".to_vec();
    for _ in 0..60_000 {
        buffer.push(b'a');
        assert_eq!(scanner.scan(&buffer), Ok(None));
        assert!(buffer.len() - scanner.searched <= 1);
    }
    buffer.extend_from_slice(b"\r");
    assert_eq!(scanner.scan(&buffer), Ok(None));
    buffer.extend_from_slice(b"\n");
    assert_eq!(
        scanner.scan(&buffer).unwrap().map(|found| found.len),
        Some(buffer.len())
    );
}

#[test]
fn what_is_missing_is_known() {
    let mut scanner = Scanner::new(Limits::default());
    assert_eq!(scanner.scan(b"*2\r\n$1000\r\nabc"), Ok(None));
    assert_eq!(scanner.missing(), 997 + 2);
    assert_eq!(scanner.scan(b"*2\r\n$1000\r"), Ok(None));
    assert_eq!(scanner.missing(), 1);
}
