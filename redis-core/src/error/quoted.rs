//! What servers quote of a command that holds a secret: [`without_secret`] hides it.

use super::server::{ServerError, in_one_line};

/// The text in place of what is hidden.
const HIDDEN: &str = "***";

/// Hides a secret in the error for a command that it is an argument of: servers quote the arguments of commands that they do not
/// understand.
pub(crate) fn without_secret(error: ServerError, secret: &str) -> ServerError {
    // Servers cut quoted arguments short, so that a secret is not found in them. All of them are left out.
    const QUOTED: &str = "with args beginning with:";
    if secret.is_empty() {
        return error;
    }
    // Line breaks of the secret have become spaces, as those of the error have.
    let (text, secret) = (error.to_string(), in_one_line(secret));
    ServerError::new(&match text.split_once(QUOTED) {
        Some((before, _)) => format!("{}{QUOTED} {HIDDEN}", masked(before, &secret)),
        None => masked(&text, &secret),
    })
}

/// Masks a secret. A short word may be one of the server's own, such as `password`: it is masked where it is quoted, as an argument
/// is. Any other secret is masked wherever it stands.
fn masked(text: &str, secret: &str) -> String {
    /// Servers' own words are shorter.
    const LONG: usize = 20;
    let is_word = secret.bytes().all(|byte| byte.is_ascii_alphabetic());
    if !is_word || secret.len() >= LONG {
        return masked_anywhere(text, secret);
    }
    ['\'', '"', '`']
        .into_iter()
        .fold(text.to_owned(), |text, quote| {
            text.replace(
                &format!("{quote}{secret}{quote}"),
                &format!("{quote}{HIDDEN}{quote}"),
            )
        })
}

/// Masks a secret wherever it stands, also one that the server cut short.
fn masked_anywhere(text: &str, secret: &str) -> String {
    /// So many characters are its beginning, and no accident.
    const TELLING: usize = 12;
    let beginning: String = secret.chars().take(TELLING).collect();
    let (mut masked, mut rest) = (String::new(), text);
    while let Some((before, _)) = rest.split_once(&beginning) {
        masked.push_str(before);
        masked.push_str(HIDDEN);
        let found = rest.get(before.len()..).unwrap_or_default();
        rest = found.get(in_common(found, secret)..).unwrap_or_default();
    }
    masked + rest
}

/// How many bytes two texts have in common at their beginnings.
fn in_common(one: &str, other: &str) -> usize {
    let pairs = one.chars().zip(other.chars());
    pairs
        .take_while(|(one, other)| one == other)
        .map(|(letter, _)| letter.len_utf8())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::{ServerError, masked, without_secret};

    #[test]
    fn a_secret_is_masked_where_it_is_an_argument() {
        for (text, secret, shown) in [
            (
                "ERR no 'HELLO' 'AUTH' 'password'",
                "password",
                "ERR no 'HELLO' 'AUTH' '***'",
            ),
            ("ERR no `3`, `ERR`, ", "ERR", "ERR no `3`, `***`, "),
            ("ERR bad s3cret!", "s3cret!", "ERR bad ***"),
            (
                "ERR s3cret!s3cret!, s3cret",
                "s3cret!",
                "ERR ******, s3cret",
            ),
        ] {
            assert_eq!(masked(text, secret), shown);
        }
        let words = "WRONGPASS invalid username-password pair or user is disabled.";
        assert_eq!(masked(words, "password"), words);
    }

    #[test]
    fn a_secret_that_was_cut_short_is_masked() {
        let letters = "abcdefghijklmnopqrstuvwxyz";
        for (text, secret) in [
            ("ERR no ***lmnop", "0123456789abcdef"),
            ("ERR no ***\u{fffd}", "0123456789ab\u{e4}cdef"),
            ("ERR no *** ", "one line\r\nand another"),
            ("ERR no ***'", letters),
        ] {
            let secret = super::in_one_line(secret);
            let cut: String = secret.chars().take(12).collect();
            assert_eq!(masked(&text.replace("***", &cut), &secret), text);
        }
    }

    #[test]
    fn quoted_arguments_are_left_out() {
        let refused = |secret| {
            let text =
                "ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'me' 's3c";
            without_secret(ServerError::new(text), secret).to_string()
        };
        let left = "ERR unknown command 'HELLO', with args beginning with: ***";
        assert_eq!(refused("s3cret"), left);
        // There is nothing to hide.
        assert!(refused("").ends_with("'s3c"));
    }
}
