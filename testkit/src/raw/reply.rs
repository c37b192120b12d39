//! A reply as a tree: [`Reply`].

use std::io;

/// How deep replies may be nested.
const DEPTH: usize = 64;

/// A reply of RESP2, with texts in place of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A simple or a bulk string.
    Text(String),
    /// An integer.
    Integer(i64),
    /// An array.
    Array(Vec<Reply>),
    /// Nothing.
    Nil,
    /// An error, inside of an array.
    Error(String),
}

impl Reply {
    /// Reads the bytes of one frame.
    ///
    /// # Errors
    ///
    /// If they are not one frame of RESP2, or it is nested too deep.
    pub fn parse(frame: &[u8]) -> io::Result<Self> {
        let mut rest = frame;
        let reply = read(&mut rest, DEPTH)?;
        if rest.is_empty() {
            Ok(reply)
        } else {
            Err(invalid())
        }
    }

    /// The text of a string.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The items of an array; for other replies, none.
    #[must_use]
    pub fn items(&self) -> &[Self] {
        match self {
            Self::Array(items) => items,
            _ => &[],
        }
    }

    /// The names and values of a map, which RESP2 sends as an array of names and values in turn.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Self)> {
        let pairs = self.items().chunks_exact(2);
        pairs.filter_map(|pair| match pair {
            [name, value] => Some((name.text()?, value)),
            _ => None,
        })
    }

    /// The value of a name in such a map.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.entries()
            .find(|(here, _)| *here == name)
            .map(|(_, value)| value)
    }
}

fn read(rest: &mut &[u8], depth: usize) -> io::Result<Reply> {
    let line = line(rest)?;
    let (kind, text) = line.split_at_checked(1).ok_or_else(invalid)?;
    let length = || text.parse::<i64>().map_err(|_| invalid());
    Ok(match kind {
        "+" => Reply::Text(text.to_owned()),
        "-" => Reply::Error(text.to_owned()),
        ":" => Reply::Integer(length()?),
        "$" => match usize::try_from(length()?) {
            Ok(length) => Reply::Text(bulk(rest, length)?),
            Err(_) => Reply::Nil,
        },
        "*" => match usize::try_from(length()?) {
            Ok(_) if depth == 0 => return Err(invalid()),
            Ok(length) => (0..length)
                .map(|_| read(rest, depth - 1))
                .collect::<io::Result<_>>()
                .map(Reply::Array)?,
            Err(_) => Reply::Nil,
        },
        _ => return Err(invalid()),
    })
}

fn line(rest: &mut &[u8]) -> io::Result<String> {
    let end = rest.iter().position(|byte| *byte == b'\n');
    let (line, after) = end
        .and_then(|end| rest.split_at_checked(end + 1))
        .ok_or_else(invalid)?;
    *rest = after;
    Ok(String::from_utf8_lossy(line).trim_end().to_owned())
}

fn bulk(rest: &mut &[u8], length: usize) -> io::Result<String> {
    let with_end = length.checked_add(2).ok_or_else(invalid)?;
    let (bytes, after) = rest.split_at_checked(with_end).ok_or_else(invalid)?;
    *rest = after;
    let bytes = bytes.strip_suffix(b"\r\n").ok_or_else(invalid)?;
    Ok(String::from_utf8_lossy(bytes).into_owned())
}

fn invalid() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the reply is not RESP2")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_nested_reply_is_a_tree() {
        let reply = Reply::parse(b"*4\r\n$4\r\nname\r\n:7\r\n+list\r\n*2\r\n$-1\r\n-ERR no\r\n");
        let reply = reply.unwrap();
        assert_eq!(reply.get("name"), Some(&Reply::Integer(7)));
        let list = [Reply::Nil, Reply::Error("ERR no".to_owned())];
        assert_eq!(reply.get("list").unwrap().items(), list);
    }

    #[test]
    fn what_is_cut_short_or_too_deep_is_refused() {
        Reply::parse(b"*2\r\n:1\r\n").unwrap_err();
        Reply::parse(b"$5\r\nabc\r\n").unwrap_err();
        Reply::parse(b":1\r\n:2\r\n").unwrap_err();
        Reply::parse(&b"*1\r\n".repeat(1_000)).unwrap_err();
    }
}
