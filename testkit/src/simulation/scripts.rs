//! The one script that clients call and servers know: it adds a number to a key.

use std::sync::LazyLock;

use typedis_core::Script;

/// Adds `ARGV[1]` to `KEYS[1]`.
pub(crate) static ADD: LazyLock<Script> =
    LazyLock::new(|| Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])"));

/// The name that servers give to a text.
pub(crate) fn name_of(text: &[u8]) -> Vec<u8> {
    if text == ADD.source().as_bytes() {
        ADD.sha1().as_bytes().to_vec()
    } else {
        b"another".to_vec()
    }
}
