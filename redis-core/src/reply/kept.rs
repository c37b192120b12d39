//! A reply as a cache keeps it: [`KeptReply`].

use std::sync::Arc;

use bytes::Bytes;

use crate::wire::encode::{self, Output};
use crate::wire::token;

/// Nil in RESP3.
pub(super) const NIL: &[u8] = b"_\r\n";

/// A reply in memory that keeps nothing else alive, and whose clones do not allocate.
///
/// A string, which most kept replies are, is kept without what the protocol writes around it. So it can be given out as it
/// is, and is not read again at each hit.
#[derive(Debug, Clone)]
pub enum KeptReply {
    /// A string.
    Bulk(Bytes),
    /// Any other reply, as it came; `None` is nil in RESP3, which takes no memory.
    Frame(Option<Arc<Bytes>>),
}

impl KeptReply {
    /// Whether it is nil, in either protocol.
    pub(crate) fn is_nil(&self) -> bool {
        match self {
            Self::Bulk(_) => false,
            Self::Frame(None) => true,
            Self::Frame(Some(frame)) => matches!(&frame[..], b"$-1\r\n" | b"*-1\r\n"),
        }
    }

    /// A copy of a reply that came.
    pub(crate) fn of(frame: &[u8]) -> Self {
        match token::short_bulk(frame, 0) {
            Some((text, end)) if end == frame.len() => Self::Bulk(compact(text)),
            _ if frame == NIL => Self::Frame(None),
            _ => Self::Frame(Some(Arc::new(compact(frame)))),
        }
    }

    /// How many bytes it keeps.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Bulk(text) => text.len(),
            Self::Frame(frame) => frame.as_ref().map_or(NIL.len(), |frame| frame.len()),
        }
    }

    /// The reply as it came.
    pub(crate) fn into_frame(self) -> Bytes {
        match self {
            Self::Bulk(text) => {
                let mut frame = Vec::with_capacity(text.len() + 8);
                encode::bulk(&mut frame, &text);
                frame.into()
            }
            Self::Frame(frame) => {
                frame.map_or(Bytes::from_static(NIL), |frame| Bytes::clone(&frame))
            }
        }
    }

    /// Appends the reply as it came.
    pub(crate) fn write_to(&self, out: &mut Vec<u8>) {
        match self {
            Self::Bulk(text) => encode::bulk(out, text),
            Self::Frame(frame) => out.put(frame.as_ref().map_or(NIL, |frame| frame)),
        }
    }
}

/// A copy whose clones do not allocate.
fn compact(bytes: &[u8]) -> Bytes {
    const SHORT: usize = 31;
    const MEDIUM: usize = 63;
    if bytes.len() <= SHORT {
        Bytes::from_owner(Inline::<SHORT>::new(bytes))
    } else if bytes.len() <= MEDIUM {
        Bytes::from_owner(Inline::<MEDIUM>::new(bytes))
    } else {
        Bytes::from_owner(Box::<[u8]>::from(bytes))
    }
}

/// Up to `N` bytes in one piece with their length.
struct Inline<const N: usize> {
    len: u8,
    bytes: [u8; N],
}

impl<const N: usize> Inline<N> {
    fn new(source: &[u8]) -> Self {
        let mut bytes = [0; N];
        if let Some(target) = bytes.get_mut(..source.len()) {
            target.copy_from_slice(source);
        }
        // The callers give at most `N` bytes, and `N` fits into a byte.
        let len = u8::try_from(source.len()).unwrap_or(0);
        Self { len, bytes }
    }
}

impl<const N: usize> AsRef<[u8]> for Inline<N> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_given_back_as_it_came() {
        for len in [0, 1, 9, 10, 31, 32, 63, 64, 999, 1000, 5000] {
            let text: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
            let mut bulk = Vec::new();
            encode::bulk(&mut bulk, &text);
            let array = [b"*1\r\n", bulk.as_slice()].concat();
            for frame in [
                &bulk,
                &array,
                &b":1\r\n".to_vec(),
                &b"$-1\r\n".to_vec(),
                &NIL.to_vec(),
            ] {
                let kept = KeptReply::of(frame);
                let mut written = Vec::new();
                kept.write_to(&mut written);
                assert_eq!(&written, frame);
                assert_eq!(kept.into_frame(), *frame);
            }
        }
    }

    #[test]
    fn nil_takes_no_memory() {
        assert!(matches!(KeptReply::of(NIL), KeptReply::Frame(None)));
        assert_eq!(KeptReply::of(NIL).into_frame(), NIL);
        assert_eq!(size_of::<KeptReply>(), size_of::<Bytes>());
    }

    #[test]
    fn a_string_is_kept_alone() {
        assert!(matches!(KeptReply::of(b"$2\r\nab\r\n"), KeptReply::Bulk(text) if text == "ab"));
        assert!(matches!(KeptReply::of(b":1\r\n"), KeptReply::Frame(_)));
    }
}
