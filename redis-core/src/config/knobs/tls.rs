//! The knobs of TLS. They exist without the feature `tls` too, so that an error can say that it is missing.

use super::knob::Knob;
use crate::config::builder::Config;

#[cfg(not(feature = "tls"))]
pub(super) const TLS: &[Knob] = {
    const ABSENT: &str = "this is TLS, which this build lacks: enable the feature `tls` of typedis";

    const fn absent(name: &'static str) -> Knob {
        Knob::new(name, |_: &mut Config, _| Err(ABSENT.to_owned()), |_| None)
    }
    &[
        Knob::new(
            "tls",
            |_, text| {
                if crate::config::human::switch(text)? {
                    Err(ABSENT.to_owned())
                } else {
                    Ok(())
                }
            },
            |_| None,
        ),
        absent("tls_ca"),
        absent("tls_system_roots"),
        absent("tls_cert"),
        absent("tls_key"),
        absent("tls_pkcs12"),
        absent("tls_pkcs12_password"),
        absent("tls_server_name"),
        absent("tls_min_version"),
        absent("tls_danger_accept_invalid_certs"),
        absent("tls_danger_accept_invalid_hostnames"),
    ]
};

#[cfg(feature = "tls")]
pub(super) use present::TLS;

#[cfg(feature = "tls")]
mod present {
    use super::super::codec::{self, Codec, PASSWORD, as_text, names};
    use super::super::knob::Hidden;
    use super::{Config, Knob};
    use crate::config::address::check_host;
    use crate::config::human::{switch, switch_text};
    use crate::config::secret::MASK;
    use crate::config::tls::{Material, Tls, TlsVersion};

    /// The settings, if TLS was asked for.
    fn tls(config: &mut Config) -> Result<&mut Tls, String> {
        config.tls.as_deref_mut().ok_or_else(|| {
            "this is of no use without TLS: write rediss:// (or `tls = on`)".to_owned()
        })
    }

    const MATERIAL: Codec<Option<Material>> = Codec {
        read: |text| {
            if text.is_empty() || text.contains('\0') {
                return Err("this is no path of a file".to_owned());
            }
            Ok(Some(Material::parse(text)))
        },
        write: |material| match material.as_ref()? {
            Material::File(path) => Some(path.display().to_string()),
            Material::Content(bytes) => Some(
                String::from_utf8(bytes.to_vec())
                    .ok()
                    .filter(|text| text.trim_start().starts_with("-----BEGIN"))
                    // Bytes that are not text are hidden, as secrets are.
                    .unwrap_or_else(|| MASK.to_owned()),
            ),
        },
    };

    const SWITCH: Codec<bool> = Codec {
        read: switch,
        write: |on| Some(switch_text(*on)),
    };

    const SERVER_NAME: Codec<Option<String>> = Codec {
        read: |text| {
            check_host(text)?;
            Ok(Some(text.to_owned()))
        },
        write: Clone::clone,
    };

    const VERSION: Codec<TlsVersion> = names!(
        "version of TLS",
        TlsVersion {
            V1_0: "1.0",
            V1_1: "1.1",
            V1_2: "1.2",
            V1_3: "1.3",
        }
    );

    as_text!(TlsVersion, VERSION);

    /// The knob of one field of [`Tls`]. Its default is not written, since it is what `tls = on` says.
    macro_rules! tls_knob {
        ($name:literal, $field:ident, $codec:expr) => {
            Knob::new(
                $name,
                |config, text| {
                    tls(config)?.$field = ($codec.read)(text)?;
                    Ok(())
                },
                |config| {
                    let value = &config.tls.as_ref()?.$field;
                    if *value == Tls::default().$field {
                        return None;
                    }
                    ($codec.write)(value)
                },
            )
        };
    }

    pub(in crate::config) const TLS: &[Knob] = &[
        Knob::new(
            "tls",
            |config, text| {
                if switch(text)? {
                    config.tls.get_or_insert_default();
                } else {
                    config.tls = None;
                }
                Ok(())
            },
            |config| Some(switch_text(config.tls.is_some())),
        ),
        tls_knob!("tls_ca", ca, MATERIAL).hidden(Hidden::IfKey),
        tls_knob!("tls_system_roots", system_roots, SWITCH),
        tls_knob!("tls_cert", cert, MATERIAL).hidden(Hidden::IfKey),
        tls_knob!("tls_key", key, MATERIAL).hidden(Hidden::IfPem),
        tls_knob!("tls_pkcs12", pkcs12, MATERIAL).hidden(Hidden::IfKey),
        tls_knob!("tls_pkcs12_password", pkcs12_password, PASSWORD)
            .hidden(Hidden::Always)
            .text(),
        tls_knob!("tls_server_name", server_name, SERVER_NAME),
        tls_knob!("tls_min_version", min_version, VERSION),
        tls_knob!(
            "tls_danger_accept_invalid_certs",
            accept_invalid_certs,
            SWITCH
        ),
        tls_knob!(
            "tls_danger_accept_invalid_hostnames",
            accept_invalid_hostnames,
            SWITCH
        ),
    ];
}
