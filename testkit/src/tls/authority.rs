//! A self-made authority: [`Authority`] signs, [`Identity`] is a signed certificate with its key.

use std::io;

use openssl::pkcs12::Pkcs12;
use openssl::pkey::PKey;
use openssl::x509::X509;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};

use crate::server::OwnTls;

/// An authority that signs certificates.
pub struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

/// A certificate and its key.
#[derive(Clone)]
pub struct Identity {
    cert_pem: String,
    key_pem: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

impl Authority {
    /// A new authority that no client trusts yet.
    ///
    /// # Errors
    ///
    /// If a key cannot be made.
    pub fn new(name: &str) -> io::Result<Self> {
        let mut params = CertificateParams::new(Vec::new()).map_err(io::Error::other)?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = params.self_signed(&key).map_err(io::Error::other)?;
        Ok(Self {
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        })
    }

    /// Its certificate, for clients that should trust it.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Signs a certificate for a server with these names and IP addresses.
    ///
    /// # Errors
    ///
    /// If a name is not valid.
    pub fn server(&self, names: &[&str]) -> io::Result<Identity> {
        self.issue(names, &[ExtendedKeyUsagePurpose::ServerAuth], false)
    }

    /// Signs a server certificate that expired long ago.
    ///
    /// # Errors
    ///
    /// If a name is not valid.
    pub fn expired_server(&self, names: &[&str]) -> io::Result<Identity> {
        self.issue(names, &[ExtendedKeyUsagePurpose::ServerAuth], true)
    }

    /// Signs a certificate for a node of a cluster, which is a server for clients and a client of other nodes.
    ///
    /// # Errors
    ///
    /// If a name is not valid.
    pub fn node(&self, names: &[&str]) -> io::Result<OwnTls> {
        let usages = [
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let Identity { cert_pem, key_pem } = self.issue(names, &usages, false)?;
        Ok(OwnTls {
            cert: cert_pem,
            key: key_pem,
            authority: self.pem().to_owned(),
        })
    }

    /// Signs a certificate for a client.
    ///
    /// # Errors
    ///
    /// If a key cannot be made.
    pub fn client(&self, name: &str) -> io::Result<Identity> {
        self.issue(&[name], &[ExtendedKeyUsagePurpose::ClientAuth], false)
    }

    fn issue(
        &self,
        names: &[&str],
        usages: &[ExtendedKeyUsagePurpose],
        expired: bool,
    ) -> io::Result<Identity> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).map_err(io::Error::other)?;
        params.extended_key_usages = usages.to_vec();
        params.use_authority_key_identifier_extension = true;
        if expired {
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(2002, 1, 1);
        }
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = params
            .signed_by(&key, &self.issuer)
            .map_err(io::Error::other)?;
        Ok(Identity {
            cert_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        })
    }
}

impl Identity {
    /// The certificate.
    #[must_use]
    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }

    /// The key, in PKCS#8.
    #[must_use]
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// Both in one archive (PKCS#12, DER).
    ///
    /// # Errors
    ///
    /// If the archive cannot be made.
    pub fn pkcs12(&self, password: &str) -> io::Result<Vec<u8>> {
        let certificate = X509::from_pem(self.cert_pem.as_bytes())?;
        let key = PKey::private_key_from_pem(self.key_pem.as_bytes())?;
        let archive = Pkcs12::builder()
            .name("client")
            .cert(&certificate)
            .pkey(&key)
            .build2(password)?;
        Ok(archive.to_der()?)
    }
}
