//! The settings with what their files hold: [`Contents`].

use super::{Identity, Material, Tls, TlsVersion};
use crate::error::{TlsCause, TlsError};

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
