//! Arguments that are formatted: [`arg!`](crate::arg!).

use std::fmt::{self, Write as _};

use crate::{ArgError, ArgWriter, Args, ToArg, ToArgs};

/// Texts up to this length need no allocation.
const INLINE: usize = 62;

/// Formats an argument: `conn.get(arg!("user:{id}"))`.
///
/// A text of up to 62 bytes is kept without an allocation. Unlike with `format_args!`, a future that holds the argument is
/// `Send`, so that it can be spawned as a task. (`format_args!` serves where the future is not sent to another thread, and
/// `format!` everywhere, for an allocation each.)
///
/// ```no_run
/// use typedis::arg;
/// use typedis::prelude::*;
///
/// # async fn example(conn: Connection, id: u64) -> typedis::Result<()> {
/// let task = tokio::spawn(async move { conn.get::<String>(arg!("user:{id}")).await });
/// # Ok(()) }
/// ```
#[macro_export]
macro_rules! arg {
    ($($format:tt)+) => {{
        // The pieces of `format_args!` live to the end of the statement: they must not live until the `await` outside.
        let arg = $crate::Formatted::new(::core::format_args!($($format)+));
        arg
    }};
}

/// A formatted argument; what [`arg!`](crate::arg!) gives.
#[derive(Clone)]
pub struct Formatted(Text);

#[derive(Clone)]
enum Text {
    Short {
        bytes: [u8; INLINE],
        len: u8,
    },
    Long(Vec<u8>),
    /// A `Display` failed.
    Failed,
}

impl Formatted {
    /// Formats the text.
    #[must_use]
    pub fn new(text: fmt::Arguments<'_>) -> Self {
        let mut this = Self(Text::Short {
            bytes: [0; INLINE],
            len: 0,
        });
        if this.write_fmt(text).is_err() {
            this.0 = Text::Failed;
        }
        this
    }

    fn as_bytes(&self) -> Option<&[u8]> {
        match &self.0 {
            Text::Short { bytes, len } => bytes.get(..usize::from(*len)),
            Text::Long(bytes) => Some(bytes),
            Text::Failed => None,
        }
    }
}

impl fmt::Write for Formatted {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let piece = piece.as_bytes();
        match &mut self.0 {
            Text::Short { bytes, len } => {
                let start = usize::from(*len);
                let end = start + piece.len();
                match (bytes.get_mut(start..end), u8::try_from(end)) {
                    (Some(room), Ok(end)) => {
                        room.copy_from_slice(piece);
                        *len = end;
                    }
                    _ => {
                        let written = bytes.get(..start).unwrap_or_default();
                        self.0 = Text::Long([written, piece].concat());
                    }
                }
            }
            Text::Long(bytes) => bytes.extend_from_slice(piece),
            Text::Failed => return Err(fmt::Error),
        }
        Ok(())
    }
}

impl fmt::Debug for Formatted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.as_bytes().map(String::from_utf8_lossy);
        f.debug_tuple("Formatted").field(&text).finish()
    }
}

impl ToArg for Formatted {
    fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
        match self.as_bytes() {
            Some(bytes) => out.bytes(bytes),
            None => return Err(ArgError::new("a value in it could not be formatted")),
        }
        Ok(())
    }
}

impl ToArgs for Formatted {
    fn write_args(&self, out: &mut Args) {
        out.item(self);
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use crate::prelude::*;

    /// The arguments of a command that was given this one.
    fn sent(arg: crate::Formatted) -> Vec<u8> {
        let words = cmd().get::<String>(arg).into_args().to_words();
        words[1].clone()
    }

    #[test]
    fn texts_of_every_length_arrive_whole() {
        assert_eq!(sent(arg!("")), b"");
        for len in 0..200 {
            let text = "x".repeat(len);
            assert_eq!(sent(arg!("{text}")), text.as_bytes());
            assert_eq!(
                sent(arg!("a:{text}:{}", 7)),
                format!("a:{text}:7").as_bytes()
            );
        }
    }

    #[test]
    fn what_cannot_be_formatted_is_refused() {
        struct Fails;
        impl std::fmt::Display for Fails {
            fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                Err(std::fmt::Error)
            }
        }
        let formatted = arg!("a{Fails}", Fails = Fails);
        assert!(formatted.as_bytes().is_none());
    }
}
