//! How TLS is used: [`Tls`].
//!
//! # Layout
//!
//! - `contents`: the settings with what their files hold
//! - `kept`: the connector that was made of them last

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::secret::MASK;
use super::{Hook, Secret};
use crate::error::{TlsCause, TlsError};

mod contents;
mod kept;

pub use contents::TlsVersion;
pub(crate) use contents::{Contents, IdentityContents};
use kept::Kept;

/// The settings of TLS: which certificates to trust, and which to present.
///
/// Files are read again at each connect: if a certificate is renewed on disk, the next connection uses it. The authorities of
/// the system are read again after a minute, or after a handshake that failed. The lowest version is 1.2 by default.
///
/// ```
/// # extern crate typedis_core as typedis;
/// use typedis::{Config, Tls};
///
/// let config = Config::tcp("cache.example", 6379).tls(
///     Tls::new()
///         .ca_file("/etc/ssl/cache-ca.pem")
///         .identity_files("/etc/ssl/client.pem", "/etc/ssl/client-key.pem"),
/// );
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Tls {
    pub(crate) system_roots: bool,
    pub(crate) ca: Option<Material>,
    pub(crate) cert: Option<Material>,
    pub(crate) key: Option<Material>,
    pub(crate) pkcs12: Option<Material>,
    pub(crate) pkcs12_password: Option<Secret>,
    pub(crate) server_name: Option<String>,
    pub(crate) min_version: TlsVersion,
    pub(crate) accept_invalid_certs: bool,
    pub(crate) accept_invalid_hostnames: bool,
    pub(crate) connector: Option<Hook<native_tls::TlsConnector>>,
    pub(crate) kept: Kept,
}

/// A certificate or key: a file that is read at each connect, or its content.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Material {
    File(PathBuf),
    Content(Arc<[u8]>),
}

impl Material {
    /// A text that begins like PEM is the content itself; any other text is the path of a file.
    pub(super) fn parse(text: &str) -> Self {
        if text.trim_start().starts_with("-----BEGIN") {
            Self::Content(text.as_bytes().into())
        } else {
            Self::File(text.into())
        }
    }

    /// A file. What begins like PEM is no path but the content, which is not to stand in an error as a path.
    fn file(path: PathBuf) -> Self {
        match path.to_str() {
            Some(text) => Self::parse(text),
            None => Self::File(path),
        }
    }

    /// The bytes; an error names the file.
    pub(crate) fn read(&self) -> io::Result<Vec<u8>> {
        match self {
            Self::Content(bytes) => Ok(bytes.to_vec()),
            Self::File(path) => std::fs::read(path).map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", path.display()))
            }),
        }
    }
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => fmt::Debug::fmt(path, f),
            // It may be a key.
            Self::Content(_) => f.write_str(MASK),
        }
    }
}

/// The client's certificate and key, in the form in which they were given.
#[derive(Debug)]
pub(crate) enum Identity<'a> {
    Pkcs8 {
        cert: &'a Material,
        key: &'a Material,
    },
    Pkcs12 {
        archive: &'a Material,
        password: &'a str,
    },
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            system_roots: true,
            ca: None,
            cert: None,
            key: None,
            pkcs12: None,
            pkcs12_password: None,
            server_name: None,
            min_version: TlsVersion::default(),
            accept_invalid_certs: false,
            accept_invalid_hostnames: false,
            connector: None,
            kept: Kept::default(),
        }
    }
}

