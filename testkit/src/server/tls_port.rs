//! The port on which a server speaks TLS by itself, beside its plain port: [`OwnTls`].

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::configuration::quote;
use crate::error::{Doing, Result};

/// What a server needs to speak TLS by itself, each as PEM.
#[derive(Debug, Clone)]
pub struct OwnTls {
    /// Its certificate. Nodes of a cluster present it to each other as well.
    pub cert: String,
    /// The key of the certificate.
    pub key: String,
    /// The authority that has signed the certificates of nodes.
    pub authority: String,
}

impl OwnTls {
    /// Writes the files, and returns the lines of the configuration.
    pub(super) fn install(&self, folder: &Path, port: u16) -> Result<String> {
        let files = [
            ("tls-cert-file", "cert.pem", &self.cert),
            ("tls-key-file", "key.pem", &self.key),
            ("tls-ca-cert-file", "authority.pem", &self.authority),
        ];
        let mut lines = format!("tls-port {port}\ntls-auth-clients no\n");
        for (directive, name, pem) in files {
            let file = folder.join(name);
            fs::write(&file, pem).doing(|| format!("write {}", file.display()))?;
            // Writing to a string does not fail.
            let _ = writeln!(lines, "{directive} {}", quote(&file.to_string_lossy()));
        }
        Ok(lines)
    }
}
