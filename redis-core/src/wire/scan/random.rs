//! Any values and any bytes, in any pieces.

use bytes::Bytes;
use proptest::prelude::*;

use super::super::{Limits, Scanner};
use crate::reply::{Frame, FrameRef};
use crate::wire::Chunk;
use crate::{ServerError, Value};

/// Writes a value as RESP3.
fn encode(value: &Value, out: &mut Vec<u8>) {
    let blob = |kind: &str, bytes: &[u8], out: &mut Vec<u8>| {
        out.extend_from_slice(format!("{kind}{}\r\n", bytes.len()).as_bytes());
        out.extend_from_slice(bytes);
        out.extend_from_slice(b"\r\n");
    };
    let list = |kind: &str, items: &[Value], out: &mut Vec<u8>| {
        out.extend_from_slice(format!("{kind}{}\r\n", items.len()).as_bytes());
        items.iter().for_each(|item| encode(item, out));
    };
    match value {
        Value::Nil => out.extend_from_slice(b"_\r\n"),
        Value::Integer(value) => out.extend_from_slice(format!(":{value}\r\n").as_bytes()),
        Value::Double(value) => out.extend_from_slice(format!(",{value:e}\r\n").as_bytes()),
        Value::Boolean(value) => out.extend_from_slice(if *value { b"#t\r\n" } else { b"#f\r\n" }),
        Value::BigNumber(digits) => out.extend_from_slice(format!("({digits}\r\n").as_bytes()),
        Value::Simple(text) => {
            out.push(b'+');
            out.extend_from_slice(text);
            out.extend_from_slice(b"\r\n");
        }
        Value::Bulk(bytes) => blob("$", bytes, out),
        Value::Verbatim(text) => blob("=", &[b"txt:", &text[..]].concat(), out),
        Value::Error(error) => blob("!", error.to_string().as_bytes(), out),
        Value::Array(items) => list("*", items, out),
        Value::Set(items) => list("~", items, out),
        Value::Push(items) => list(">", items, out),
        Value::Map(pairs) => {
            out.extend_from_slice(format!("%{}\r\n", pairs.len()).as_bytes());
            for (key, value) in pairs {
                encode(key, out);
                encode(value, out);
            }
        }
    }
}

fn values() -> impl Strategy<Value = Value> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..20).prop_map(Bytes::from);
    let line = "[ -~\r\n]{0,12}"
        .prop_filter("CR and LF together end it", |line| !line.contains("\r\n"))
        .prop_map(Bytes::from);
    let scalar = prop_oneof![
        Just(Value::Nil),
        any::<i64>().prop_map(Value::Integer),
        proptest::num::f64::NORMAL.prop_map(Value::Double),
        any::<bool>().prop_map(Value::Boolean),
        "-?[1-9][0-9]{0,40}".prop_map(Value::BigNumber),
        line.prop_map(Value::Simple),
        bytes().prop_map(Value::Bulk),
        bytes().prop_map(Value::Verbatim),
        "[A-Z]{2,5} [a-z ]{0,9}".prop_map(|line| Value::Error(ServerError::new(&line))),
        proptest::collection::vec(b'a'..=b'z', 4000..6000)
            .prop_map(|text| Value::Bulk(text.into())),
    ];
    scalar.prop_recursive(5, 60, 6, |inner| {
        let list = || proptest::collection::vec(inner.clone(), 0..6);
        prop_oneof![
            list().prop_map(Value::Array),
            list().prop_map(Value::Set),
            proptest::collection::vec((inner.clone(), inner.clone()), 0..4).prop_map(Value::Map),
        ]
    })
}

proptest! {
    #[test]
    fn any_values_in_any_pieces_come_out_as_they_were(
        values in proptest::collection::vec(values(), 1..5),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..12),
        attribute in any::<bool>(),
    ) {
        let mut wire = Vec::new();
        for value in &values {
            if attribute {
                wire.extend_from_slice(b"|1\r\n+ttl\r\n*1\r\n:5\r\n");
            }
            encode(value, &mut wire);
        }
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(wire.len())).chain([wire.len()]).collect();
        ends.sort_unstable();
        let mut scanner = Scanner::new(Limits::default());
        let (mut start, mut found) = (0, Vec::new());
        for end in ends {
            while let Some(frame) = scanner.scan(&wire[start..end]).unwrap() {
                found.push(Frame::parse(wire[start..start + frame.len].to_vec()).unwrap().to_value());
                start += frame.len;
                if start == end {
                    break;
                }
            }
        }
        prop_assert_eq!(start, wire.len());
        prop_assert_eq!(&found, &values);
        let chunk = Chunk::from(Bytes::from(wire));
        let mut at = 0;
        let one_by_one = std::iter::from_fn(|| {
            let (frame, end) = FrameRef::next(chunk.span(), at)?;
            at = end;
            Some(frame.to_frame().to_value())
        });
        prop_assert_eq!(one_by_one.collect::<Vec<_>>(), values);
    }

    #[test]
    fn random_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Frame::parse(bytes);
    }

    /// Bytes that look like RESP get further than random ones.
    #[test]
    fn random_protocol_does_no_harm(pieces in proptest::collection::vec(
        prop_oneof!["[-+:$*_#,(!=%~>|]", "-?[0-9]{1,20}", Just("\r\n".to_owned()), Just("\r\n".to_owned()), "[a-z?]{0,3}"],
        0..60,
    )) {
        if let Ok(frame) = Frame::parse(pieces.concat().into_bytes()) {
            let _ = (frame.to_value(), frame.inner_pushes(), frame.elements().map(Iterator::count));
        }
    }
}
