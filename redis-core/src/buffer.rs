//! The bytes of one command while it is built: few in place, many in memory of their own.

use std::ops::{Deref, DerefMut};

use bytes::{Bytes, BytesMut};

use crate::resp::encode::{self, Output};

/// So many bytes need no allocation, which is enough for most commands.
const INLINE: usize = 94;

/// A growing sequence of bytes.
///
/// Commands are written in many small pieces: to append one is a comparison and a copy, which is inlined.
#[derive(Debug, Clone)]
pub(crate) struct Buffer(Place);

#[derive(Debug, Clone)]
enum Place {
    Inline {
        len: u8,
        bytes: [u8; INLINE],
    },
    Heap(BytesMut),
    /// Shared with what waits to be written.
    Shared(Bytes),
}

impl Buffer {
    #[inline]
    pub(crate) fn new() -> Self {
        Self(Place::Inline {
            len: 0,
            bytes: [0; INLINE],
        })
    }

    /// Keeps the first `len` bytes.
    pub(crate) fn truncate(&mut self, len: usize) {
        match &mut self.0 {
            Place::Inline { len: filled, .. } => {
                *filled = u8::try_from(len).map_or(*filled, |len| len.min(*filled));
            }
            Place::Heap(bytes) => bytes.truncate(len),
            Place::Shared(bytes) => bytes.truncate(len),
        }
    }

    /// Takes out the bytes from `start` to `end`.
    pub(crate) fn remove(&mut self, start: usize, end: usize) {
        let len = self.len();
        if start <= end && end <= len {
            self.copy_within(end..len, start);
            self.truncate(len - (end - start));
        }
    }

    /// The same bytes, to be held beside this.
    pub(crate) fn share(&mut self) -> Bytes {
        let bytes = match std::mem::replace(self, Self::new()).0 {
            Place::Inline { len, bytes } => {
                Bytes::copy_from_slice(bytes.get(..usize::from(len)).unwrap_or_default())
            }
            Place::Heap(bytes) => bytes.freeze(),
            Place::Shared(bytes) => bytes,
        };
        self.0 = Place::Shared(bytes.clone());
        bytes
    }

    /// Moves to memory of its own, with room for `more` bytes.
    #[cold]
    fn spill(&mut self, more: usize) -> &mut BytesMut {
        if !matches!(self.0, Place::Heap(_)) {
            // Some to spare, so that the end of a long value does not have it moved.
            let room = self.len() + more + 2 * INLINE;
            let mut bytes = BytesMut::with_capacity(room);
            bytes.extend_from_slice(self);
            self.0 = Place::Heap(bytes);
        }
        match &mut self.0 {
            Place::Heap(bytes) => bytes,
            _ => unreachable!("it was moved a moment ago"),
        }
    }
}

impl Output for Buffer {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        if let Place::Inline { len, bytes: all } = &mut self.0 {
            let start = usize::from(*len);
            if let Some(room) = all.get_mut(start..start + bytes.len()) {
                room.copy_from_slice(bytes);
                // There was room, so it is fewer than 256.
                *len += bytes.len() as u8;
                return;
            }
        }
        if let Place::Heap(all) = &mut self.0 {
            all.extend_from_slice(bytes);
        } else {
            self.spill(bytes.len()).extend_from_slice(bytes);
        }
    }

    #[inline]
    fn put_bulk(&mut self, data: &[u8]) {
        if let Place::Inline { len, bytes } = &mut self.0
            && let Some(room) = bytes.get_mut(usize::from(*len)..)
            && let Some(written) = write_short_bulk(room, data)
        {
            // There was room, so it is fewer than 256.
            *len += written as u8;
            return;
        }
        encode::bulk_header(self, data.len());
        self.put(data);
        self.put(b"\r\n");
    }
}

/// The header, data and line break of an argument of up to 99 bytes, written to `room`; says how many bytes that was.
#[inline]
fn write_short_bulk(room: &mut [u8], data: &[u8]) -> Option<usize> {
    let (rest, header) = match u8::try_from(data.len()) {
        Ok(ones @ 0..=9) => {
            let (header, rest) = room.split_first_chunk_mut()?;
            *header = [b'$', b'0' + ones, b'\r', b'\n'];
            (rest, 4)
        }
        Ok(two @ 10..=99) => {
            let (header, rest) = room.split_first_chunk_mut()?;
            *header = [b'$', b'0' + two / 10, b'0' + two % 10, b'\r', b'\n'];
            (rest, 5)
        }
        _ => return None,
    };
    let (place, end) = rest.split_at_mut_checked(data.len())?;
    place.copy_from_slice(data);
    *end.first_chunk_mut()? = *b"\r\n";
    Some(header + data.len() + 2)
}

impl From<&[u8]> for Buffer {
    fn from(bytes: &[u8]) -> Self {
        let mut buffer = Self::new();
        buffer.put(bytes);
        buffer
    }
}

impl Deref for Buffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Place::Inline { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Place::Heap(bytes) => bytes,
            Place::Shared(bytes) => bytes,
        }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        if matches!(self.0, Place::Shared(_)) {
            return self.spill(0);
        }
        match &mut self.0 {
            Place::Inline { len, bytes } => bytes.get_mut(..usize::from(*len)).unwrap_or_default(),
            Place::Heap(bytes) => bytes,
            Place::Shared(_) => unreachable!("it was moved a moment ago"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_out_of_its_place() {
        let mut buffer = Buffer::new();
        let mut expected = Vec::new();
        for n in 0..100_u8 {
            buffer.put(&[n; 5]);
            expected.extend_from_slice(&[n; 5]);
            assert_eq!(&*buffer, expected);
        }
    }

    #[test]
    fn a_part_is_taken_out_wherever_the_bytes_are() {
        for len in [20_u8, 200] {
            let mut buffer = Buffer::new();
            let all: Vec<u8> = (0..len).collect();
            buffer.put(&all);
            buffer.remove(3, 7);
            assert_eq!(&*buffer, [&all[..3], &all[7..]].concat());
        }
    }

    #[test]
    fn what_was_shared_does_not_change_with_it() {
        let mut buffer = Buffer::from(&[1; 200][..]);
        let shared = buffer.share();
        assert_eq!(shared.as_ptr(), buffer.as_ptr(), "nothing is copied");
        buffer[0] = 2;
        buffer.put(&[3]);
        assert_eq!(
            (shared[0], buffer[0], shared.len(), buffer.len()),
            (1, 2, 200, 201)
        );
    }
}
