//! Options of FT.SEARCH that have further options: [`ReturnFields`], [`Summarize`], [`Highlight`].

use typedis_core::{ArgError, Args, Error, ErrorKind, Phase, ToArgs};

use super::words::Words;

/// A field of a document, and its name in the reply.
///
/// The name of a field alone also works: `"title"`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReturnField {
    identifier: String,
    alias: Option<String>,
}

impl ReturnField {
    /// A field, or a path within a JSON document.
    pub fn new(identifier: impl Into<String>) -> Self {
        Self {
            identifier: identifier.into(),
            alias: None,
        }
    }

    /// Gives it this name in the reply.
    #[must_use]
    pub fn alias(mut self, name: impl Into<String>) -> Self {
        self.alias = Some(name.into());
        self
    }
}

impl From<&str> for ReturnField {
    fn from(identifier: &str) -> Self {
        Self::new(identifier)
    }
}

impl From<String> for ReturnField {
    fn from(identifier: String) -> Self {
        Self::new(identifier)
    }
}

/// The fields to reply with: one, an array or a `Vec` of names or [`ReturnField`]s. An empty list is refused before
/// anything is sent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReturnFields(Words);

impl ReturnFields {
    pub(super) fn into_words(self) -> Words {
        self.0
    }
}

impl<F: Into<ReturnField>> FromIterator<F> for ReturnFields {
    fn from_iter<I: IntoIterator<Item = F>>(fields: I) -> Self {
        let mut words = Words::default();
        for field in fields {
            let ReturnField { identifier, alias } = field.into();
            words.push(identifier);
            if let Some(alias) = alias {
                words.push("AS");
                words.push(alias);
            }
        }
        Self(words)
    }
}

impl<F: Into<ReturnField>, const N: usize> From<[F; N]> for ReturnFields {
    fn from(fields: [F; N]) -> Self {
        fields.into_iter().collect()
    }
}

impl<F: Into<ReturnField>> From<Vec<F>> for ReturnFields {
    fn from(fields: Vec<F>) -> Self {
        fields.into_iter().collect()
    }
}

impl From<ReturnField> for ReturnFields {
    fn from(field: ReturnField) -> Self {
        [field].into()
    }
}

impl From<&str> for ReturnFields {
    fn from(field: &str) -> Self {
        [field].into()
    }
}

impl ToArgs for ReturnFields {
    fn write_args(&self, out: &mut Args) {
        // The server takes a list without fields for NOCONTENT, whose reply has another form.
        if self.0.len() == 0 {
            let reason =
                ArgError::new("one field at least is needed; ft_search_nocontent has none");
            out.refuse(Error::new(ErrorKind::Argument(reason), Phase::NotSent));
        }
        self.0.write_args(out);
    }
}

/// How fields are shortened to the parts around the matches.
///
/// ```
/// # use typedis::args::Summarize;
/// let summary = Summarize::new().fields(["body"]).frags(2).len(30).separator(" … ");
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Summarize {
    fields: Words,
    options: Words,
}

impl Summarize {
    /// Shortens all returned fields to three parts of 20 words.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only these fields.
    #[must_use]
    pub fn fields<F: Into<String>>(mut self, fields: impl IntoIterator<Item = F>) -> Self {
        self.fields = fields.into_iter().map(Into::into).collect();
        self
    }

    /// At most this many parts.
    #[must_use]
    pub fn frags(mut self, parts: u64) -> Self {
        self.options = self.options.with("FRAGS").with(parts);
        self
    }

    /// This many words in each part.
    #[must_use]
    pub fn len(mut self, words: u64) -> Self {
        self.options = self.options.with("LEN").with(words);
        self
    }

    /// The text between the parts.
    #[must_use]
    pub fn separator(mut self, separator: impl Into<String>) -> Self {
        self.options = self.options.with("SEPARATOR").with(separator.into());
        self
    }
}

impl ToArgs for Summarize {
    fn write_args(&self, out: &mut Args) {
        write_fields(&self.fields, out);
        self.options.write_args(out);
    }
}

/// How matches are marked.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Highlight {
    fields: Words,
    tags: Words,
}

impl Highlight {
    /// Marks matches in all returned fields with `<b>` and `</b>`.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Marks matches only in these fields.
    #[must_use]
    pub fn fields<F: Into<String>>(mut self, fields: impl IntoIterator<Item = F>) -> Self {
        self.fields = fields.into_iter().map(Into::into).collect();
        self
    }

    /// Marks matches with this text before and after.
    #[must_use]
    pub fn tags(mut self, open: impl Into<String>, close: impl Into<String>) -> Self {
        self.tags = Words::default()
            .with("TAGS")
            .with(open.into())
            .with(close.into());
        self
    }
}

impl ToArgs for Highlight {
    fn write_args(&self, out: &mut Args) {
        write_fields(&self.fields, out);
        self.tags.write_args(out);
    }
}

fn write_fields(fields: &Words, out: &mut Args) {
    if fields.len() > 0 {
        out.word("FIELDS");
        out.item(&fields.len());
        fields.write_args(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::wire::words;

    #[test]
    fn fields_may_be_renamed() {
        assert_eq!(words(&ReturnFields::from("title")), ["title"]);
        assert_eq!(
            words(&ReturnFields::from(["title", "price"])),
            ["title", "price"]
        );
        let fields =
            ReturnFields::from([ReturnField::new("$.title").alias("title"), "price".into()]);
        assert_eq!(words(&fields), ["$.title", "AS", "title", "price"]);
    }

    #[test]
    fn summaries_write_what_was_set() {
        assert_eq!(words(&Summarize::new()), [""; 0]);
        let summary = Summarize::new()
            .len(30)
            .frags(2)
            .separator("|")
            .fields(["a", "b"]);
        assert_eq!(
            words(&summary).join(" "),
            "FIELDS 2 a b LEN 30 FRAGS 2 SEPARATOR |"
        );
    }

    #[test]
    fn highlights_write_what_was_set() {
        assert_eq!(words(&Highlight::new()), [""; 0]);
        let highlight = Highlight::new().tags("<i>", "</i>").fields(["a"]);
        assert_eq!(
            words(&highlight),
            ["FIELDS", "1", "a", "TAGS", "<i>", "</i>"]
        );
    }
}
