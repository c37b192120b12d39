//! TLS on a socket, with the TLS library of the system.
//!
//! # Layout
//!
//! - `connector`: what the settings are for the library

use std::error::Error as _;
use std::io;

use crate::config::{Tls, Transport};
use crate::error::{TlsCause, TlsError};

mod connector;

use connector::connector;

/// Why there is no TLS on a socket.
#[derive(Debug)]
pub(super) enum Failure {
    /// The socket was lost meanwhile, which says nothing about TLS.
    Lost(io::Error),
    Tls(TlsError),
}

impl From<TlsError> for Failure {
    fn from(error: TlsError) -> Self {
        Self::Tls(error)
    }
}

/// Starts TLS on `stream`.
pub(super) async fn wrap(
    tls: &Tls,
    host: Option<&str>,
    stream: Box<dyn Transport>,
) -> Result<Box<dyn Transport>, Failure> {
    let name = tls.server_name.as_deref().or(host).unwrap_or_default();
    let connector = tokio_native_tls::TlsConnector::from(connector(tls).await?);
    match connector.connect(name, stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => {
            let failure = failure(&error, tls);
            if let Failure::Tls(_) = failure {
                // What the system trusts may have changed.
                tls.kept.forget();
            }
            Err(failure)
        }
    }
}

/// Finds out whether TLS is the cause, or the socket beneath it.
fn failure(error: &native_tls::Error, tls: &Tls) -> Failure {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(lost) = cause.downcast_ref::<io::Error>() {
            return Failure::Lost(io::Error::new(lost.kind(), lost.to_string()));
        }
        source = cause.source();
    }
    Failure::Tls(classify(&error.to_string(), tls))
}

/// What the texts of TLS libraries mean; the first match counts.
const CAUSES: [(TlsCause, &[&str]); 6] = [
    (
        TlsCause::Expired,
        &["has expired", "not yet valid", "expired"],
    ),
    (
        TlsCause::WrongHost,
        &["hostname mismatch", "ip address mismatch", "host name"],
    ),
    (
        TlsCause::ClientCertificate,
        &[
            "alert certificate required",
            "alert bad certificate",
            "alert unknown ca",
            "alert certificate unknown",
            "alert unsupported certificate",
        ],
    ),
    (
        TlsCause::Untrusted,
        &[
            "certificate verify failed",
            "self-signed",
            "self signed",
            "unable to get",
            "not trusted",
        ],
    ),
    (
        TlsCause::Version,
        &[
            "protocol version",
            "unsupported protocol",
            "no protocols available",
            "version too low",
        ],
    ),
    (
        TlsCause::NotTls,
        &[
            "wrong version number",
            "packet length too long",
            "http request",
            "unexpected eof",
            "bad record type",
        ],
    ),
];

/// Finds the cause of a failed handshake, or of a failure right after it: with TLS 1.3 the server refuses a
/// client's certificate only then.
pub(crate) fn classify(text: &str, tls: &Tls) -> TlsError {
    let lower = text.to_ascii_lowercase();
    let known = CAUSES
        .iter()
        .find(|(_, texts)| texts.iter().any(|text| lower.contains(text)));
    let anonymous = matches!(tls.identity(), Ok(None));
    let cause = match known {
        Some((cause, _)) => *cause,
        // With TLS 1.2 this is the answer to a missing certificate.
        None if lower.contains("alert handshake failure") && anonymous => {
            TlsCause::ClientCertificate
        }
        None => TlsCause::Other,
    };
    TlsError::new(cause, text)
}

/// Whether TLS is the cause of a socket error.
pub(crate) fn is_of_tls(error: &std::io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(|inner| inner.is::<native_tls::Error>())
        || error.to_string().contains("SSL routines")
}
