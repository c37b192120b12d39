//! A prefix that is taken off the names in a reply: [`cut`].

use std::ops::Range;

use super::view::{after_extras, skip};
use crate::wire::Step;
use crate::wire::encode::Output;
use crate::wire::token::{Aggregate, Token};

/// A name in a reply that does not begin with the prefix.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Foreign;

/// The reply with the prefix taken off the names at the end of these paths; `None` if there is none of them. A reply of
/// another form than the path, such as an error or nil, has no names.
pub(crate) fn cut(
    reply: &[u8],
    paths: &[&[Step]],
    prefix: &[u8],
) -> Result<Option<Vec<u8>>, Foreign> {
    let mut names = Vec::new();
    for path in paths {
        find(reply, 0, path, &mut names);
    }
    if names.is_empty() || prefix.is_empty() {
        return Ok(None);
    }
    names.sort_unstable_by_key(|name| name.whole.start);
    let mut shorter = Vec::with_capacity(reply.len());
    let mut from = 0;
    for name in names {
        let text = reply.get(name.text).unwrap_or_default();
        let Some(rest) = text.strip_prefix(prefix) else {
            return Err(Foreign);
        };
        shorter.put(reply.get(from..name.whole.start).unwrap_or_default());
        shorter.put_bulk(rest);
        from = name.whole.end;
    }
    shorter.put(reply.get(from..).unwrap_or_default());
    Ok(Some(shorter))
}

/// A name that was found.
struct Found {
    /// The whole string as it was sent.
    whole: Range<usize>,
    /// What it says.
    text: Range<usize>,
}

/// Finds the names in the value at `at`; returns where the value ends. It calls itself once for each step of the path.
fn find(reply: &[u8], at: usize, path: &[Step], names: &mut Vec<Found>) -> Option<usize> {
    let (start, token, body) = after_extras(reply, at)?;
    let Token::Open(kind, count) = token else {
        if let Token::Bulk(text) | Token::Simple(text) | Token::Verbatim { text, .. } = token
            && path.is_empty()
        {
            // Behind the text there is a line break and nothing else.
            let end = body.saturating_sub(2);
            names.push(Found {
                whole: start..body,
                text: end.saturating_sub(text.len())..end,
            });
        }
        return Some(body);
    };
    let Some((step, rest)) = path.split_first() else {
        return skip(reply, body, count);
    };
    let mut at = body;
    let mut is_wanted = false;
    for number in 0..count {
        at = match step {
            Step::Each => find(reply, at, rest, names)?,
            Step::Nth(wanted) if *wanted == number => find(reply, at, rest, names)?,
            Step::Alternate if number % 2 == 0 => find(reply, at, rest, names)?,
            Step::Heads if kind == Aggregate::Map && number % 2 == 0 => {
                find(reply, at, rest, names)?
            }
            Step::Heads if kind != Aggregate::Map => head(reply, at, rest, names)?,
            Step::Field(_) if number % 2 == 1 && is_wanted => find(reply, at, rest, names)?,
            Step::Field(field) if number % 2 == 0 => {
                let (_, token, _) = after_extras(reply, at)?;
                is_wanted = matches!(token, Token::Bulk(text) | Token::Simple(text) if text == field.as_bytes());
                skip(reply, at, 1)?
            }
            _ => skip(reply, at, 1)?,
        };
    }
    Some(at)
}

/// Finds the names in the first element of the array at `at`.
fn head(reply: &[u8], at: usize, path: &[Step], names: &mut Vec<Found>) -> Option<usize> {
    let (_, token, body) = after_extras(reply, at)?;
    let Token::Open(_, count) = token else {
        return Some(body);
    };
    match count.checked_sub(1) {
        None => Some(body),
        Some(others) => {
            let behind = find(reply, body, path, names)?;
            skip(reply, behind, others)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn shown(reply: &str, path: &[Step]) -> String {
        let shorter = cut(reply.as_bytes(), &[path], b"app:").unwrap();
        shorter.map_or("unchanged".into(), |bytes| {
            String::from_utf8(bytes).unwrap()
        })
    }

    #[test]
    fn names_lose_the_prefix_wherever_the_path_leads() {
        let cases: [(&str, &[Step], &str); 9] = [
            ("$5\r\napp:k\r\n", &[], "$1\r\nk\r\n"),
            ("+app:k\r\n", &[], "$1\r\nk\r\n"),
            (
                "*2\r\n$6\r\napp:k1\r\n$4\r\napp:\r\n",
                &[Step::Each],
                "*2\r\n$2\r\nk1\r\n$0\r\n\r\n",
            ),
            (
                "*2\r\n$5\r\napp:k\r\n$5\r\napp:v\r\n",
                &[Step::Nth(0)],
                "*2\r\n$1\r\nk\r\n$5\r\napp:v\r\n",
            ),
            (
                "*2\r\n$1\r\n0\r\n*1\r\n$5\r\napp:k\r\n",
                &[Step::Nth(1), Step::Each],
                "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nk\r\n",
            ),
            (
                "*1\r\n*2\r\n$5\r\napp:s\r\n*1\r\n$5\r\napp:v\r\n",
                &[Step::Heads],
                "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n$5\r\napp:v\r\n",
            ),
            (
                "%1\r\n$5\r\napp:s\r\n*1\r\n$5\r\napp:v\r\n",
                &[Step::Heads],
                "%1\r\n$1\r\ns\r\n*1\r\n$5\r\napp:v\r\n",
            ),
            (
                "*4\r\n$5\r\napp:a\r\n:1\r\n$5\r\napp:b\r\n:2\r\n",
                &[Step::Alternate],
                "*4\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n:2\r\n",
            ),
            (
                "|1\r\n+ttl\r\n:1\r\n*4\r\n$1\r\na\r\n$5\r\napp:x\r\n$3\r\nsrc\r\n$5\r\napp:y\r\n",
                &[Step::Field("src")],
                "|1\r\n+ttl\r\n:1\r\n*4\r\n$1\r\na\r\n$5\r\napp:x\r\n$3\r\nsrc\r\n$1\r\ny\r\n",
            ),
        ];
        for (reply, path, expected) in cases {
            assert_eq!(shown(reply, path), expected, "{path:?}");
        }
    }

    #[test]
    fn a_reply_of_another_form_stays_as_it_is() {
        for reply in [
            "-ERR app:k\r\n",
            "_\r\n",
            "*-1\r\n",
            "*0\r\n",
            ":5\r\n",
            "+QUEUED\r\n",
            "*1\r\n*0\r\n",
        ] {
            for path in [
                &[Step::Nth(0)][..],
                &[Step::Heads],
                &[Step::Field("a")],
                &[Step::Nth(1), Step::Each],
            ] {
                assert_eq!(shown(reply, path), "unchanged", "{reply:?} {path:?}");
            }
        }
    }

    #[test]
    fn a_name_without_the_prefix_is_told() {
        let foreign = cut(b"*1\r\n$5\r\nother\r\n", &[&[Step::Each]], b"app:");
        assert_eq!(foreign, Err(Foreign));
    }
}
