//! From words to bytes.

/// Where encoded bytes go.
pub(crate) trait Output {
    /// Appends bytes.
    fn put(&mut self, bytes: &[u8]);
}

impl Output for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

impl<A: smallvec::Array<Item = u8>> Output for smallvec::SmallVec<A> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// `*count\r\n`
pub(crate) fn array_header(out: &mut impl Output, count: u32) {
    header(out, b"*", itoa::Buffer::new().format(count));
}

/// `$len\r\n`
pub(crate) fn bulk_header(out: &mut impl Output, len: usize) {
    header(out, b"$", itoa::Buffer::new().format(len));
}

/// A whole argument.
pub(crate) fn bulk(out: &mut impl Output, data: &[u8]) {
    bulk_header(out, data.len());
    out.put(data);
    out.put(b"\r\n");
}

/// A whole argument that is a number.
pub(crate) fn bulk_integer(out: &mut impl Output, value: impl itoa::Integer) {
    bulk(out, itoa::Buffer::new().format(value).as_bytes());
}

fn header(out: &mut impl Output, kind: &[u8], number: &str) {
    out.put(kind);
    out.put(number.as_bytes());
    out.put(b"\r\n");
}

/// The words of what [`bulk`] wrote, one after another.
pub(crate) fn words(mut encoded: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let line = encoded.strip_prefix(b"$")?;
        let end = memchr::memchr(b'\r', line)?;
        let len: usize = std::str::from_utf8(line.get(..end)?).ok()?.parse().ok()?;
        let data = line.get(end + 2..)?;
        encoded = data.get(len + 2..)?;
        data.get(..len)
    })
}
