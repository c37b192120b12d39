//! Scans as streams: pages that are fetched as they are read.
//!
//! # Layout
//!
//! This file has the SCAN family, whose cursors may be used again. `scan/rows.rs` has rows behind a cursor that the
//! server moves, as of FT.AGGREGATE.

use std::collections::HashSet;
use std::hash::Hash;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use crate::command::Args;
use crate::command::ToArgs;
use crate::error::{Error, Result};
use crate::host::{Host, IntoHost, Repeated};
use crate::reply::FromRedis;
use crate::request::IntoRequest;

mod rows;

pub use rows::{RowStream, Rows};

/// Where a scan goes on: 0 is the beginning; any other number comes from the reply of the call before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Cursor(u64);

impl From<u64> for Cursor {
    fn from(cursor: u64) -> Self {
        Self(cursor)
    }
}

impl ToArgs for Cursor {
    fn write_args(&self, out: &mut Args) {
        out.cursor_item(self.0);
    }
}

/// Turns a command with a cursor into a stream of all the elements that it finds.
///
/// ```ignore
/// let mut keys = conn.scan::<String>(0).matching("user:*").count(500).stream();
/// while let Some(key) = keys.try_next().await? {
///     println!("{key}");
/// }
/// ```
pub trait IntoScanStream: IntoRequest + Sized {
    /// The stream, from the command's cursor to the end: a [`ScanStream`], or a [`RowStream`] for an aggregation.
    ///
    /// On a [`Connection`](crate::Connection) or [`Pool`](crate::Pool) the stream borrows nothing and may be sent to
    /// another task.
    fn stream<'h>(self) -> <Self::Reply as ScanPage>::Stream<'h>
    where
        Self::Reply: ScanPage,
        Self::Sink: IntoHost<'h>,
    {
        let command = self.into_request().into_parts();
        Self::Reply::stream(command.map(|(sink, args)| (sink.into_host(), *args)))
    }
}

impl<C: IntoRequest> IntoScanStream for C {}

/// A reply that is a page of a scan.
#[diagnostic::on_unimplemented(
    message = "this command replies with `{Self}`, which is not a page of a scan, so it cannot become a stream",
    label = "not a page of a scan",
    note = "SCAN, HSCAN, SSCAN, ZSCAN, FT.AGGREGATE `.with_cursor()` and FT.CURSOR READ can be turned into streams"
)]
pub trait ScanPage: FromRedis {
    /// The stream of the elements of all pages.
    type Stream<'h>;

    /// The stream that begins with this command; `None` means that it has been sent already.
    fn stream<'h>(command: Option<(Host<'h>, Args)>) -> Self::Stream<'h>;
}

impl<T: FromRedis> ScanPage for (u64, Vec<T>) {
    type Stream<'h> = ScanStream<'h, T>;

    fn stream<'h>(command: Option<(Host<'h>, Args)>) -> ScanStream<'h, T> {
        match command {
            Some((host, args)) => ScanStream::new(host, args),
            None => ScanStream::over(),
        }
    }
}

/// The elements that a scan finds, as a [`Stream`] of `Result<T>`.
///
/// A page is fetched when the page before it has been read: a stream that is not polled fetches nothing. An error is
/// the last item of the stream. [`cursor`](Self::cursor) says where to go on, then or at any other time.
///
/// The servers promise to find every element that is there from the beginning to the end of the scan. An element may
/// be found more than once; [`distinct`](Self::distinct) yields it once.
#[must_use = "a stream does nothing until it is polled"]
pub struct ScanStream<'h, T> {
    pages: Option<Repeated<'h>>,
    command: Option<Args>,
    page: std::vec::IntoIter<T>,
    /// The cursor with which the current page was fetched.
    current: u64,
    /// The cursor for the next page; `None` if there is none.
    next: Option<u64>,
    is_new: Option<IsNew<'h, T>>,
}

/// Returns whether an element was not yielded before.
type IsNew<'h, T> = Box<dyn FnMut(&T) -> bool + Send + 'h>;

/// The cursor to go on with, and the elements.
type Page<T> = Result<(u64, Vec<T>)>;

/// Nothing in it is ever pinned.
impl<T> Unpin for ScanStream<'_, T> {}

impl<T> std::fmt::Debug for ScanStream<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScanStream")
            .field("pages", &self.pages)
            .field("cursor", &self.cursor())
            .finish_non_exhaustive()
    }
}

impl<'h, T> ScanStream<'h, T> {
    fn new(host: Host<'h>, command: Args) -> Self {
        let first = command.cursor();
        Self {
            pages: Some(Repeated::new(host)),
            command: Some(command),
            current: first.unwrap_or(0),
            next: Some(first.unwrap_or(0)),
            ..Self::over()
        }
    }

