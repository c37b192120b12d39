//! Reading the replies that are text for people: lines, words, and names with values.

use std::str::FromStr;

use typedis_core::{DecodeError, Reply};

/// The text of a reply; an error if it is not text.
pub(super) fn text<'a>(reply: &Reply<'a>, what: &str) -> Result<&'a str, DecodeError> {
    match reply.text() {
        Some(text) => text.to_str(),
        None => Err(DecodeError::expected(what, reply)),
    }
}

/// The bytes of a reply that is a text, parts of which other people may have chosen.
pub(super) fn bytes<'a>(reply: &Reply<'a>, what: &str) -> Result<&'a [u8], DecodeError> {
    match reply.text() {
        Some(text) => Ok(text.as_bytes()),
        None => Err(DecodeError::expected(what, reply)),
    }
}

/// The lines that hold something.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
}

/// `name=value` fields between separators; a field without `=` is skipped.
pub(super) fn fields(line: &str, separator: char) -> impl Iterator<Item = (&str, &str)> {
    line.split(separator)
        .filter_map(|field| field.split_once('='))
}

/// Parses a value, as a number for instance.
pub(super) fn parse<T: FromStr>(name: &str, value: &str) -> Result<T, DecodeError> {
    value.parse().map_err(|_| {
        DecodeError::new("the text is no number of this size").at_field(name.to_owned())
    })
}

/// Words between separators, none of them empty.
pub(super) fn words(text: &str, separator: char) -> Vec<String> {
    let words = text.split(separator).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

/// Decodes words between commas, as `#[redis(with = "comma")]`.
pub(super) mod comma {
    use typedis_core::{DecodeError, Reply};

    pub(in super::super) fn from_redis(reply: Reply<'_>) -> Result<Vec<String>, DecodeError> {
        super::text(&reply, "words between commas").map(|text| super::words(text, ','))
    }
}
