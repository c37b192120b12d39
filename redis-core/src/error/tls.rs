//! Why a TLS handshake failed.

use std::fmt;

/// A TLS handshake that failed: the cause if it is known, and the text of the TLS library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsError {
    cause: TlsCause,
    text: String,
}

/// The usual causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsCause {
    /// The client's certificate or key cannot be read or used.
    Settings,
    /// No trusted authority has signed the server's certificate.
    Untrusted,
    /// The server's certificate has expired, or is not valid yet.
    Expired,
    /// The server's certificate is for another name.
    WrongHost,
    /// The server wants a client certificate, or another one.
    ClientCertificate,
    /// The two sides have no version of TLS in common.
    Version,
    /// The peer does not speak TLS.
    NotTls,
    /// The server speaks TLS, and the client is not set to.
    Wanted,
    /// Anything else; the text says more.
    Other,
}

impl TlsError {
    /// An error of this kind, to test code of yours that reacts to errors.
    pub fn new(cause: TlsCause, text: impl Into<String>) -> Self {
        Self {
            cause,
            text: text.into(),
        }
    }

    /// What went wrong.
    #[must_use]
    pub fn cause(&self) -> TlsCause {
        self.cause
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sentence = match self.cause {
            TlsCause::Settings => "a certificate or key cannot be used",
            TlsCause::Untrusted => {
                "no trusted authority has signed the server's certificate; name its authority with `tls_ca`"
            }
            TlsCause::Expired => "the server's certificate is not valid now",
            TlsCause::WrongHost => {
                "the server's certificate is for another name; if that is right, say which with `tls_server_name`"
            }
            TlsCause::ClientCertificate => {
                "the server does not accept us: it wants a client certificate (`tls_cert` and `tls_key`), or another one"
            }
            TlsCause::Version => {
                "no version of TLS is accepted by both sides; ours begin at `tls_min_version`"
            }
            TlsCause::NotTls => {
                "the server does not speak TLS there; is it another port, or redis:// without TLS?"
            }
            TlsCause::Wanted => "the server speaks TLS there: write rediss://",
            TlsCause::Other => "the TLS handshake failed",
        };
        if self.text.is_empty() {
            f.write_str(sentence)
        } else {
            write!(f, "{sentence} ({})", self.text)
        }
    }
}

impl std::error::Error for TlsError {}