    fn over() -> Self {
        Self {
            pages: None,
            command: None,
            page: Vec::new().into_iter(),
            current: 0,
            next: None,
            is_new: None,
        }
    }

    /// Yields every element once. For this it keeps a copy of each.
    pub fn distinct(self) -> Self
    where
        T: Hash + Eq + Clone + Send + 'h,
    {
        self.distinct_by(T::clone)
    }

    /// Yields every element once, where `key` decides which elements are the same: the member of a pair with its
    /// score. It keeps the key of each.
    pub fn distinct_by<K>(mut self, key: impl Fn(&T) -> K + Send + 'h) -> Self
    where
        K: Hash + Eq + Send + 'h,
    {
        let mut seen = HashSet::new();
        self.is_new = Some(Box::new(move |element| seen.insert(key(element))));
        self
    }

    /// A later scan can go on from this cursor without missing anything; `None` when the scan is complete.
    ///
    /// While a page is being read, this is the cursor of that page, so its elements come again. If you want to stop
    /// after a number of elements, read on until the cursor changes: servers may put more elements into a page than
    /// COUNT says.
    #[must_use]
    pub fn cursor(&self) -> Option<u64> {
        if self.page.len() > 0 {
            Some(self.current)
        } else {
            self.next
        }
    }
}

impl<T: FromRedis> ScanStream<'_, T> {
    /// The next element, or `None` at the end; after an error the stream has ended.
    pub async fn next(&mut self) -> Option<Result<T>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// The next element, or `None` at the end.
    ///
    /// # Errors
    /// The command's failure, which ends the stream.
    pub async fn try_next(&mut self) -> Result<Option<T>> {
        self.next().await.transpose()
    }

    /// Reads to the end.
    ///
    /// # Errors
    /// The first failure of a command.
    pub async fn try_collect<C: Default + Extend<T>>(mut self) -> Result<C> {
        let mut all = C::default();
        while let Some(element) = self.try_next().await? {
            all.extend([element]);
        }
        Ok(all)
    }

    fn poll_page(&mut self, cx: &mut Context<'_>) -> Poll<Option<Page<T>>> {
        let (Some(pages), Some(command), Some(next)) =
            (&mut self.pages, &mut self.command, self.next)
        else {
            return Poll::Ready(None);
        };
        let page = ready!(pages.poll(cx, || match command.take_error() {
            Some(error) => Err(error),
            None => command.at_cursor(next).ok_or_else(|| {
                Error::usage("it has no argument of the type `Cursor`, by which it could go on")
            }),
        }));
        let name = || command.name();
        Poll::Ready(Some(page.and_then(|frame| {
            frame.decode().map_err(|error| error.of_command(name()))
        })))
    }
}

impl<T: FromRedis> Stream for ScanStream<'_, T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        let this = &mut *self;
        loop {
            for element in this.page.by_ref() {
                if this.is_new.as_mut().is_none_or(|is_new| is_new(&element)) {
                    return Poll::Ready(Some(Ok(element)));
                }
            }
            match ready!(this.poll_page(cx)) {
                None => return Poll::Ready(None),
                Some(Ok((next, page))) => {
                    this.current = this.next.unwrap_or(0);
                    this.next = (next != 0).then_some(next);
                    this.page = page.into_iter();
                }
                Some(Err(error)) => {
                    this.pages = None;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Keys;
    use crate::command::{CommandInfo, command_info};

    static SCAN: CommandInfo = command_info!("SCAN").readonly();

    #[test]
    fn another_cursor_takes_the_place_of_the_first() {
        let mut scan = Args::new(&SCAN, Keys::Ignored);
        scan.args("cursor", &Cursor(0));
        scan.part(1, |args| {
            args.word("COUNT");
            args.arg("count", &5);
        });
        scan.part(0, |args| args.word("MATCH"));
        assert_eq!(scan.cursor(), Some(0));
        let later = scan
            .at_cursor(12_345_678_901)
            .and_then(|scan| scan.at_cursor(17));
        let words = later.map(|later| later.to_words());
        let expected = ["SCAN", "17", "MATCH", "COUNT", "5"].map(|word| word.as_bytes().to_vec());
        assert_eq!(words, Some(expected.to_vec()));
    }

    #[test]
    fn the_place_of_a_cursor_in_an_option_is_not_kept() {
        let mut scan = Args::new(&SCAN, Keys::Ignored);
        scan.part(0, |args| args.args("cursor", &Cursor(0)));
        assert_eq!(scan.cursor(), None);
        assert!(scan.at_cursor(1).is_none());
    }
}
