//! TLS on a socket, with the TLS library of the system.

use std::error::Error as _;
use std::io;

use native_tls::{Certificate, TlsConnector};

use crate::config::Transport;
use crate::config::{Identity, Tls, TlsVersion};
use crate::error::{TlsCause, TlsError};

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

/// Starts TLS on `stream`. Certificates and keys are read again each time.
pub(super) async fn wrap(
    tls: &Tls,
    host: Option<&str>,
    stream: Box<dyn Transport>,
) -> Result<Box<dyn Transport>, Failure> {
    let name = tls.server_name.as_deref().or(host).unwrap_or_default();
    let connector = match &tls.connector {
        Some(connector) => TlsConnector::clone(connector),
        None => build_elsewhere(tls.clone()).await?,
    };
    let connector = tokio_native_tls::TlsConnector::from(connector);
    match connector.connect(name, stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(failure(&error, tls)),
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

/// Reading files and the authorities of the system takes milliseconds, so it is done on another thread.
async fn build_elsewhere(tls: Tls) -> Result<TlsConnector, TlsError> {
    tokio::task::spawn_blocking(move || build(&tls))
        .await
        .unwrap_or_else(|error| Err(settings("reading the certificates", error)))
}

fn build(tls: &Tls) -> Result<TlsConnector, TlsError> {
    let mut builder = TlsConnector::builder();
    builder
        .min_protocol_version(Some(match tls.min_version {
            TlsVersion::V1_0 => native_tls::Protocol::Tlsv10,
            TlsVersion::V1_1 => native_tls::Protocol::Tlsv11,
            TlsVersion::V1_2 => native_tls::Protocol::Tlsv12,
            TlsVersion::V1_3 => native_tls::Protocol::Tlsv13,
        }))
        .disable_built_in_roots(!tls.system_roots)
        .danger_accept_invalid_certs(tls.accept_invalid_certs)
        .danger_accept_invalid_hostnames(tls.accept_invalid_hostnames);
    if let Some(ca) = &tls.ca {
        let pem = ca.read().map_err(|error| settings("tls_ca", error))?;
        let authorities =
            Certificate::stack_from_pem(&pem).map_err(|error| settings("tls_ca", error))?;
        if authorities.is_empty() {
            return Err(settings("tls_ca", "there is no certificate in it"));
        }
        for authority in authorities {
            builder.add_root_certificate(authority);
        }
    }
    if let Some(identity) = tls
        .identity()
        .map_err(|reason| TlsError::new(TlsCause::Settings, reason))?
    {
        builder.identity(load(&identity)?);
    }
    builder
        .build()
        .map_err(|error| TlsError::new(TlsCause::Settings, error.to_string()))
}

fn load(identity: &Identity<'_>) -> Result<native_tls::Identity, TlsError> {
    match identity {
        Identity::Pkcs8 { cert, key } => {
            let pem = cert.read().map_err(|error| settings("tls_cert", error))?;
            let key = key.read().map_err(|error| settings("tls_key", error))?;
            let key = pkcs8(&key).map_err(|reason| settings("tls_key", reason))?;
            native_tls::Identity::from_pkcs8(&pem, key)
                .map_err(|error| settings("tls_cert and tls_key", error))
        }
        Identity::Pkcs12 { archive, password } => {
            let der = archive
                .read()
                .map_err(|error| settings("tls_pkcs12", error))?;
            native_tls::Identity::from_pkcs12(&der, password)
                .map_err(|error| settings("tls_pkcs12 and its password", error))
        }
    }
}

/// The key of a PEM file, from where it begins, if it has the form that TLS libraries take.
fn pkcs8(pem: &[u8]) -> Result<&[u8], String> {
    const FORMS: [(&str, &str); 6] = [
        ("-----BEGIN RSA PRIVATE KEY-----", "an RSA key in PKCS#1"),
        (
            "-----BEGIN EC PRIVATE KEY-----",
            "an elliptic curve key in SEC1",
        ),
        (
            "-----BEGIN ENCRYPTED PRIVATE KEY-----",
            "an encrypted key in PKCS#8",
        ),
        (
            "-----BEGIN DSA PRIVATE KEY-----",
            "a DSA key of the old form",
        ),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "a key of OpenSSH"),
        ("-----BEGIN CERTIFICATE-----", "a certificate"),
    ];
    let begin = |marker: &str| memchr::memmem::find(pem, marker.as_bytes());
    if let Some(at) = begin("-----BEGIN PRIVATE KEY-----") {
        return Ok(pem.get(at..).unwrap_or_default());
    }
    let form = FORMS.iter().find(|(marker, _)| begin(marker).is_some());
    let found = match form {
        // Its password would have to be asked for.
        Some((_, form)) if begin("Proc-Type: 4,ENCRYPTED").is_some() => {
            format!("{form}, encrypted")
        }
        Some((_, form)) => (*form).to_owned(),
        None => return Err("there is no private key in PEM in it (`BEGIN PRIVATE KEY`)".to_owned()),
    };
    Err(format!(
        "this is {found}; expected PKCS#8 that is not encrypted (`BEGIN PRIVATE KEY`), which `openssl pkcs8 -topk8 -nocrypt -in \
         key.pem -out key-pkcs8.pem` makes of it"
    ))
}

fn settings(what: &str, reason: impl std::fmt::Display) -> TlsError {
    TlsError::new(TlsCause::Settings, format!("{what}: {reason}"))
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::pkcs8;

    #[test]
    fn a_key_of_another_form_is_named_and_the_way_to_convert_it() {
        for (head, form) in [
            ("-----BEGIN RSA PRIVATE KEY-----\n", "an RSA key in PKCS#1;"),
            (
                "-----BEGIN EC PARAMETERS-----\n…\n-----BEGIN EC PRIVATE KEY-----\n",
                "an elliptic curve key in SEC1;",
            ),
            (
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
                "an encrypted key in PKCS#8;",
            ),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n",
                "an RSA key in PKCS#1, encrypted;",
            ),
            ("-----BEGIN CERTIFICATE-----\n", "a certificate;"),
        ] {
            let error = pkcs8(head.as_bytes()).unwrap_err();
            assert!(error.contains(form), "{error}");
            assert!(
                error.contains("openssl pkcs8 -topk8 -nocrypt -in key.pem"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_file_without_a_key_says_so() {
        let error = pkcs8(b"0\x02").unwrap_err();
        assert!(error.contains("no private key in PEM"), "{error}");
    }

    #[test]
    fn what_stands_before_a_key_is_passed_over() {
        let key = "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n";
        let file = format!("Bag Attributes\n    friendlyName: x\n{key}");
        assert_eq!(pkcs8(file.as_bytes()).unwrap(), key.as_bytes());
    }
}
