//! The words of a line, quoted as redis-cli takes them.

/// Divides a line into its words.
pub(super) fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut rest = line.trim().chars().peekable();
    // What people copy begins with a prompt.
    while let Some(letter) = rest.next() {
        if letter.is_whitespace() {
            continue;
        }
        let mut word = String::new();
        if letter == '"' || letter == '\'' {
            quoted(letter, &mut rest, &mut word)?;
        } else {
            word.push(letter);
            while let Some(letter) = rest.next_if(|letter| !letter.is_whitespace()) {
                word.push(letter);
            }
        }
        words.push(word);
    }
    let prompt = words.first().is_some_and(|word| word.ends_with('>'));
    if prompt {
        words.remove(0);
    }
    Ok(words)
}

fn quoted(
    quote: char,
    rest: &mut impl Iterator<Item = char>,
    word: &mut String,
) -> Result<(), String> {
    while let Some(letter) = rest.next() {
        match letter {
            end if end == quote => return Ok(()),
            '\\' if quote == '"' => match rest.next() {
                Some('n') => word.push('\n'),
                Some('r') => word.push('\r'),
                Some('t') => word.push('\t'),
                Some(other) => word.push(other),
                None => {}
            },
            other => word.push(other),
        }
    }
    Err(format!("a quotation has no end: {quote}{word}"))
}
