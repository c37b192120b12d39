//! Replies of a server that means harm: they are refused, and cost next to nothing.

#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use typedis_core::{Frame, Value};

fn most_allocated(bytes: &Bytes) -> u64 {
    allocation_counter::measure(|| assert!(Frame::parse(bytes.clone()).is_err())).bytes_max
}

#[test]
fn announced_lengths_allocate_nothing() {
    let heads = [
        "*4294967295\r\n",
        "*134217728\r\n",
        "%67108864\r\n",
        "%9223372036854775808\r\n",
        "~134217728\r\n",
        ">134217728\r\n",
        "|67108864\r\n",
        "$536870912\r\n",
        "$9223372036854775807\r\n",
        "=536870912\r\n",
        "!536870912\r\n",
        "*-2\r\n",
        "$-2\r\n",
        ":99999999999999999999\r\n",
        "*2\r\n*134217726\r\n*134217726\r\n",
        "*0",
        "$?\r\n",
    ];
    for head in heads {
        let allocated = most_allocated(&Bytes::from_static(head.as_bytes()));
        assert!(allocated < 4096, "{head:?} took {allocated} bytes");
    }
}

#[test]
fn depth_allocates_nothing() {
    for head in ["*1\r\n", "%1\r\n:1\r\n", "~1\r\n", ">1\r\n", "|1\r\n:1\r\n"] {
        let allocated = most_allocated(&Bytes::from(head.repeat(100_000)));
        assert!(allocated < 1 << 14, "{head:?} took {allocated} bytes");
    }
}

#[test]
fn endless_lines_are_cut_off() {
    for kind in ["+", "-", "(", ":", ",", "$", "*"] {
        let allocated = most_allocated(&Bytes::from(format!("{kind}{}", "1".repeat(1 << 20))));
        assert!(allocated < 4096, "{kind} took {allocated} bytes");
    }
}

/// What is built, cloned, compared, shown and dropped recursively is no deeper than the limit, in a small stack.
#[test]
fn the_deepest_value_is_harmless() {
    let wire = format!("{}:1\r\n", "*1\r\n".repeat(128));
    let check = move || {
        let value = Frame::parse(wire).unwrap().decode::<Value>().unwrap();
        assert_eq!(value.clone(), value);
        assert!(format!("{value:?}").contains('1'));
    };
    std::thread::Builder::new()
        .stack_size(256 << 10)
        .spawn(check)
        .unwrap()
        .join()
        .unwrap();
}

/// Ends of what is passed over are not looked for again at each level above it.
#[test]
fn decoding_allocates_in_proportion() {
    let wire = Bytes::from(format!("*1000\r\n{}", "$3\r\nabc\r\n".repeat(1000)));
    let info = allocation_counter::measure(|| {
        let list: Vec<String> = Frame::parse(wire.clone()).unwrap().decode().unwrap();
        assert_eq!(list.len(), 1000);
    });
    assert!(info.count_total < 1010, "{} allocations", info.count_total);
}
