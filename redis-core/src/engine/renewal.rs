//! New credentials for a live connection, before the old ones expire.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::events::ConnectionEvent;
use super::inflight::{CellKey, Delivery};
use super::link::Link;
use crate::command::{Args, CommandInfo, Keys, StateChange, command_info};
use crate::config::Credentials;
use crate::connect;
use crate::error::{Error, without_secret};
use crate::reply::Frame;
use crate::runtime;
use crate::wire::outgoing::Outgoing;

static AUTH: CommandInfo = command_info!("AUTH").state(StateChange::Auth);

/// A task that sends AUTH with new credentials again and again, for as long as the socket lives.
///
/// AUTH is sent between two commands or whole transactions, like any other command. It is not sent on a socket
/// where the user may have opened a MULTI.
pub(crate) struct Renewal(JoinHandle<()>);

impl Renewal {
    pub(crate) fn start(link: Arc<Link>, after: Duration) -> Self {
        Self(runtime::spawn(keep_authenticated(link, after)))
    }
}

impl Drop for Renewal {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The result of one renewal.
enum Outcome {
    /// The next one is due after this time; `None` means never.
    Renewed(Option<Duration>),
    Failed(String),
    /// The socket is exclusive and in use at the moment, or it is gone.
    NotNow,
}

async fn keep_authenticated(link: Arc<Link>, after: Duration) {
    /// How long to wait when the socket cannot take AUTH now.
    const LATER: Duration = Duration::from_secs(1);
    let mut pause = after;
    let mut failures = 0;
    loop {
        sleep(pause).await;
        match renew(&link).await {
            Outcome::Renewed(next) => {
                link.announce(ConnectionEvent::Reauthenticated);
                failures = 0;
                match next {
                    Some(after) => pause = after,
                    None => return,
                }
            }
            // The old credentials may still be valid for a while, so there are pauses, longer and
            // longer.
            Outcome::Failed(reason) => {
                link.announce(ConnectionEvent::ReauthenticationFailed(reason.into()));
                pause = link.config.backoff.pause(failures);
                failures += 1;
            }
            Outcome::NotNow => pause = LATER,
        }
    }
}

async fn renew(link: &Link) -> Outcome {
    let limit = link.config.connect_timeout;
    match timeout(limit, connect::current_credentials(&link.config)).await {
        Err(_) => Outcome::Failed(format!(
            "the provider of credentials gave none within {limit:?}"
        )),
        Ok(Err(error)) => Outcome::Failed(format!("the provider of credentials failed: {error}")),
        Ok(Ok(None)) => Outcome::Renewed(None),
        Ok(Ok(Some(credentials))) => authenticate(link, &credentials).await,
    }
}

async fn authenticate(link: &Link, credentials: &Credentials) -> Outcome {
    let mut args = Args::new(&AUTH, Keys::Ignored);
    if let Some(username) = &credentials.username {
        args.arg("username", username);
    }
    args.arg("password", credentials.password.expose());
    let mut encoded = Outgoing::default();
    args.write_to(&mut encoded);
    let deadline = runtime::from_now(link.config.connect_timeout);
    let Some(key) = link.submit_own(encoded, deadline) else {
        return Outcome::NotNow;
    };
    let mut call = Call {
        link,
        key: Some(key),
    };
    let delivery = std::future::poll_fn(|cx| call.poll(cx)).await;
    match refusal(delivery, credentials) {
        None => Outcome::Renewed(credentials.renewal()),
        Some(reason) => Outcome::Failed(reason),
    }
}

/// The AUTH of which a reply is awaited. When the task is ended midway, because the socket was lost, nobody takes the
/// reply any more, and its place in the queue is given back.
struct Call<'a> {
    link: &'a Link,
    /// Until the reply was taken.
    key: Option<CellKey>,
}

impl Call<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Delivery> {
        let Some(key) = self.key else {
            return Poll::Pending;
        };
        let delivery = ready!(self.link.poll_cell(key, cx.waker()));
        self.key = None;
        Poll::Ready(delivery)
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.link.abandon(key);
        }
    }
}

/// Why the server did not say OK.
fn refusal(delivery: Delivery, credentials: &Credentials) -> Option<String> {
    let (chunks, failure) = match delivery.into_parts() {
        Ok(parts) => parts,
        Err(error) => return Some(error.to_string()),
    };
    if let Some(failure) = failure {
        return Some(Error::from(failure).to_string());
    }
    let chunk = chunks.into_iter().next()?;
    let error = Frame::from_scanned(chunk).reply().error()?;
    // Everybody may read events.
    Some(without_secret(error, credentials.password.expose()).to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use typedis_testkit::fake::Fake;

    use super::*;
    use crate::config::{Config, Protocol};
    use crate::handle::Connection;

    #[tokio::test]
    async fn a_renewal_that_ends_with_its_socket_leaves_nothing_in_the_queue() {
        let fake = Fake::start(|mut peer| async move {
            peer.answer_until("AUTH", "+OK\r\n").await?;
            peer.until_closed().await
        })
        .await
        .unwrap();
        let config = Config::from_url(&fake.url()).unwrap();
        let config = config.protocol(Protocol::Resp2).without_reconnect();
        let connection = Connection::open(config).await.unwrap();
        let link = connection.shared_link();
        let credentials = Credentials::new("alice", "wonder");
        {
            let mut renewal = Box::pin(authenticate(&link, &credentials));
            let lost = timeout(Duration::from_secs(60), async {
                let sent = |words: &typedis_testkit::fake::Words| words.name() == "AUTH";
                while !fake.received(0).iter().any(sent) {
                    tokio::task::yield_now().await;
                }
                connection.abort();
                std::future::poll_fn(|cx| link.poll_end(cx.waker())).await;
            });
            tokio::pin!(lost);
            std::future::poll_fn(|cx| {
                // Polled once: it is ended before it sees the loss.
                if link.change(|queue| queue.cells()) == 0 {
                    assert!(renewal.as_mut().poll(cx).is_pending());
                }
                lost.as_mut().poll(cx)
            })
            .await
            .unwrap();
        }
        assert_eq!(link.change(|queue| queue.cells()), 0);
    }
}
