//! Commands as streams: scans, whose pages are fetched as they are read, and commands that block, again and again.
//!
//! # Layout
//!
//! - this file: the SCAN family, whose cursors may be used again
//! - `rows`: rows behind a cursor that the server moves, as of FT.AGGREGATE
//! - `repeat`: a command that blocks until something comes

use std::collections::HashSet;
use std::fmt;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use crate::client::host::{Host, IntoHost, Repeated, Walk};
use crate::command::Args;
use crate::command::ToArgs;
use crate::error::{CommandName, Error, Result};
use crate::reply::FromRedis;
use crate::request::IntoRequest;

/// The methods that both kinds of streams with an end have.
macro_rules! finite {
    ($stream:ident) => {
        impl<T: FromRedis> $stream<'_, T> {
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
        }
    };
}

pub(crate) mod repeat;
mod rows;

use repeat::sent_already;
pub use rows::{RowStream, Rows};

/// Where a scan goes on: 0 is the beginning; anything else comes from a scan that got so far.
///
/// The cursor of one server is a number. That of a scan over a cluster is a text, which says what is done on which node. Both
/// can be saved as text, and read in another process.
///
/// ```
/// # extern crate typedis_core as typedis;
/// use typedis::Cursor;
///
/// let cursor = Cursor::from(17);
/// let saved = cursor.to_string();
/// assert_eq!(Cursor::from(saved.as_str()), cursor);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cursor(Place);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Place {
    Number(u64),
    Text(Arc<str>),
}

impl Cursor {
    /// The number that a server takes; `None` for the cursor of a scan over a cluster.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        match &self.0 {
            Place::Number(number) => Some(*number),
            Place::Text(_) => None,
        }
    }
}

impl Default for Cursor {
    fn default() -> Self {
        Self::from(0)
    }
}

impl From<u64> for Cursor {
    fn from(cursor: u64) -> Self {
        Self(Place::Number(cursor))
    }
}

/// A cursor that was saved. A text that is none makes the scan fail before anything is sent.
impl From<&str> for Cursor {
    fn from(text: &str) -> Self {
        Self(match text.parse() {
            Ok(number) => Place::Number(number),
            Err(_) => Place::Text(text.into()),
        })
    }
}

impl From<&String> for Cursor {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<String> for Cursor {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Number(number) => write!(f, "{number}"),
            Place::Text(text) => f.write_str(text),
        }
    }
}

impl ToArgs for Cursor {
    fn write_args(&self, out: &mut Args) {
        match &self.0 {
            Place::Number(number) => out.cursor_item(*number),
            Place::Text(text) => out.cursor_text_item(text),
        }
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
    /// On a [`Connection`](crate::Connection), [`Pool`](crate::Pool) or [`Cluster`](crate::cluster::Cluster) the stream
    /// borrows nothing and may be sent to another task.
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
            None => ScanStream::of(Pages::Failed(Some(sent_already()), None)),
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
///
/// A cursor means something only to the process that gave it. So on a [`Pool`](crate::Pool), whose lanes may lead to different
/// servers, the stream keeps one lane for all of its pages. On a [`Connection`](crate::Connection) or a pool it goes on with the
/// cursor after a lost connection, because in most cases the same process answers. If the server was restarted meanwhile, or
/// another one has taken its place, elements may be missed; events of the connection
/// ([`ConnectionEvent`](crate::ConnectionEvent)) tell. A scan over a cluster notices this.
///
/// # On a cluster
///
/// SCAN on a [`Cluster`](crate::cluster::Cluster) goes over all primaries, and promises the same while slots move and replicas
/// take over: each key that is there from the beginning to the end is found. Slots that moved during the scan are looked
/// for again where they are then, so keys may come twice then. On Redis 6 and 7, whose SCAN does not go slot by slot, this
/// promise has one gap: if slots keep moving all the time, a slot that leaves its node and comes back between two looks at
/// the map may be missed. A pattern with a literal hash tag (`user:{42}:*`) asks only the
/// node that has its slot. What no node owns is not found. If the nodes do not agree within the command timeout, the stream
/// ends with an error, and its cursor goes on later.
///
/// HSCAN, SSCAN and ZSCAN begin again if another node, or the same one after a restart, has to go on: no process can read the
/// cursor of another. Whether it is the same process is asked by INFO; where that is not allowed, they begin again after each lost
/// connection. Their cursors are of use as long as the key stays where it is.
#[must_use = "a stream does nothing until it is polled"]
pub struct ScanStream<'h, T> {
    pages: Pages<'h>,
    page: std::vec::IntoIter<T>,
    is_new: Option<IsNew<'h, T>>,
}

/// Where the pages come from.
enum Pages<'h> {
    /// One server, or the one that has the key.
    Server(ServerPages<'h>),
    /// All primaries of a cluster.
    Cluster(CommandName, Box<dyn Walk>),
    /// Nothing comes any more, because of this error; `None` once it was told. A later scan can go on from the cursor.
    Failed(Option<Error>, Option<Cursor>),
}

/// The pages of one server.
struct ServerPages<'h> {
    commands: Repeated<'h>,
    command: Args,
    /// The cursor with which the current page was fetched.
    current: u64,
    /// The cursor for the next page; `None` if there is none.
    next: Option<u64>,
}

