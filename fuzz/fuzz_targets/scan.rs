//! Bytes that come in pieces are scanned as those that come at once, and short frames are found in the general way as in the
//! short ones. The first byte of the input says how many pieces there are, the next ones how large each is; the rest is scanned.
#![no_main]

use libfuzzer_sys::fuzz_target;
use typedis_core::fuzzing::{FoundFrames, Ways, assert_same, scan};

fuzz_target!(|input: &[u8]| {
    let Some((count, rest)) = input.split_first() else {
        return;
    };
    let count = usize::from(count % 16).min(rest.len());
    let (sizes, bytes) = rest.split_at(count);
    let general = whole(bytes, sizes, Ways::General);
    let short = whole(bytes, sizes, Ways::Short);
    assert_same(&general, &short);
});

/// What is found in any pieces.
fn whole(bytes: &[u8], sizes: &[u8], ways: Ways) -> FoundFrames {
    let whole = scan(bytes, ways, []);
    let pieces = sizes.iter().map(|size| usize::from(*size));
    assert_eq!(scan(bytes, ways, pieces), whole);
    assert_eq!(scan(bytes, ways, std::iter::repeat_n(1, bytes.len())), whole);
    let ends = whole.0.iter().map(|frame| frame.end);
    assert!(ends.clone().is_sorted() && ends.last().unwrap_or(0) <= bytes.len());
    whole
}
