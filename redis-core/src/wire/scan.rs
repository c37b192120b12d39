//! Where a reply ends: a scanner that remembers how far it got, so that a reply in many pieces is read only once.

use super::limits::{DEEPEST, Limits, ScanError};
use super::token::{self, Aggregate, Scanned, Token};

/// A complete frame at the start of the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its length in bytes, with the attributes before it.
    pub(crate) len: usize,
    /// Whether it answers a command.
    pub(crate) kind: FrameKind,
    /// Whether pushes stand between its elements, as with servers before 7.2; `Frame::inner_pushes` returns them.
    pub(crate) has_inner_pushes: bool,
}

impl Found {
    /// A reply with no pushes in it.
    pub(crate) fn reply(len: usize) -> Self {
        Self {
            len,
            kind: FrameKind::Reply,
            has_inner_pushes: false,
        }
    }
}

/// The length of the reply at the start of `bytes`, if it is just a short string, a usual status, an integer, or an array
/// of a few short strings.
#[inline(always)]
pub(crate) fn short_reply(bytes: &[u8]) -> Option<usize> {
    let after = match token::split_short_bulk(bytes).or_else(|| token::split_status(bytes)) {
        Some((_, after)) => after,
        None => after_other(bytes)?,
    };
    Some(bytes.len() - after.len())
}

/// What follows the reply at the start, if it is one of the less usual short ones.
#[inline]
fn after_other(bytes: &[u8]) -> Option<&[u8]> {
    match bytes.first()? {
        b'*' => token::split_short_array(bytes),
        b':' => token::split_integer(bytes),
        _ => None,
    }
}

/// Whether a frame answers a command or came by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameKind {
    Reply,
    Push,
}

/// Finds the end of one frame after another.
#[derive(Debug)]
pub(crate) struct Scanner {
    limits: Limits,
    /// Everything before this place was scanned.
    at: usize,
    /// The line that begins at `at` has no end before this place.
    searched: usize,
    missing: usize,
    /// The aggregates that are not complete yet.
    open: Vec<Open>,
    elements: u64,
    kind: Option<FrameKind>,
    has_inner_pushes: bool,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    /// How many elements are still to come.
    remaining: u64,
    /// Whether the aggregate is an element of the one around it; attributes and inner pushes are not.
    counts: bool,
}

