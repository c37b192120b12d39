//! Waiting for new elements of lists and streams: [`Listen`].

use std::collections::HashSet;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use typedis_core::{
    AllowsBlocking, Args, Error, ErrorKind, Frame, FromRedis, IntoHost, IntoRepeat, IntoRequest,
    Name, Pause, Phase, Repeat, Repeated, Result, Stream, Target, ToArgs, cmd,
};

use crate::args::StreamId;
use crate::commands::traits::{ListCommands, StreamCommands};
use crate::replies::{EntryFields, EntryId, StreamEntry};

/// Streams over commands that block. They work on a [`Pool`](crate::Pool) or a [`Cluster`](crate::Cluster), which
/// lease a socket for each call, or on an [`Exclusive`](crate::Exclusive).
pub trait Listen: Target {
    /// Elements as they come into lists, each with the name of its list: BLPOP, again and again.
    ///
    /// If several lists have elements, the first of these lists is served first. To take elements from the other end,
    /// or several at a time, call [`repeat`](IntoRepeat::repeat) on BRPOP or BLMPOP.
    ///
    /// ```no_run
    /// # #[tokio::main] async fn main() -> typedis::Result<()> {
    /// use typedis::prelude::*;
    ///
    /// let pool = typedis::pool("redis://localhost").await?;
    /// let mut jobs = pool.listen::<String>(["urgent", "jobs"]);
    /// loop {
    ///     let (list, job) = jobs.next().await?;
    ///     println!("{job}, from {list}");
    /// #   break;
    /// }
    /// # Ok(()) }
    /// ```
    fn listen<'h, T>(self, lists: impl ToArgs) -> Repeat<'h, (Name, T)>
    where
        T: FromRedis,
        Self::Sink: IntoHost<'h> + AllowsBlocking,
    {
        self.blpop::<T>(lists, 0).repeat()
    }

    /// Entries as they come into streams, each with the name of its stream: XREAD, which goes on from the last
    /// entry.
    ///
    /// Every reader gets every entry. To share the entries among several readers, see [`Worker`](crate::Worker). Each
    /// stream is read from a given place: after the entry with this id, from now on ([`StreamId::END`]), or from the
    /// beginning (`"0"`). A stream that is named twice is an error, which ends the `Tail`.
    ///
    /// ```no_run
    /// # #[tokio::main] async fn main() -> typedis::Result<()> {
    /// use typedis::prelude::*;
    ///
    /// #[derive(FromRedis)]
    /// struct Reading {
    ///     sensor: String,
    ///     value: f64,
    /// }
    ///
    /// let pool = typedis::pool("redis://localhost").await?;
    /// let mut readings = pool.tail::<Reading>([("readings", "$")]);
    /// loop {
    ///     let (_, entry) = readings.next().await?;
    ///     println!("{}: {} is {}", entry.id, entry.fields.sensor, entry.fields.value);
    /// #   break;
    /// }
    /// # Ok(()) }
    /// ```
    fn tail<'h, T>(
        self,
        streams: impl IntoIterator<Item = (impl Into<Name>, impl Into<StreamId>)>,
    ) -> Tail<'h, T>
    where
        Self::Sink: IntoHost<'h> + AllowsBlocking,
    {
        let streams = streams
            .into_iter()
            .map(|(key, after)| (key.into(), after.into()));
        let streams: Vec<(Name, StreamId)> = streams.collect();
        Tail {
            calls: Repeated::new(self.into_sink().into_host()),
            twice: named_twice(&streams),
            streams,
            entries: Vec::new().into_iter(),
            pause: Pause::default(),
        }
    }
}

impl<Q: Target> Listen for Q {}

/// The stream that [`Listen::tail`] returns: entries of streams in order, as a [`Stream`] that does not end.
///
/// An error is an item too. If it is polled again, the stream pauses and goes on after the last entry that it
/// yielded: no entry is missed, and none comes twice. After several failures in a row the pauses get longer. Only an error of
/// the call itself, for which nothing is sent, ends the stream, such as a stream that is named twice or a handle that was closed.
#[must_use = "a stream does nothing until it is polled"]
pub struct Tail<'h, T> {
    calls: Repeated<'h>,
    /// Each stream with the place behind which its next entry is.
    streams: Vec<(Name, StreamId)>,
    /// The name of a stream that was named twice. There is one place for each name, so it could not go on from two.
    twice: Option<Name>,
    /// What was read and not handed out yet, each with the number of its stream.
    entries: std::vec::IntoIter<(usize, Entry<T>)>,
    pause: Pause,
}

/// An entry that was read.
type Entry<T> = StreamEntry<EntryFields<T>>;

