//! What a server answers: [`Answer`], and how it is written in RESP2 and RESP3.

use std::borrow::Cow;

use typedis_core::Value;

/// A reply, or a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Status(&'static str),
    Text(Vec<u8>),
    Integer(i64),
    Nil,
    /// The nil that stands for an array.
    NoList,
    List(Vec<Answer>),
    Map(Vec<(Answer, Answer)>),
    Push(Vec<Answer>),
    Error(Cow<'static, str>),
}

impl Answer {
    pub(crate) fn ok() -> Self {
        Self::Status("OK")
    }

    pub(crate) fn text(text: impl AsRef<[u8]>) -> Self {
        Self::Text(text.as_ref().to_vec())
    }

    pub(crate) const fn refusal(text: &'static str) -> Self {
        Self::Error(Cow::Borrowed(text))
    }

    /// Whether it sends a client to another node.
    pub(crate) fn is_redirect(&self) -> bool {
        match self {
            Self::Error(text) => text.starts_with("MOVED ") || text.starts_with("ASK "),
            _ => false,
        }
    }

    /// Writes it as a server does on a socket that speaks RESP3, or RESP2.
    pub(crate) fn write(&self, resp3: bool, out: &mut Vec<u8>) {
        match self {
            Self::Status(text) => line(out, b'+', text.as_bytes()),
            Self::Error(text) => line(out, b'-', text.as_bytes()),
            Self::Integer(number) => line(out, b':', number.to_string().as_bytes()),
            Self::Text(text) => {
                line(out, b'$', text.len().to_string().as_bytes());
                out.extend_from_slice(text);
                out.extend_from_slice(b"\r\n");
            }
            Self::Nil if resp3 => line(out, b'_', b""),
            Self::NoList if resp3 => line(out, b'_', b""),
            Self::Nil => line(out, b'$', b"-1"),
            Self::NoList => line(out, b'*', b"-1"),
            Self::List(items) => Self::write_all(items, b'*', resp3, out),
            Self::Push(items) => {
                Self::write_all(items, if resp3 { b'>' } else { b'*' }, resp3, out);
            }
            Self::Map(pairs) => Self::write_map(pairs, resp3, out),
        }
    }

    fn write_all(items: &[Self], kind: u8, resp3: bool, out: &mut Vec<u8>) {
        line(out, kind, items.len().to_string().as_bytes());
        items.iter().for_each(|item| item.write(resp3, out));
    }

    fn write_map(pairs: &[(Self, Self)], resp3: bool, out: &mut Vec<u8>) {
        let (kind, count) = if resp3 {
            (b'%', pairs.len())
        } else {
            (b'*', pairs.len() * 2)
        };
        line(out, kind, count.to_string().as_bytes());
        for (key, value) in pairs {
            key.write(resp3, out);
            value.write(resp3, out);
        }
    }
}

fn line(out: &mut Vec<u8>, kind: u8, text: &[u8]) {
    out.push(kind);
    out.extend_from_slice(text);
    out.extend_from_slice(b"\r\n");
}

/// What a client decoded, as the answer that it must have been. `None` for what no model server sends.
pub(crate) fn decoded(value: &Value) -> Option<Answer> {
    Some(match value {
        Value::Nil => Answer::Nil,
        Value::Integer(number) => Answer::Integer(*number),
        Value::Simple(text) if text.as_ref() == b"OK" => Answer::ok(),
        Value::Simple(text) if text.as_ref() == b"PONG" => Answer::Status("PONG"),
        Value::Bulk(text) => Answer::text(text),
        Value::Array(items) => Answer::List(items.iter().map(decoded).collect::<Option<_>>()?),
        _ => return None,
    })
}
