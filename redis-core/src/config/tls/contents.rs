//! The settings with what their files hold: [`Contents`].

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub enum TlsVersion {
    /// TLS 1.0, known to be insecure.
    V1_0,
    /// TLS 1.1, known to be insecure.
    V1_1,
    /// TLS 1.2.
    #[default]
    V1_2,
    /// TLS 1.3.
    V1_3,
}

/// All that a connector is made of. It may hold secrets, so it has no `Debug`.
#[derive(PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) system_roots: bool,
    pub(crate) min_version: TlsVersion,
    pub(crate) accept_invalid_certs: bool,
    pub(crate) accept_invalid_hostnames: bool,
    pub(crate) ca: Option<Vec<u8>>,
    pub(crate) identity: Option<IdentityContents>,
}

/// The client's certificate and key.
#[derive(PartialEq, Eq)]
pub(crate) enum IdentityContents {
    Pkcs8 { cert: Vec<u8>, key: Vec<u8> },
    Pkcs12 { archive: Vec<u8>, password: String },
}
