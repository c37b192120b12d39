//! The reply of FT.SPELLCHECK: [`Misspellings`].

use typedis_core::{DecodeError, FromRedis, Name, Reply};

use crate::replies::fields::{each_field, each_named, next};

/// The words of a query that an index does not have.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Misspellings {
    /// The words, in the order of the query.
    pub words: Vec<Misspelling>,
}

/// A word that an index does not have.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Misspelling {
    /// The word.
    pub word: Name,
    /// What it could mean, and the share of documents that have it, the most frequent one first.
    pub suggestions: Vec<(Name, f64)>,
}

/// RESP3 sends maps of words; RESP2 sends `TERM`, the word, and its suggestions after their scores.
impl FromRedis for Misspellings {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let mut words = Vec::new();
        match &reply {
            Reply::Array(elements) => {
                for (index, element) in elements.clone().enumerate() {
                    words.push(
                        Misspelling::listed(&element).map_err(|error| error.at_index(index))?,
                    );
                }
            }
            reply => each_field(reply, |name, results| match name {
                "results" => each_named(&results, |word, suggestions| {
                    words.push(Misspelling::named(word, &suggestions)?);
                    Ok(())
                }),
                _ => Ok(()),
            })?,
        }
        Ok(Self { words })
    }
}

impl Misspelling {
    fn listed(reply: &Reply<'_>) -> Result<Self, DecodeError> {
        let mut elements = reply
            .elements()
            .ok_or_else(|| DecodeError::expected("a word", reply))?;
        let _: Name = next(&mut elements, "TERM")?;
        let word = next(&mut elements, "word")?;
        let suggestions: Vec<(f64, Name)> = next(&mut elements, "suggestions")?;
        let suggestions = suggestions.into_iter().map(|(score, word)| (word, score));
        Ok(Self {
            word,
            suggestions: suggestions.collect(),
        })
    }

    fn named(word: Name, suggestions: &Reply<'_>) -> Result<Self, DecodeError> {
        let maps = suggestions
            .elements()
            .ok_or_else(|| DecodeError::expected("an array", suggestions))?;
        let mut found = Vec::new();
        for map in maps {
            each_named(&map, |word, score| {
                found.push((word, f64::from_redis(score)?));
                Ok(())
            })?;
        }
        Ok(Self {
            word,
            suggestions: found,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::replies::wire::decode;

    #[test]
    fn words_have_suggestions() {
        let two = "*2\r\n*3\r\n+TERM\r\n$4\r\nhelo\r\n*2\r\n*2\r\n$3\r\n0.5\r\n$5\r\nhello\r\n*2\r\n$1\r\n0\r\n$4\r\nhelp\r\n\
                   *3\r\n+TERM\r\n$3\r\nzzz\r\n*0\r\n";
        let three = "%1\r\n+results\r\n%2\r\n$4\r\nhelo\r\n*2\r\n%1\r\n$5\r\nhello\r\n,0.5\r\n%1\r\n$4\r\nhelp\r\n,0\r\n$3\r\nzzz\r\n*0\r\n";
        let expected = Misspellings {
            words: vec![
                Misspelling {
                    word: "helo".into(),
                    suggestions: vec![("hello".into(), 0.5), ("help".into(), 0.0)],
                },
                Misspelling {
                    word: "zzz".into(),
                    suggestions: vec![],
                },
            ],
        };
        for reply in [two, three] {
            assert_eq!(decode::<Misspellings>(reply).unwrap(), expected);
        }
    }

    #[test]
    fn what_does_not_fit_is_named_by_its_place_and_not_by_words_of_the_query() {
        let reply = "%1\r\n+results\r\n%1\r\n$4\r\nhelo\r\n*1\r\n%1\r\n$5\r\nhello\r\n$1\r\nx\r\n";
        let error = decode::<Misspellings>(reply).unwrap_err().to_string();
        assert!(error.contains("results[0][0]: "), "{error}");
        assert!(!error.contains("hel"), "{error}");
    }

    #[test]
    fn a_query_may_be_right() {
        for reply in ["*0\r\n", "%1\r\n+results\r\n%0\r\n"] {
            assert_eq!(decode::<Misspellings>(reply).unwrap().words, []);
        }
    }
}
