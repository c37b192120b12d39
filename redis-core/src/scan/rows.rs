//! Rows behind a cursor that the server keeps and moves: [`RowStream`].

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::ScanPage;
use super::repeat::sent_already;
use crate::client::host::{Host, Repeated};
use crate::codec::Name;
use crate::command::Args;
use crate::error::{Error, Result};
use crate::handle::Connection;
use crate::reply::Frame;
use crate::reply::FromRedis;

/// A reply with rows, from a cursor that the server keeps. The page of a [`RowStream`] is such a reply with the
/// cursor.
pub trait Rows: FromRedis {
    /// The type of a row.
    type Row;

    /// The rows, and what the server warned of.
    fn into_rows(self) -> (Vec<Self::Row>, Vec<Name>);

    /// The command that reads the next rows of a cursor, made from the first command of the stream.
    fn read(first: &Args, cursor: u64) -> Option<Args>;

    /// The command that deletes a cursor on the server, made from the first command of the stream.
    fn delete(first: &Args, cursor: u64) -> Option<Args>;
}

impl<P: Rows> ScanPage for (P, u64) {
    type Stream<'h> = RowStream<'h, P::Row>;

    fn stream<'h>(command: Option<(Host<'h>, Args)>) -> RowStream<'h, P::Row> {
        RowStream::new::<P>(command)
    }
}

/// The rows of an aggregation with a cursor, as a [`Stream`] of `Result<T>`.
///
/// A page is fetched when the page before it has been read: a stream that is not polled fetches nothing. An error is
/// the last item of the stream.
///
/// The server keeps the cursor and moves it, so each page can be read only once. If you drop the stream before its
/// end, the cursor is deleted, because servers keep a limited number of them. To go on later, or elsewhere, take the
/// stream apart with [`detach`](Self::detach); on a cluster, the node that keeps the cursor is the
/// [`server`](Self::server) of the stream. After an error the cursor stays on the server, which deletes it if it
/// is not read for long enough (`MAXIDLE`). The same holds if you drop the stream while it waits for its first page.
///
/// A cursor is known to one server alone, so the stream keeps one lane of a [`Pool`](crate::Pool), and one node of a cluster.
#[must_use = "a stream does nothing until it is polled"]
pub struct RowStream<'h, T> {
    pages: Option<Repeated<'h>>,
    /// Which server has the cursor, after an error.
    server: Option<Connection>,
    /// Why there are no pages, until it is told.
    failure: Option<Error>,
    progress: Option<Progress>,
    page: std::vec::IntoIter<T>,
    warnings: Vec<Name>,
    reader: RowReader<T>,
}

/// How far the stream has come.
struct Progress {
    first: Args,
    has_begun: bool,
    /// The cursor to go on with, when the server has sent one.
    cursor: Option<u64>,
}

/// How one kind of rows is read: the functions of its [`Rows`], which the type of the stream does not name.
struct RowReader<T> {
    decode: fn(Frame) -> Result<Page<T>>,
    read: fn(&Args, u64) -> Option<Args>,
    delete: fn(&Args, u64) -> Option<Args>,
}

/// The content of one reply.
struct Page<T> {
    rows: Vec<T>,
    warnings: Vec<Name>,
    cursor: u64,
}

fn decode<P: Rows>(frame: Frame) -> Result<Page<P::Row>> {
    let (page, cursor): (P, u64) = frame.decode()?;
    let (rows, warnings) = page.into_rows();
    Ok(Page {
        rows,
        warnings,
        cursor,
    })
}

/// The cursor of a page whose rows are not what was expected.
fn cursor_of(frame: &Frame) -> Option<u64> {
    frame.elements()?.nth(1)?.decode().ok()
}

impl<T> Unpin for RowStream<'_, T> {}

impl<T> std::fmt::Debug for RowStream<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowStream")
            .field("pages", &self.pages)
            .field("cursor", &self.cursor())
            .finish_non_exhaustive()
    }
}

