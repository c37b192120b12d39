//! Whatever a server sends is a reply or an error. A reply can be read as anything without harm, with the same result each
//! time.
#![no_main]

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt::Debug;
use std::num::NonZero;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use typedis_core::{Frame, FromRedis, Name, ServerError, Value};

/// Decodes twice, and compares what is printed: values such as NaN are not equal to themselves.
fn twice<T: FromRedis + Debug>(frame: &Frame) {
    let [one, other] = [(), ()].map(|()| frame.clone().decode::<T>());
    assert_eq!(format!("{one:?}"), format!("{other:?}"));
}

/// The same for types without an order: they are only decoded.
fn once<T: FromRedis>(frame: &Frame) {
    let [one, other] = [(), ()].map(|()| frame.clone().decode::<T>().is_ok());
    assert_eq!(one, other);
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(frame) = Frame::parse(bytes.to_vec()) else {
        return;
    };
    let value = frame.clone().decode::<Value>();
    if let Ok(value) = value {
        assert_eq!(value.clone() == value, !has_nan(&value));
    }
    twice::<Value>(&frame);
    twice::<()>(&frame);
    twice::<bool>(&frame);
    twice::<u8>(&frame);
    twice::<i64>(&frame);
    twice::<u128>(&frame);
    twice::<NonZero<u32>>(&frame);
    twice::<f64>(&frame);
    twice::<f32>(&frame);
    twice::<char>(&frame);
    twice::<String>(&frame);
    twice::<Name>(&frame);
    twice::<Bytes>(&frame);
    twice::<Box<str>>(&frame);
    twice::<Option<String>>(&frame);
    twice::<Result<i64, ServerError>>(&frame);
    twice::<Vec<String>>(&frame);
    twice::<Vec<Option<i64>>>(&frame);
    twice::<VecDeque<Bytes>>(&frame);
    twice::<[i64; 2]>(&frame);
    twice::<BTreeSet<i64>>(&frame);
    twice::<BTreeMap<String, f64>>(&frame);
    twice::<Vec<(String, f64)>>(&frame);
    twice::<(String, i64, Vec<(String, f64)>)>(&frame);
    once::<HashSet<String>>(&frame);
    once::<HashMap<String, Value>>(&frame);
});

/// The depth is bounded by the limits of the scanner.
fn has_nan(value: &Value) -> bool {
    match value {
        Value::Double(number) => number.is_nan(),
        Value::Array(items) | Value::Set(items) | Value::Push(items) => items.iter().any(has_nan),
        Value::Map(pairs) => pairs.iter().any(|(key, value)| has_nan(key) || has_nan(value)),
        _ => false,
    }
}
