//! What the server says about keys that were changed: [`Invalidation`], and its listeners: [`Invalidates`].

use std::fmt;
use std::task::Waker;

use bytes::Bytes;

use super::cause::Cause;
use super::inbox::Inbox;
use super::message::Parcel;
use crate::reply::Reply;

/// Listens to invalidations in the order of the wire: before any reply that the server sent after them is handed
/// out.
///
/// It is called by the driver, under the lock of the subscriptions: it must return soon, and never wait.
pub(crate) trait Invalidates: fmt::Debug + Send + Sync {
    /// These keys were changed. It adds the tasks to wake to `woken`.
    fn invalidate(&self, invalidation: &Invalidation, woken: &mut Vec<Waker>);

    /// The socket was lost: changes from now on are not reported. No command has been sent on the next socket yet.
    /// It adds the tasks to wake to `woken`.
    fn lost(&self, woken: &mut Vec<Waker>);

    /// The connection has ended.
    fn end(&self, cause: Cause, woken: &mut Vec<Waker>);

    /// Whether the socket has to stay open for this, though nobody sends anything on it.
    fn keeps_awake(&self) -> bool {
        false
    }
}

/// An inbox keeps invalidations for a reader.
impl Invalidates for Inbox<Invalidation> {
    fn invalidate(&self, invalidation: &Invalidation, woken: &mut Vec<Waker>) {
        self.put(invalidation.clone(), woken);
    }

    /// An exclusive socket is not replaced, so the end follows.
    fn lost(&self, _: &mut Vec<Waker>) {}

    fn end(&self, cause: Cause, woken: &mut Vec<Waker>) {
        Self::end(self, Some(cause), woken);
    }
}

/// Which keys were changed since they were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invalidation {
    /// These keys; in broadcasting mode, keys that other clients changed.
    Keys(Vec<Bytes>),
    /// All keys: the server was flushed, or more was changed than was read here in time.
    All,
}

impl Invalidation {
    /// `None` if it is malformed.
    pub(crate) fn read(keys: &Reply<'_>) -> Option<Self> {
        if keys.is_nil() {
            return Some(Self::All);
        }
        keys.elements()?
            .map(|key| Some(Bytes::copy_from_slice(key.text()?.as_bytes())))
            .collect::<Option<_>>()
            .map(Self::Keys)
    }
}

impl Parcel for Invalidation {
    fn size(&self) -> usize {
        match self {
            Self::Keys(keys) => keys.iter().map(|key| size_of::<Bytes>() + key.len()).sum(),
            Self::All => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, Weak};

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    use super::*;
    use crate::engine::link::Link;
    use crate::engine::subscriptions::hub::InvalidationWatch;
    use crate::{Config, Connection, Run, raw};

    /// Notes the invalidations, and how many commands had been answered by then.
    #[derive(Debug)]
    struct Listener {
        link: Weak<Link>,
        heard: Mutex<Vec<(String, u64)>>,
    }

    impl Listener {
        fn note(&self, what: String) {
            let answered = self.link.upgrade().map_or(0, |link| link.counts().answered);
            self.heard.lock().unwrap().push((what, answered));
        }
    }

    impl Invalidates for Listener {
        fn invalidate(&self, invalidation: &Invalidation, _: &mut Vec<Waker>) {
            self.note(format!("{invalidation:?}"));
        }

        fn lost(&self, _: &mut Vec<Waker>) {
            self.note("lost".to_owned());
        }

        fn end(&self, _: Cause, _: &mut Vec<Waker>) {
            self.note("end".to_owned());
        }
    }

    /// A server that accepts any login, waits for three ECHOs and answers with `replies` in one piece, then hangs up.
    async fn serve(mut peer: DuplexStream, replies: &'static [u8]) {
        let mut received = Vec::new();
        let mut let_in = false;
        while received.windows(4).filter(|word| word == b"ECHO").count() < 3 {
            if peer.read_buf(&mut received).await.unwrap() == 0 {
                return;
            }
            if !let_in && received.windows(7).any(|word| word == b"LIB-VER") {
                let_in = true;
                peer.write_all(b"%0\r\n+OK\r\n+OK\r\n").await.unwrap();
            }
        }
        peer.write_all(replies).await.unwrap();
    }

    /// A connection to such a server, and who listens on it.
    async fn listen(replies: &'static [u8]) -> (Connection, Arc<Listener>, InvalidationWatch) {
        let config = Config::tcp("scripted", 1).transport(move |_| async move {
            let (ours, theirs) = tokio::io::duplex(4096);
            tokio::spawn(serve(theirs, replies));
            Ok(ours)
        });
        let conn = Connection::open(config).await.unwrap();
        let listener = Arc::new(Listener {
            link: Arc::downgrade(&conn.shared_link()),
            heard: Mutex::default(),
        });
        let watch = conn.link().hub().watch_invalidations(listener.clone());
        let watch = watch.unwrap();
        (conn, listener, watch)
    }

    async fn echo_three_times(conn: &Connection) {
        let echo = || {
            conn.run(raw("ECHO").arg("x").reply::<crate::Value>())
                .send()
        };
        let (a, b, c) = (echo(), echo(), echo());
        for reply in [a.await, b.await, c.await] {
            reply.unwrap();
        }
    }

    async fn hear(replies: &'static [u8]) -> Vec<(String, u64)> {
        let (conn, listener, _watch) = listen(replies).await;
        echo_three_times(&conn).await;
        listener.heard.lock().unwrap().clone()
    }

    #[tokio::test]
    async fn an_invalidation_is_heard_after_the_replies_before_it_and_before_those_behind_it() {
        let replies = b":1\r\n>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n:2\r\n:3\r\n";
        let heard = hear(replies).await;
        assert_eq!(heard.first().unwrap(), &("Keys([b\"a\"])".to_owned(), 1));
    }

    /// Redis 6.2 and 7.0 push inside the array of EXEC.
    #[tokio::test]
    async fn what_is_pushed_within_a_reply_is_heard_before_that_reply_is_handed_out() {
        let replies = b":1\r\n:2\r\n*2\r\n:3\r\n>2\r\n$10\r\ninvalidate\r\n_\r\n:4\r\n";
        let heard = hear(replies).await;
        assert!(
            matches!(heard.first(), Some((what, answered)) if what == "All" && *answered < 3),
            "{heard:?}"
        );
    }

    #[tokio::test]
    async fn a_lost_socket_is_heard_of() {
        let (conn, listener, _watch) = listen(b":1\r\n:2\r\n:3\r\n").await;
        let mut events = conn.events();
        echo_three_times(&conn).await;
        // The scripted server hangs up, and accepts the next socket.
        let is_back = |event: Option<crate::ConnectionEvent>| {
            matches!(event, Some(crate::ConnectionEvent::Reconnecting { .. }))
        };
        let reconnecting = async { while !is_back(events.next().await) {} };
        let limit = std::time::Duration::from_secs(60);
        tokio::time::timeout(limit, reconnecting).await.unwrap();
        let heard = listener.heard.lock().unwrap().clone();
        assert_eq!(heard.first(), Some(&("lost".to_owned(), 3)));
    }
}