impl<'h, T> RowStream<'h, T> {
    fn new<P: Rows<Row = T>>(command: Option<(Host<'h>, Args)>) -> Self {
        let failure = command.is_none().then(sent_already);
        let (host, first) = command.unzip();
        Self {
            pages: host.map(|host| Repeated::new(host.on_one_server())),
            server: None,
            failure,
            progress: first.map(|first| Progress {
                has_begun: false,
                cursor: first.cursor(),
                first,
            }),
            page: Vec::new().into_iter(),
            warnings: Vec::new(),
            reader: RowReader {
                decode: decode::<P>,
                read: P::read,
                delete: P::delete,
            },
        }
    }

    /// The cursor of the rows that were not fetched yet; `None` before the first reply and at the end.
    #[must_use]
    pub fn cursor(&self) -> Option<u64> {
        self.progress.as_ref()?.cursor
    }

    /// A connection to the one server that keeps the cursor: there the rows that were not fetched yet are read. On a cluster, this
    /// is the node that the stream was begun on; with the cluster itself, any node would be asked. On a pool it is one of its lanes,
    /// which may lead to different servers. It is the pool's: to close it does nothing.
    ///
    /// `None` on an [`Exclusive`](crate::Exclusive), with which you go on itself, and on a
    /// [lazy](crate::cluster::Cluster::lazy) cluster before the first page.
    #[must_use]
    pub fn server(&self) -> Option<Connection> {
        let pages = self.pages.as_ref();
        let known = pages.and_then(|pages| pages.host().connection());
        known.or_else(|| self.server.clone())
    }

    /// The warnings of the server so far, such as a timeout that cut the result short; RESP2 has none.
    #[must_use]
    pub fn warnings(&self) -> &[Name] {
        &self.warnings
    }
}

finite!(RowStream);

impl<T: FromRedis> RowStream<'_, T> {
    /// Takes the stream apart and leaves the cursor on the server. Returns the rows that were fetched and not
    /// yielded, and the cursor for FT.CURSOR READ. The stream has ended then. On a cluster, only the
    /// [`server`](Self::server) of the stream knows the cursor.
    ///
    /// If a page is on its way, because a call of [`next`](Self::next) was dropped, this waits for it: nobody can read its rows
    /// again. If you drop this future meanwhile, the stream is as before, and you can go on with it or detach it again.
    ///
    /// # Errors
    /// The failure of the command that reads that page. It ends the stream, and [`cursor`](Self::cursor) still has the cursor,
    /// which stays on the server.
    #[must_use = "the rows would be lost"]
    pub async fn detach(&mut self) -> Result<(Vec<T>, Option<u64>)> {
        let is_awaited = self.pages.as_ref().is_some_and(Repeated::is_running);
        if is_awaited || self.failure.is_some() {
            match std::future::poll_fn(|cx| self.poll_page(cx)).await {
                Some(Ok(page)) => self.take(page),
                Some(Err(error)) => return Err(self.end(error)),
                None => {}
            }
        }
        let rows = std::mem::take(&mut self.page).collect();
        let cursor = self.progress.take().and_then(|progress| progress.cursor);
        Ok((rows, cursor))
    }

    /// Takes a page that has come.
    fn take(&mut self, page: Page<T>) {
        self.page = page.rows.into_iter();
        self.warnings.extend(page.warnings);
        if let Some(progress) = &mut self.progress {
            progress.advance(page.cursor);
        }
    }

    /// Ends it with an error, so that the cursor stays on the server.
    fn end(&mut self, error: Error) -> Error {
        self.server = self.server();
        self.pages = None;
        error
    }

    fn poll_page(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Page<T>>>> {
        let (Some(pages), Some(progress)) = (&mut self.pages, &mut self.progress) else {
            return Poll::Ready(self.failure.take().map(Err));
        };
        if progress.is_over() {
            return Poll::Ready(None);
        }
        let frame = ready!(pages.poll(cx, || progress.command(self.reader.read)));
        let page = frame.and_then(|frame| {
            let page = (self.reader.decode)(frame.clone());
            if page.is_err()
                && let Some(cursor) = cursor_of(&frame)
            {
                // The server is behind this page, which is in the error.
                progress.advance(cursor);
            }
            page
        });
        Poll::Ready(Some(
            page.map_err(|error| error.of_command(progress.first.name())),
        ))
    }
}

impl Progress {
    fn is_over(&self) -> bool {
        self.has_begun && self.cursor.is_none()
    }

    /// The command for the next page.
    fn command(&mut self, read: fn(&Args, u64) -> Option<Args>) -> Result<Args> {
        if let Some(error) = self.first.take_error() {
            return Err(error);
        }
        let Some(cursor) = self.cursor.filter(|_| self.has_begun) else {
            return Ok(self.first.again());
        };
        let next = self.first.at_cursor(cursor);
        next.or_else(|| read(&self.first, cursor)).ok_or_else(|| {
            Error::usage("a command of raw words cannot be read on: take its method instead")
        })
    }

    fn advance(&mut self, cursor: u64) {
        self.has_begun = true;
        self.cursor = (cursor != 0).then_some(cursor);
    }
}

impl<T: FromRedis> Stream for RowStream<'_, T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        let this = &mut *self;
        loop {
            if let Some(row) = this.page.next() {
                return Poll::Ready(Some(Ok(row)));
            }
            match ready!(this.poll_page(cx)) {
                None => return Poll::Ready(None),
                Some(Ok(page)) => this.take(page),
                Some(Err(error)) => return Poll::Ready(Some(Err(this.end(error)))),
            }
        }
    }
}

impl<T> Drop for RowStream<'_, T> {
    fn drop(&mut self) {
        if let (Some(pages), Some(progress)) = (&self.pages, &self.progress)
            && let Some(cursor) = progress.cursor
            && let Some(delete) = (self.reader.delete)(&progress.first, cursor)
        {
            pages.host().cast(delete);
        }
    }
}
