//! Commands as they come: [`next`] finds the first in a buffer.

/// A command: its words.
pub(super) type Words = Vec<Vec<u8>>;

/// The first whole command in `input`, and how many bytes it has. `Err` if this is no command.
pub(super) fn next(input: &[u8]) -> Result<Option<(Words, usize)>, ()> {
    let mut at = 0;
    let Some(count) = number(input, &mut at, b'*')? else {
        return Ok(None);
    };
    let mut words = Words::new();
    for _ in 0..count {
        let Some(len) = number(input, &mut at, b'$')? else {
            return Ok(None);
        };
        let Some(word) = input.get(at..at + len) else {
            return Ok(None);
        };
        words.push(word.to_vec());
        match input.get(at + len..at + len + 2) {
            None => return Ok(None),
            Some(b"\r\n") => at += len + 2,
            Some(_) => return Err(()),
        }
    }
    Ok(Some((words, at)))
}

/// A line of this kind with a number.
fn number(input: &[u8], at: &mut usize, kind: u8) -> Result<Option<usize>, ()> {
    let rest = input.get(*at..).unwrap_or_default();
    let Some(first) = rest.first() else {
        return Ok(None);
    };
    if *first != kind {
        return Err(());
    }
    let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") else {
        return Ok(None);
    };
    let digits = rest.get(1..end).unwrap_or_default();
    let text = std::str::from_utf8(digits).map_err(drop)?;
    *at += end + 2;
    text.parse().map(Some).map_err(drop)
}

/// The token in a word: the number after the last `#`, or the number that the word is.
pub(super) fn token(word: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(word).ok()?;
    let number = text.rsplit('#').next().unwrap_or(text);
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_found_when_its_last_byte_has_come() {
        let bytes = b"*2\r\n$4\r\nECHO\r\n$2\r\n#7\r\n*1\r\n";
        for len in 0..22 {
            assert_eq!(next(&bytes[..len]), Ok(None), "{len}");
        }
        let (words, len) = next(bytes).unwrap().unwrap();
        assert_eq!((words[0].as_slice(), len), (&b"ECHO"[..], 22));
        assert_eq!(token(&words[1]), Some(7));
        assert_eq!(next(b"+OK\r\n"), Err(()));
    }
}
