//! How `rename_all` spells names.

use crate::nearest::suggestion;

/// A way to spell a name of several words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Camel,
    Pascal,
    Snake,
    ScreamingSnake,
    Kebab,
    Lower,
    Upper,
}

const STYLES: [(&str, Case); 7] = [
    ("camelCase", Case::Camel),
    ("PascalCase", Case::Pascal),
    ("snake_case", Case::Snake),
    ("SCREAMING_SNAKE_CASE", Case::ScreamingSnake),
    ("kebab-case", Case::Kebab),
    ("lowercase", Case::Lower),
    ("UPPERCASE", Case::Upper),
];

impl Case {
    /// Reads the name of a style, or says which one may be meant.
    pub(super) fn parse(style: &str) -> Result<Self, String> {
        STYLES
            .iter()
            .find(|(name, _)| *name == style)
            .map(|(_, case)| *case)
            .ok_or_else(|| {
                format!(
                    "there is no style `{style}`; {}",
                    suggestion(style, STYLES.map(|(name, _)| name))
                )
            })
    }

    /// Spells the name of a field (`snake_case`) or of a variant (`PascalCase`).
    pub(super) fn spell(self, name: &str) -> String {
        let words = words(name);
        match self {
            Self::Camel => {
                let rest: String = words.iter().skip(1).map(|word| capitalized(word)).collect();
                words.first().cloned().unwrap_or_default() + &rest
            }
            Self::Pascal => words.iter().map(|word| capitalized(word)).collect(),
            Self::Snake => words.join("_"),
            Self::ScreamingSnake => words.join("_").to_uppercase(),
            Self::Kebab => words.join("-"),
            Self::Lower => words.concat(),
            Self::Upper => words.concat().to_uppercase(),
        }
    }
}

/// The words of a name in lower case: they begin after `_`, and at a capital that follows a small letter or a digit
/// or that begins a word after an acronym (`HTTPServer` is `http` and `server`).
fn words(name: &str) -> Vec<String> {
    let chars: Vec<char> = name.chars().collect();
    let mut words = vec![String::new()];
    for (index, &char) in chars.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|at| chars.get(at));
        let after = chars.get(index + 1);
        let begins = char.is_uppercase()
            && before.is_some_and(|before| {
                !before.is_uppercase() || after.is_some_and(|after| after.is_lowercase())
            });
        if char == '_' || begins {
            words.push(String::new());
        }
        if char != '_'
            && let Some(word) = words.last_mut()
        {
            word.extend(char.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn capitalized(word: &str) -> String {
    let mut chars = word.chars();
    chars
        .next()
        .map(|first| first.to_uppercase().chain(chars).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelt_in_each_style() {
        let expected = [
            "lastSeenAt2",
            "LastSeenAt2",
            "last_seen_at2",
            "LAST_SEEN_AT2",
            "last-seen-at2",
            "lastseenat2",
            "LASTSEENAT2",
        ];
        for name in ["last_seen_at2", "LastSeenAt2"] {
            let spelt = STYLES.map(|(_, case)| case.spell(name));
            assert_eq!(spelt, expected);
        }
        assert_eq!(Case::Snake.spell("HTTPServer"), "http_server");
        assert_eq!(Case::Camel.spell("_id"), "id");
    }

    #[test]
    fn a_misspelt_style_is_corrected() {
        let problem = Case::parse("camel_case").err();
        let text = "there is no style `camel_case`; did you mean `camelCase`?";
        assert_eq!(problem.as_deref(), Some(text));
    }
}
