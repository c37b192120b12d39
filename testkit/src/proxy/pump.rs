//! Moves the bytes of one direction of one connection: a reader that stamps them with the time at which they are due,
//! a queue, and a writer that lets them out by the lane's rules.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{self, Instant};

use super::Cut;
use super::lane::{Flow, Lane, Rules};

/// How many reads wait for their time before the reader waits too.
const QUEUED_READS: usize = 1_024;

/// The bytes of a read, and when they may be written.
type Read = (Instant, Vec<u8>);

/// Moves bytes until the sender's end, which is passed on, or a cut, which is the error.
///
/// `half_closes` is the number of half-closes that were ordered before the connection began: the next one
/// applies to it.
pub(super) async fn pump(
    lane: &Lane,
    half_closes: u64,
    from: ReadHalf<'_>,
    to: WriteHalf<'_>,
) -> Result<(), Cut> {
    let (queue, reads) = mpsc::channel(QUEUED_READS);
    let reader = read(lane.rules(), from, queue);
    let writer = Writer {
        lane,
        rules: lane.rules(),
        to,
        position: 0,
    }
    .write(reads, half_closes);
    tokio::try_join!(reader, writer).map(|_| ())
}

async fn read(
    mut rules: watch::Receiver<Rules>,
    mut from: ReadHalf<'_>,
    queue: mpsc::Sender<Read>,
) -> Result<(), Cut> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        until(&mut rules, |rules| rules.flow != Flow::Held).await?;
        let read = tokio::select! {
            read = from.read(&mut buffer) => read,
            // Perhaps a hold: look again before reading.
            changed = rules.changed() => {
                changed.map_err(|_| Cut::Reset)?;
                continue;
            }
        };
        let end = match read {
            Ok(0) => Ok(()),
            Err(_) => Err(Cut::Reset),
            Ok(length) => {
                let bytes = buffer.get(..length).unwrap_or_default().to_vec();
                let now = *rules.borrow();
                if now.flow != Flow::Swallowed {
                    // After a half-close there is no writer, and further bytes are thrown away.
                    let _ = queue.send((now.due(), bytes)).await;
                }
                continue;
            }
        };
        // A black hole also swallows the end.
        until(&mut rules, |rules| rules.flow == Flow::Open).await?;
        return end;
    }
}

struct Writer<'a> {
    lane: &'a Lane,
    rules: watch::Receiver<Rules>,
    to: WriteHalf<'a>,
    /// Bytes written on this connection.
    position: u64,
}

impl Writer<'_> {
    /// Writes what is read, each read when it is due; then passes the end on.
    async fn write(mut self, mut reads: mpsc::Receiver<Read>, half_closes: u64) -> Result<(), Cut> {
        let mut closing = self.rules.clone();
        tokio::select! {
            all = self.write_all(&mut reads) => all?,
            closed = until(&mut closing, |rules| rules.half_closes != half_closes) => closed?,
        }
        // An error means that the receiver has gone.
        self.to.shutdown().await.map_err(|_| Cut::Reset)
    }

    async fn write_all(&mut self, reads: &mut mpsc::Receiver<Read>) -> Result<(), Cut> {
        while let Some((due, bytes)) = reads.recv().await {
            sleep_until(due).await;
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                rest = self.write_some(rest).await?;
            }
        }
        Ok(())
    }

    /// Writes as much as the rules allow at once, and returns the rest.
    async fn write_some<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], Cut> {
        until(&mut self.rules, |rules| rules.flow != Flow::Held).await?;
        let rules = *self.rules.borrow();
        if rules.flow == Flow::Swallowed {
            return Ok(&[]);
        }
        let length = rules.next_write(bytes.len(), self.position);
        let (now, rest) = bytes.split_at_checked(length).unwrap_or((bytes, &[]));
        let start = Instant::now();
        sleep_until(start + rules.time_for(now.len())).await;
        self.to.write_all(now).await.map_err(|_| Cut::Reset)?;
        self.position += now.len() as u64;
        self.lane.count(now.len());
        match self.lane.take_cut(self.position) {
            Some(cut) => Err(cut),
            None => Ok(rest),
        }
    }
}

/// Waits until the rules fulfil a condition. An error means that the proxy is gone.
async fn until(
    rules: &mut watch::Receiver<Rules>,
    condition: impl Fn(&Rules) -> bool,
) -> Result<(), Cut> {
    rules
        .wait_for(|rules| condition(rules))
        .await
        .map(|_| ())
        .map_err(|_| Cut::Reset)
}

/// Sleeps, but not if the time has come: a timer rounds up to the next millisecond.
async fn sleep_until(due: Instant) {
    if due > Instant::now() {
        time::sleep_until(due).await;
    }
}