impl Tls {
    /// TLS 1.2 or newer, with the authorities that the system trusts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Also trusts the authorities in a file: one or more certificates in PEM. A path that begins with `-----BEGIN` is
    /// taken as what [`Tls::ca_pem`] takes.
    #[must_use]
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca = Some(Material::file(path.into()));
        self
    }

    /// Also trusts these authorities: one or more certificates in PEM.
    #[must_use]
    pub fn ca_pem(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.ca = Some(Material::Content(pem.as_ref().into()));
        self
    }

    /// Whether the authorities of the system are trusted; they are by default.
    #[must_use]
    pub fn system_roots(mut self, trusted: bool) -> Self {
        self.system_roots = trusted;
        self
    }

    /// Presents a certificate to the server: files in PEM, the key in PKCS#8 (`BEGIN PRIVATE KEY`). A path that begins with
    /// `-----BEGIN` is taken as what [`Tls::identity_pem`] takes.
    #[must_use]
    pub fn identity_files(mut self, cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.cert = Some(Material::file(cert.into()));
        self.key = Some(Material::file(key.into()));
        self
    }

    /// Presents a certificate to the server: both in PEM, the key in PKCS#8 (`BEGIN PRIVATE KEY`).
    #[must_use]
    pub fn identity_pem(mut self, cert: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        self.cert = Some(Material::Content(cert.as_ref().into()));
        self.key = Some(Material::Content(key.as_ref().into()));
        self
    }

    /// Presents to the server the certificate in a PKCS#12 file (`.p12`, `.pfx`).
    #[must_use]
    pub fn pkcs12_file(mut self, path: impl Into<PathBuf>, password: impl Into<Secret>) -> Self {
        self.pkcs12 = Some(Material::File(path.into()));
        self.pkcs12_password = Some(password.into());
        self
    }

    /// Presents to the server the certificate in a PKCS#12 archive.
    #[must_use]
    pub fn pkcs12(mut self, archive: impl AsRef<[u8]>, password: impl Into<Secret>) -> Self {
        self.pkcs12 = Some(Material::Content(archive.as_ref().into()));
        self.pkcs12_password = Some(password.into());
        self
    }

    /// The name to ask the server for (SNI) and to check in its certificate, if it is not the host.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// The lowest version; 1.2 by default.
    #[must_use]
    pub fn min_version(mut self, version: TlsVersion) -> Self {
        self.min_version = version;
        self
    }

    /// Accepts any certificate, also an expired one or that of another server. Anyone between you and the server
    /// can then read and change everything.
    #[must_use]
    pub fn danger_accept_invalid_certs(mut self, accept: bool) -> Self {
        self.accept_invalid_certs = accept;
        self
    }

    /// Accepts a valid certificate of any host.
    #[must_use]
    pub fn danger_accept_invalid_hostnames(mut self, accept: bool) -> Self {
        self.accept_invalid_hostnames = accept;
        self
    }

    /// Uses this connector instead of all settings except the server's name.
    #[must_use]
    pub fn connector(mut self, connector: native_tls::TlsConnector) -> Self {
        self.connector = Some(Hook::new(Arc::new(connector)));
        self
    }

    /// The client's certificate and key. Settings that do not fit together are an error.
    pub(crate) fn identity(&self) -> Result<Option<Identity<'_>>, String> {
        match (&self.cert, &self.key, &self.pkcs12) {
            (None, None, None) if self.pkcs12_password.is_some() => {
                Err("`tls_pkcs12_password` is of no use without `tls_pkcs12`".to_owned())
            }
            (None, None, None) => Ok(None),
            (Some(cert), Some(key), None) => Ok(Some(Identity::Pkcs8 { cert, key })),
            (None, None, Some(archive)) => Ok(Some(Identity::Pkcs12 {
                archive,
                password: self.pkcs12_password.as_ref().map_or("", Secret::expose),
            })),
            (Some(_), None, None) => {
                Err("the client's certificate `tls_cert` needs its key, `tls_key`".to_owned())
            }
            (None, Some(_), None) => {
                Err("the client's key `tls_key` needs its certificate, `tls_cert`".to_owned())
            }
            (_, _, Some(_)) => Err(
                "the client's certificate is given twice, as `tls_pkcs12` and as `tls_cert` and `tls_key`".to_owned(),
            ),
        }
    }
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// A file cannot be read, or the settings do not fit together.
    pub(crate) fn contents(&self) -> Result<Contents, TlsError> {
        let identity = self
            .identity()
            .map_err(|reason| TlsError::new(TlsCause::Settings, reason))?;
        Ok(Contents {
            system_roots: self.system_roots,
            min_version: self.min_version,
            accept_invalid_certs: self.accept_invalid_certs,
            accept_invalid_hostnames: self.accept_invalid_hostnames,
            ca: self.ca.as_ref().map(|ca| read("tls_ca", ca)).transpose()?,
            identity: identity.map(|identity| identity.contents()).transpose()?,
        })
    }

    /// Whether some of the settings are files.
    pub(crate) fn has_files(&self) -> bool {
        [&self.ca, &self.cert, &self.key, &self.pkcs12]
            .into_iter()
            .flatten()
            .any(|material| matches!(material, Material::File(_)))
    }
}

impl Identity<'_> {
    fn contents(&self) -> Result<IdentityContents, TlsError> {
        Ok(match self {
            Self::Pkcs8 { cert, key } => IdentityContents::Pkcs8 {
                cert: read("tls_cert", cert)?,
                key: read("tls_key", key)?,
            },
            Self::Pkcs12 { archive, password } => IdentityContents::Pkcs12 {
                archive: read("tls_pkcs12", archive)?,
                password: (*password).to_owned(),
            },
        })
    }
}

fn read(setting: &str, material: &Material) -> Result<Vec<u8>, TlsError> {
    let bytes = material.read();
    bytes.map_err(|error| TlsError::new(TlsCause::Settings, format!("{setting}: {error}")))
}
