//! What the settings are for the TLS library: a connector.

use std::time::Instant;

use native_tls::{Certificate, TlsConnector};

use crate::config::{Contents, IdentityContents, Tls, TlsVersion};
use crate::error::{TlsCause, TlsError};

/// The connector of the user, the one that was made last, or a new one.
pub(super) async fn connector(tls: &Tls) -> Result<TlsConnector, TlsError> {
    if let Some(connector) = &tls.connector {
        return Ok(TlsConnector::clone(connector));
    }
    if !tls.has_files()
        && let Some(kept) = tls.kept.get(&tls.contents()?, Instant::now())
    {
        return Ok(kept);
    }
    // Reading files and the authorities of the system takes milliseconds, so it is done on another thread.
    let tls = tls.clone();
    tokio::task::spawn_blocking(move || read(&tls))
        .await
        .unwrap_or_else(|error| Err(settings("reading the certificates", error)))
}

/// Reads the files, and makes a connector unless they hold what they held the last time.
fn read(tls: &Tls) -> Result<TlsConnector, TlsError> {
    let (contents, now) = (tls.contents()?, Instant::now());
    if let Some(kept) = tls.kept.get(&contents, now) {
        return Ok(kept);
    }
    let connector = build(&contents)?;
    tls.kept.put(contents, connector.clone(), now);
    Ok(connector)
}

fn build(contents: &Contents) -> Result<TlsConnector, TlsError> {
    let mut builder = TlsConnector::builder();
    builder
        .min_protocol_version(Some(match contents.min_version {
            TlsVersion::V1_0 => native_tls::Protocol::Tlsv10,
            TlsVersion::V1_1 => native_tls::Protocol::Tlsv11,
            TlsVersion::V1_2 => native_tls::Protocol::Tlsv12,
            TlsVersion::V1_3 => native_tls::Protocol::Tlsv13,
        }))
        .disable_built_in_roots(!contents.system_roots)
        .danger_accept_invalid_certs(contents.accept_invalid_certs)
        .danger_accept_invalid_hostnames(contents.accept_invalid_hostnames);
    if let Some(pem) = &contents.ca {
        let authorities =
            Certificate::stack_from_pem(pem).map_err(|error| settings("tls_ca", error))?;
        if authorities.is_empty() {
            return Err(settings("tls_ca", "there is no certificate in it"));
        }
        for authority in authorities {
            builder.add_root_certificate(authority);
        }
    }
    if let Some(identity) = &contents.identity {
        builder.identity(load(identity)?);
    }
    builder
        .build()
        .map_err(|error| TlsError::new(TlsCause::Settings, error.to_string()))
}

fn load(identity: &IdentityContents) -> Result<native_tls::Identity, TlsError> {
    match identity {
        IdentityContents::Pkcs8 { cert, key } => {
            let key = pkcs8(key).map_err(|reason| settings("tls_key", reason))?;
            native_tls::Identity::from_pkcs8(cert, key)
                .map_err(|error| settings("tls_cert and tls_key", error))
        }
        IdentityContents::Pkcs12 { archive, password } => {
            native_tls::Identity::from_pkcs12(archive, password)
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
