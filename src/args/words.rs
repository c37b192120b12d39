//! The words of an argument that is built step by step: [`Words`].

use typedis_core::{ArgError, ArgWriter, Args, ToArg, ToArgs};

/// Words in the order in which they are sent.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Words(Vec<Word>);

/// One word, kept as a value until it is written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Word {
    Literal(&'static str),
    Text(String),
    Bytes(Vec<u8>),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
}

impl Words {
    /// Adds a word.
    pub(crate) fn push(&mut self, word: impl Into<Word>) {
        self.0.push(word.into());
    }

    /// Adds a word; for building in a chain.
    pub(crate) fn with(mut self, word: impl Into<Word>) -> Self {
        self.push(word);
        self
    }

    /// Adds the words of another list.
    pub(crate) fn append(&mut self, words: Self) {
        self.0.extend(words.0);
    }

    /// Adds the number of words in a list, and then the list.
    pub(crate) fn append_counted(&mut self, words: Self) {
        self.push(words.len());
        self.append(words);
    }

    /// The number of words.
    pub(crate) fn len(&self) -> u64 {
        self.0.len() as u64
    }
}

impl<W: Into<Word>> FromIterator<W> for Words {
    fn from_iter<I: IntoIterator<Item = W>>(words: I) -> Self {
        Self(words.into_iter().map(Into::into).collect())
    }
}

impl ToArgs for Words {
    fn write_args(&self, out: &mut Args) {
        self.0.iter().for_each(|word| out.item(word));
    }
}

impl ToArg for Word {
    fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
        match self {
            Self::Literal(text) => out.text(text),
            Self::Text(text) => out.text(text),
            Self::Bytes(bytes) => out.bytes(bytes),
            Self::Signed(value) => out.integer(*value),
            Self::Unsigned(value) => out.integer(*value),
            Self::Float(value) => out.float(*value)?,
        }
        Ok(())
    }
}

impl From<&'static str> for Word {
    fn from(text: &'static str) -> Self {
        Self::Literal(text)
    }
}

impl From<String> for Word {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Vec<u8>> for Word {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<i64> for Word {
    fn from(value: i64) -> Self {
        Self::Signed(value)
    }
}

impl From<u64> for Word {
    fn from(value: u64) -> Self {
        Self::Unsigned(value)
    }
}

impl From<f64> for Word {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::wire::words;

    #[test]
    fn a_counted_list_is_preceded_by_the_number_of_its_words() {
        let mut list = Words::default().with("FIELDS");
        list.append_counted(["a", "b"].into_iter().collect());
        assert_eq!(words(&list), ["FIELDS", "2", "a", "b"]);
    }

    #[test]
    fn every_kind_of_word_is_written_as_text() {
        let list = Words::default()
            .with("A")
            .with(String::from("b"))
            .with(b"c".to_vec())
            .with(-1_i64)
            .with(2_u64)
            .with(0.5);
        assert_eq!(words(&list), ["A", "b", "c", "-1", "2", "0.5"]);
    }
}
