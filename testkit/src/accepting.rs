//! Clients of a listener, one after another: [`next`].

use std::io;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

/// How long to wait after a failure: another connection has to be closed first, if this process has as many as it may have.
const PAUSE: Duration = Duration::from_millis(10);

/// The next client. A failure concerns one connection, or passes, so it does not end a test's server without a word.
pub(crate) async fn next(listener: &TcpListener) -> TcpStream {
    let (client, _) = first(|| listener.accept()).await;
    client
}

/// What is accepted first.
async fn first<T, F>(mut accept: impl FnMut() -> F) -> T
where
    F: Future<Output = io::Result<T>>,
{
    loop {
        match accept().await {
            Ok(accepted) => return accepted,
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::first;

    #[tokio::test]
    async fn failures_do_not_end_it() {
        let mut outcomes = [
            Err(io::ErrorKind::ConnectionAborted.into()),
            Err(io::Error::other("too many open files")),
            Ok(7),
        ]
        .into_iter();
        let accepted = first(|| std::future::ready(outcomes.next().unwrap_or(Ok(0))));
        assert_eq!(accepted.await, 7);
    }
}
