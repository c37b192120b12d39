//! Which terms FT.SPELLCHECK suggests: [`SpellcheckTerms`].

use typedis_core::{Args, ToArgs};

use super::words::Words;

/// Dictionaries whose terms are suggested too, or never.
#[derive(Debug, Clone, PartialEq)]
pub struct SpellcheckTerms(Words);

impl SpellcheckTerms {
    /// Suggests the terms of this dictionary too.
    pub fn include(dictionary: impl Into<String>) -> Self {
        Self(Words::default().with("INCLUDE").with(dictionary.into()))
    }

    /// Never suggests the terms of this dictionary.
    pub fn exclude(dictionary: impl Into<String>) -> Self {
        Self(Words::default().with("EXCLUDE").with(dictionary.into()))
    }
}

impl ToArgs for SpellcheckTerms {
    fn write_args(&self, out: &mut Args) {
        self.0.write_args(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::wire::words;

    #[test]
    fn a_dictionary_is_included_or_excluded() {
        assert_eq!(words(&SpellcheckTerms::include("d")), ["INCLUDE", "d"]);
        assert_eq!(words(&SpellcheckTerms::exclude("d")), ["EXCLUDE", "d"]);
    }
}