impl Scanner {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            at: 0,
            searched: 0,
            missing: 1,
            open: Vec::new(),
            elements: 0,
            kind: None,
            has_inner_pushes: false,
        }
    }

    /// Looks for the end of the frame that `buffer` begins with.
    ///
    /// `None` means that it is not complete: call again with the same bytes and more after them. After a frame
    /// was found, the next call begins at the first byte of its buffer.
    ///
    /// # Errors
    /// The bytes after an error cannot be understood, so the connection must be closed.
    #[inline]
    pub(crate) fn scan(&mut self, buffer: &[u8]) -> Result<Option<Found>, ScanError> {
        if let Some(found) = self.short_replies(buffer).next() {
            return Ok(Some(found));
        }
        self.scan_on(buffer)
    }

    /// The same as [`Scanner::scan`], faster where [`Scanner::short_replies`] found nothing.
    pub(crate) fn scan_on(&mut self, buffer: &[u8]) -> Result<Option<Found>, ScanError> {
        loop {
            if self.take_short_bulks(buffer) {
                return Ok(Some(self.finish()));
            }
            match token::next(buffer, self.at, self.searched, &self.limits)? {
                Scanned::More { searched, missing } => {
                    (self.searched, self.missing) = (searched, missing);
                    return Ok(None);
                }
                Scanned::Token(token, end) => {
                    (self.at, self.searched) = (end, end);
                    if self.take(token)? {
                        return Ok(Some(self.finish()));
                    }
                }
            }
        }
    }

    /// The replies at the start of `buffer`, up to the first that [`short_reply`] does not find; it finds most. [`Scanner::scan`]
    /// reads the rest.
    #[inline]
    pub(crate) fn short_replies<'b>(
        &'b mut self,
        mut buffer: &'b [u8],
    ) -> impl Iterator<Item = Found> + 'b {
        // If a frame has begun, perhaps with an attribute, a string may be only a part of it.
        let are_allowed = self.at == 0
            && self.limits.max_bulk >= token::SHORT
            && self.limits.max_line >= token::STATUS
            && self.limits.max_elements >= token::FEW
            && self.limits.max_depth > 0;
        std::iter::from_fn(move || {
            let len = are_allowed.then(|| short_reply(buffer))??;
            buffer = buffer.get(len..)?;
            (self.searched, self.missing) = (0, 1);
            Some(Found::reply(len))
        })
    }

    /// At least how many bytes are missing, after [`Scanner::scan`] found no frame. The server announced this
    /// number: it is a hint for the size of the next read, not a size to allocate.
    pub(crate) fn missing(&self) -> usize {
        self.missing
    }

    /// Takes the short strings that come next, if all of them are allowed; returns whether they complete the frame.
    fn take_short_bulks(&mut self, buffer: &[u8]) -> bool {
        if self.limits.max_bulk < token::SHORT {
            return false;
        }
        loop {
            if let Some(open) = self.open.last_mut() {
                (self.at, open.remaining) = token::short_bulks(buffer, self.at, open.remaining);
            }
            let Some((_, end)) = token::short_bulk(buffer, self.at) else {
                self.searched = self.searched.max(self.at);
                return false;
            };
            (self.at, self.searched) = (end, end);
            if self.open.is_empty() {
                self.kind = Some(FrameKind::Reply);
            }
            if self.close(true) {
                return true;
            }
        }
    }

    /// Takes a token; returns whether it completes the frame.
    fn take(&mut self, token: Token<'_>) -> Result<bool, ScanError> {
        let counts = match token {
            Token::Open(Aggregate::Attribute, _) => false,
            Token::Open(Aggregate::Push, _) if self.kind.is_some() || !self.open.is_empty() => {
                self.has_inner_pushes = true;
                false
            }
            // Only attributes can be open here; their content is not the frame itself.
            _ if !self.open.is_empty() => true,
            Token::Open(Aggregate::Push, _) => {
                self.kind = Some(FrameKind::Push);
                true
            }
            _ => {
                self.kind = Some(FrameKind::Reply);
                true
            }
        };
        let Token::Open(_, count) = token else {
            return Ok(self.close(counts));
        };
        self.elements = self
            .elements
            .saturating_add(count)
            .saturating_add(u64::from(!counts));
        if self.elements > self.limits.max_elements {
            return Err(ScanError::TooManyElements);
        }
        if count == 0 {
            return Ok(self.close(counts));
        }
        if self.open.len() >= self.limits.max_depth.min(DEEPEST) {
            return Err(ScanError::TooDeep);
        }
        self.open.push(Open {
            remaining: count,
            counts,
        });
        Ok(false)
    }

    /// An element is complete, and perhaps the aggregate around it; returns whether the frame is complete.
    fn close(&mut self, mut counts: bool) -> bool {
        while counts {
            let Some(open) = self.open.last_mut() else {
                return true;
            };
            open.remaining -= 1;
            if open.remaining > 0 {
                return false;
            }
            counts = open.counts;
            self.open.pop();
        }
        false
    }

    fn finish(&mut self) -> Found {
        let found = Found {
            len: self.at,
            kind: self.kind.unwrap_or(FrameKind::Reply),
            has_inner_pushes: self.has_inner_pushes,
        };
        (self.at, self.searched, self.missing, self.elements) = (0, 0, 1, 0);
        (self.kind, self.has_inner_pushes) = (None, false);
        found
    }
}

#[cfg(test)]
#[path = "scan/tests.rs"]
mod tests;
