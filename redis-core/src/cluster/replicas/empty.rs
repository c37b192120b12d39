//! Replies that may mean that there is no such key.
//!
//! A replica of Redis answers as if a key did not exist while the key is on its way to another shard; those of Valkey 8 and
//! later answer ASK.

/// Whether a reply may mean that a key does not exist: nothing, 0, false, -1 as a position, -2 as the time to live, an empty
/// list or text, the type `none`, or a list with such an element.
pub(super) fn may_mean_no_key(reply: &[u8]) -> bool {
    let Some((line, rest)) = split_line(reply) else {
        return false;
    };
    match line {
        b"$0" | b"+none" => true,
        [b'*', ..] => is_nothing(line) || elements_may(rest),
        _ => is_nothing(line),
    }
}

/// Whether one of the elements of a list may, as far as they are plain.
fn elements_may(mut rest: &[u8]) -> bool {
    while let Some((line, after)) = split_line(rest) {
        if is_nothing(line) {
            return true;
        }
        rest = match line {
            [b'$', length @ ..] => {
                let length = std::str::from_utf8(length)
                    .ok()
                    .and_then(|text| text.parse::<usize>().ok());
                match length.and_then(|length| after.get(length.checked_add(2)?..)) {
                    Some(rest) => rest,
                    None => return false,
                }
            }
            _ => after,
        };
    }
    false
}

fn is_nothing(line: &[u8]) -> bool {
    let nothing = [
        "_", "$-1", "*-1", ":0", ":-1", ":-2", "#f", "*0", "%0", "~0",
    ];
    nothing.iter().any(|known| known.as_bytes() == line)
}

fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(b'\r', bytes)?;
    Some((bytes.get(..end)?, bytes.get(end + 2..)?))
}

#[cfg(test)]
mod tests {
    use super::may_mean_no_key;

    #[test]
    fn what_may_mean_that_there_is_no_key_is_told_from_values() {
        let empty = [
            "_\r\n",
            "$-1\r\n",
            "*-1\r\n",
            ":0\r\n",
            ":-2\r\n",
            "$0\r\n\r\n",
            "+none\r\n",
            "*0\r\n",
            "%0\r\n",
            "~0\r\n",
            "*2\r\n_\r\n$1\r\na\r\n",
            "*2\r\n$1\r\na\r\n$-1\r\n",
            "*2\r\n:1\r\n:0\r\n",
            ":-1\r\n",
            "#f\r\n",
            "*2\r\n#t\r\n#f\r\n",
            "*2\r\n*1\r\n:1\r\n*0\r\n",
        ];
        for reply in empty {
            assert!(may_mean_no_key(reply.as_bytes()), "{reply:?}");
        }
        let values = [
            "$1\r\na\r\n",
            ":1\r\n",
            "#t\r\n",
            ",0.5\r\n",
            "+OK\r\n",
            "*1\r\n$1\r\na\r\n",
            "*1\r\n$3\r\n_\r\n\r\n",
            "%1\r\n+a\r\n+b\r\n",
            "*1\r\n$99\r\na\r\n",
        ];
        for reply in values {
            assert!(!may_mean_no_key(reply.as_bytes()), "{reply:?}");
        }
    }
}
