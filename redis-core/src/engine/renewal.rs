//! New credentials for a live connection, before the old ones expire.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::events::ConnectionEvent;
use super::inflight::Delivery;
use super::link::Link;
use crate::command::{Args, CommandInfo, Keys, StateChange, command_info};
use crate::config::Credentials;
use crate::connect;
use crate::error::Error;
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
    let deadline = Instant::now() + link.config.connect_timeout;
    let Some(key) = link.submit_own(encoded, deadline) else {
        return Outcome::NotNow;
    };
    let delivery = std::future::poll_fn(|cx| link.poll_cell(key, cx.waker())).await;
    match refusal(delivery) {
        None => Outcome::Renewed(credentials.renewal()),
        Some(reason) => Outcome::Failed(reason),
    }
}

/// Why the server did not say OK.
fn refusal(delivery: Delivery) -> Option<String> {
    let (chunks, failure) = match delivery.into_parts() {
        Ok(parts) => parts,
        Err(error) => return Some(error.to_string()),
    };
    if let Some(failure) = failure {
        return Some(Error::from(failure).to_string());
    }
    let chunk = chunks.into_iter().next()?;
    let error = Frame::from_scanned(chunk).reply().error()?;
    Some(error.to_string())
}
