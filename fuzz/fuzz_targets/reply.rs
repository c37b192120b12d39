//! Whatever a server sends is a reply or an error, and a reply can be read as anything without harm.
#![no_main]

use std::collections::HashMap;

use libfuzzer_sys::fuzz_target;
use typedis_core::{Frame, Value};

fuzz_target!(|bytes: &[u8]| {
    let Ok(frame) = Frame::parse(bytes.to_vec()) else {
        return;
    };
    let value: Result<Value, _> = frame.decode();
    if let Ok(value) = value {
        assert_eq!(value.clone() == value, !has_nan(&value));
        let _ = format!("{value:?} {frame:?}");
    }
    let _ = frame.decode::<i64>();
    let _ = frame.decode::<f64>();
    let _ = frame.decode::<bool>();
    let _ = frame.decode::<Option<String>>();
    let _ = frame.decode::<Vec<String>>();
    let _ = frame.decode::<Vec<Option<i64>>>();
    let _ = frame.decode::<HashMap<String, Value>>();
    let _ = frame.decode::<(String, i64, Vec<(String, f64)>)>();
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
