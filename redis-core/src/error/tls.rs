//! Why TLS did not come about.

use std::fmt;

/// A TLS handshake that failed: the cause as far as it is known, and what the TLS library said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsError {
    cause: TlsCause,
    text: String,
}

/// The usual causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsCause {
    /// A certificate or key of ours cannot be read or used.
    Settings,
    /// No authority that we trust has signed the server's certificate.
    Untrusted,
    /// The server's certificate has expired, or is not valid yet.
    Expired,
    /// The server's certificate is for another name.
    WrongHost,
    /// The server wants a certificate of the client's, or another one.
    ClientCertificate,
    /// The two sides have no version of TLS in common.
    Version,
    /// What answers there does not speak TLS.
    NotTls,
    /// The server speaks TLS, and we do not.
    Wanted,
    /// Anything else; the text says more.
    Other,
}

impl TlsError {
    /// An error of this kind, for doubles of a server in a user's own tests.
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