/// How many entries of each stream are read at once.
const PAGE: u64 = 100;

impl<T> Unpin for Tail<'_, T> {}

impl<T> std::fmt::Debug for Tail<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tail")
            .field("streams", &self.streams)
            .finish_non_exhaustive()
    }
}

impl<T> Tail<'_, T> {
    /// The place in each stream after which it goes on: the id of the last entry that was yielded.
    pub fn positions(&self) -> impl Iterator<Item = (&str, &StreamId)> {
        self.streams
            .iter()
            .map(|(key, after)| (key.as_str(), after))
    }
}

impl<T: FromRedis> Tail<'_, T> {
    /// The next entry, with the name of its stream.
    ///
    /// # Errors
    /// The command's failure, or an entry that does not fit; the stream goes on when this is called again. If an error of the
    /// call itself has ended the stream, each later call pauses and says that.
    pub async fn next(&mut self) -> Result<(Name, StreamEntry<T>)> {
        match std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await {
            Some(item) => item,
            None => Err(self.pause.ended().await),
        }
    }

    fn poll_entry(&mut self, cx: &mut Context<'_>) -> Poll<Result<(Name, StreamEntry<T>)>> {
        loop {
            if let Some((number, entry)) = self.entries.next()
                && let Some((key, after)) = self.streams.get_mut(number)
            {
                *after = entry.id.into();
                let id = entry.id;
                return Poll::Ready(match entry.fields.decoded {
                    Ok(fields) => Ok((key.clone(), StreamEntry { id, fields })),
                    Err(error) => Err(Error::new(
                        ErrorKind::Decode(error.at_field(id.to_string()).at_index(number)),
                        Phase::Applied,
                    )),
                });
            }
            ready!(self.pause.poll(cx));
            match ready!(self.poll_page(cx)) {
                Ok(()) => self.pause.succeeded(),
                Err(error) => {
                    self.pause.failed(&error);
                    return Poll::Ready(Err(error));
                }
            }
        }
    }

    fn poll_page(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if let Some(name) = &self.twice {
            let text =
                format!("the stream `{name}` is named twice; a `Tail` has one place in each");
            return Poll::Ready(Err(Error::new(
                ErrorKind::Usage(text.into()),
                Phase::NotSent,
            )));
        }
        // Between two calls with `$` entries could come that neither sees: its place is taken down once.
        let end = |(_, after): &(Name, StreamId)| *after == StreamId::END;
        if let Some((key, after)) = self.streams.iter_mut().find(|stream| end(stream)) {
            let frame = ready!(self.calls.poll(cx, || Ok(last_entry(key))))?;
            let last: Vec<StreamEntry<EntryFields<()>>> = frame.decode()?;
            *after = last
                .first()
                .map_or(EntryId::default(), |last| last.id)
                .into();
            return Poll::Ready(Ok(()));
        }
        let frame = ready!(self.calls.poll(cx, || Ok(read_after(&self.streams))))?;
        self.entries = self.numbered(frame)?.into_iter();
        Poll::Ready(Ok(()))
    }

    /// The entries of a reply, each with the number of its stream.
    fn numbered(&self, frame: Frame) -> Result<Vec<(usize, Entry<T>)>> {
        let read: Option<Vec<(Name, Vec<Entry<T>>)>> = frame.decode()?;
        let mut numbered = Vec::new();
        for (key, entries) in read.unwrap_or_default() {
            let number = self.streams.iter().position(|(known, _)| *known == key);
            let number = number.unwrap_or(usize::MAX);
            numbered.extend(entries.into_iter().map(|entry| (number, entry)));
        }
        Ok(numbered)
    }
}

fn named_twice(streams: &[(Name, StreamId)]) -> Option<Name> {
    let mut seen = HashSet::new();
    let mut names = streams.iter().map(|(name, _)| name);
    names.find(|name| !seen.insert(*name)).cloned()
}

fn last_entry(key: &str) -> Args {
    let last = cmd()
        .xrevrange::<()>(key, StreamId::MAX, StreamId::MIN)
        .count(1);
    last.into_request().into_args()
}

fn read_after(streams: &[(Name, StreamId)]) -> Args {
    let read = cmd().xread::<()>(streams).count(PAGE).block(0);
    read.into_request().into_args()
}

impl<T: FromRedis> Stream for Tail<'_, T> {
    type Item = Result<(Name, StreamEntry<T>)>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<(Name, StreamEntry<T>)>>> {
        if self.pause.has_ended() {
            return Poll::Ready(None);
        }
        self.poll_entry(cx).map(Some)
    }
}
