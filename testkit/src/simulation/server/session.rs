//! One connection of a server: [`Session`].

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::request;
use super::state::Outbox;
use super::transaction::Transaction;
use super::{Answer, Server};
use crate::simulation::network::Socket;
use crate::simulation::world::lock;

/// One connection.
pub(super) struct Session {
    pub(super) server: Arc<Server>,
    pub(super) number: u64,
    pub(super) transaction: Transaction,
    /// Whether ASKING came right before.
    pub(super) asking: bool,
    /// Whether CLIENT CACHING YES came right before.
    pub(super) caching: bool,
    /// Whether it may read from replicas.
    pub(super) reads_copies: bool,
    /// Whether its server accepted writes at any time since it began.
    pub(super) met_primary: bool,
    pub(super) outbox: Arc<Mutex<Outbox>>,
    /// The wait of a blocking command; the inner `None` is for ever.
    blocked: Option<Option<Pin<Box<Sleep>>>>,
    socket: Socket,
    input: Vec<u8>,
    /// The client has sent all that it will.
    ended: bool,
}

/// How many bytes a session reads at once.
const READ: usize = 4096;

impl Session {
    pub(super) fn begin(server: Arc<Server>, socket: Socket, number: u64) -> Self {
        let outbox = server.state().enter(number);
        Self {
            server,
            number,
            transaction: Transaction::default(),
            asking: false,
            caching: false,
            reads_copies: false,
            met_primary: false,
            outbox,
            blocked: None,
            socket,
            input: Vec::new(),
            ended: false,
        }
    }

    /// Does all that can be done now; ready when the connection is over.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        lock(&self.outbox).waker = Some(cx.waker().clone());
        loop {
            if lock(&self.outbox).is_dead {
                self.socket.wire().reset();
                return Poll::Ready(());
            }
            if self.server.state().is_paused() {
                return Poll::Pending;
            }
            let moved = self.turn(cx);
            match moved {
                Ok(true) => {}
                Ok(false) => return Poll::Pending,
                Err(_) => return Poll::Ready(()),
            }
        }
    }

    /// Writes, answers one command and reads, each if it is possible. Returns whether anything was done.
    fn turn(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let wrote = self.write(cx)?;
        let answered = self.answer_next(cx)?;
        let read = self.read(cx)?;
        // What it had sent before its end is carried out, unless it waits for an element.
        if self.ended && !answered {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(wrote || answered || read)
    }

    fn write(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut outbox = lock(&self.outbox);
        if outbox.bytes.is_empty() {
            if outbox.hangs_up {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            return Ok(false);
        }
        match Pin::new(&mut self.socket).poll_write(cx, &outbox.bytes) {
            Poll::Ready(count) => {
                outbox.bytes.drain(..count?);
                Ok(true)
            }
            Poll::Pending => Ok(false),
        }
    }

    fn read(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        const MOST: usize = 64 * 1024;
        if self.ended || self.input.len() > MOST {
            return Ok(false);
        }
        let mut space = [0; READ];
        let mut buffer = ReadBuf::new(&mut space);
        match Pin::new(&mut self.socket).poll_read(cx, &mut buffer) {
            Poll::Ready(outcome) => {
                outcome?;
                self.ended = buffer.filled().is_empty();
                self.input.extend_from_slice(buffer.filled());
                Ok(true)
            }
            Poll::Pending => Ok(false),
        }
    }

    /// Carries out the next command that has come, or ends the wait of a blocking one.
    fn answer_next(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let waited = self.blocked.is_some();
        if self.is_blocked(cx) {
            return Ok(false);
        }
        if waited {
            // There is something to write now.
            return Ok(true);
        }
        let found =
            request::next(&self.input).map_err(|()| io::Error::from(io::ErrorKind::InvalidData))?;
        let Some((words, len)) = found else {
            return Ok(false);
        };
        self.input.drain(..len);
        self.carry_out(words);
        Ok(true)
    }

    fn is_blocked(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(wait) = &mut self.blocked else {
            return false;
        };
        if std::mem::take(&mut lock(&self.outbox).unblocked) {
            self.blocked = None;
            return false;
        }
        let over = wait
            .as_mut()
            .is_some_and(|timer| std::future::Future::poll(timer.as_mut(), cx).is_ready());
        if over {
            self.blocked = None;
            self.server.state().blocked.give_up(self.number);
            lock(&self.outbox).put(&Answer::NoList);
        }
        !over
    }

    /// Waits with its next answer.
    pub(super) fn block(&mut self, limit: Option<Duration>) {
        self.blocked = Some(limit.map(|limit| Box::pin(sleep(limit))));
    }

    /// Sends the answer to a command.
    pub(super) fn answer(&mut self, answer: &Answer) {
        let mut outbox = lock(&self.outbox);
        let chatters = self.server.kind.chatters && outbox.resp3;
        if chatters && self.server.state().random.one_in(4) {
            outbox.put(&Answer::Push(vec![
                Answer::text("news-of-a-later-version"),
                Answer::Integer(1),
            ]));
        }
        outbox.put(answer);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.server.state().leave(self.number);
    }
}