/// Returns whether an element was not yielded before.
type IsNew<'h, T> = Box<dyn FnMut(&T) -> bool + Send + 'h>;

/// Nothing in it is ever pinned.
impl<T> Unpin for ScanStream<'_, T> {}

impl<T> std::fmt::Debug for ScanStream<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScanStream")
            .field("cursor", &self.cursor())
            .finish_non_exhaustive()
    }
}

impl<'h, T> ScanStream<'h, T> {
    fn new(host: Host<'h>, mut command: Args) -> Self {
        if let Some(error) = command.take_error() {
            let cursor = command.cursor_text().map(Cursor::from);
            return Self::of(Pages::Failed(Some(error), Some(cursor.unwrap_or_default())));
        }
        Self::of(match host.walk(&command) {
            Some(walk) => Pages::Cluster(command.name(), walk),
            None => Pages::Server(ServerPages::new(host.on_one_server(), command)),
        })
    }

    fn of(pages: Pages<'h>) -> Self {
        Self {
            pages,
            page: Vec::new().into_iter(),
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
    pub fn cursor(&self) -> Option<Cursor> {
        let again = self.page.len() > 0;
        match &self.pages {
            Pages::Server(pages) if again => Some(pages.current.into()),
            Pages::Server(pages) => pages.next.map(Cursor::from),
            Pages::Cluster(_, walk) => walk.cursor(again).map(Cursor::from),
            Pages::Failed(_, cursor) => cursor.clone(),
        }
    }
}

impl<'h> ServerPages<'h> {
    fn new(host: Host<'h>, command: Args) -> Self {
        let first = command.cursor().unwrap_or(0);
        Self {
            commands: Repeated::new(host),
            command,
            current: first,
            next: Some(first),
        }
    }

    /// The elements of the next page; `None` at the end.
    fn poll<T: FromRedis>(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Vec<T>>>> {
        let (command, Some(next)) = (&self.command, self.next) else {
            return Poll::Ready(None);
        };
        let page = ready!(self.commands.poll(cx, || command_at(command, next)));
        let page = page.and_then(|frame| frame.decode::<(u64, Vec<T>)>());
        let page = page.map_err(|error| error.of_command(self.command.name()));
        Poll::Ready(Some(page.map(|(cursor, elements)| {
            self.current = next;
            self.next = (cursor != 0).then_some(cursor);
            elements
        })))
    }
}

fn command_at(command: &Args, cursor: u64) -> Result<Args> {
    if let Some(text) = command.cursor_text()
        && command.cursor().is_none()
    {
        return Err(Error::usage(format!(
            "`{text}` is the cursor of a scan over a cluster, or none at all; a scan of one server, or of one key, goes on from a number"
        )));
    }
    command.at_cursor(cursor).ok_or_else(|| {
        Error::usage("it has no argument of the type `Cursor`, by which it could go on")
    })
}

finite!(ScanStream);

impl<T: FromRedis> ScanStream<'_, T> {
    fn poll_page(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Vec<T>>>> {
        match &mut self.pages {
            Pages::Server(pages) => pages.poll(cx),
            Pages::Cluster(name, walk) => {
                let Some(page) = ready!(walk.poll_page(cx)) else {
                    return Poll::Ready(None);
                };
                let came = page.is_ok();
                let decoded = page.and_then(|frame| frame.decode());
                let decoded = decoded.map_err(|error| error.of_command(name.clone()));
                if came && decoded.is_err() {
                    // The walk is behind this page, of which nothing was yielded.
                    self.pages = Pages::Failed(None, walk.cursor(true).map(Cursor::from));
                }
                Poll::Ready(Some(decoded))
            }
            Pages::Failed(error, _) => Poll::Ready(error.take().map(Err)),
        }
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
                Some(Ok(page)) => this.page = page.into_iter(),
                Some(Err(error)) => {
                    this.pages = Pages::Failed(None, this.cursor());
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
        scan.args("cursor", &Cursor::from(0));
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
        scan.part(0, |args| args.args("cursor", &Cursor::from(0)));
        assert_eq!(scan.cursor(), None);
        assert!(scan.at_cursor(1).is_none());
    }
}
