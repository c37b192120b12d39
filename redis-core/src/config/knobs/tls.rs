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
    use super::super::knob::Hidden;
    use super::{Config, Knob};
    use crate::config::address::check_host;
    use crate::config::human::{switch, switch_text};
    use crate::config::secret::Secret;
    use crate::config::tls::{Material, Tls, TlsVersion};

    /// The settings, if TLS was asked for.
    fn tls(config: &mut Config) -> Result<&mut Tls, String> {
        config.tls.as_mut().ok_or_else(|| {
            "this is of no use without TLS: write rediss:// (or `tls = on`)".to_owned()
        })
    }

    fn material(text: &str) -> Result<Option<Material>, String> {
        if text.is_empty() || text.contains('\0') {
            return Err("this is no path of a file".to_owned());
        }
        Ok(Some(Material::parse(text)))
    }

    fn material_text(config: &Config, of: fn(&Tls) -> &Option<Material>) -> Option<String> {
        match of(config.tls.as_ref()?).as_ref()? {
            Material::File(path) => Some(path.display().to_string()),
            Material::Content(bytes) => Some(
                String::from_utf8(bytes.to_vec())
                    .ok()
                    .filter(|text| text.trim_start().starts_with("-----BEGIN"))
                    // Bytes that are not text are hidden, as secrets are.
                    .unwrap_or_else(|| "***".to_owned()),
            ),
        }
    }

    fn of<T>(config: &Config, get: impl FnOnce(&Tls) -> T) -> Option<T> {
        config.tls.as_ref().map(get)
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
        Knob::new(
            "tls_ca",
            |config, text| {
                tls(config)?.ca = material(text)?;
                Ok(())
            },
            |config| material_text(config, |tls| &tls.ca),
        ),
        Knob::new(
            "tls_system_roots",
            |config, text| {
                tls(config)?.system_roots = switch(text)?;
                Ok(())
            },
            |config| {
                of(config, |tls| tls.system_roots)
                    .filter(|on| !on)
                    .map(switch_text)
            },
        ),
        Knob::new(
            "tls_cert",
            |config, text| {
                tls(config)?.cert = material(text)?;
                Ok(())
            },
            |config| material_text(config, |tls| &tls.cert),
        ),
        Knob::new(
            "tls_key",
            |config, text| {
                tls(config)?.key = material(text)?;
                Ok(())
            },
            |config| material_text(config, |tls| &tls.key),
        )
        .hidden(Hidden::IfPem),
        Knob::new(
            "tls_pkcs12",
            |config, text| {
                tls(config)?.pkcs12 = material(text)?;
                Ok(())
            },
            |config| material_text(config, |tls| &tls.pkcs12),
        ),
        Knob::new(
            "tls_pkcs12_password",
            |config, text| {
                tls(config)?.pkcs12_password = Some(Secret::new(text));
                Ok(())
            },
            |config| {
                of(config, |tls| {
                    Some(tls.pkcs12_password.as_ref()?.expose().to_owned())
                })?
            },
        )
        .hidden(Hidden::Always),
        Knob::new(
            "tls_server_name",
            |config, text| {
                check_host(text)?;
                tls(config)?.server_name = Some(text.to_owned());
                Ok(())
            },
            |config| of(config, |tls| tls.server_name.clone())?,
        ),
        Knob::new(
            "tls_min_version",
            |config, text| {
                tls(config)?.min_version = match text {
                    "1.0" => TlsVersion::V1_0,
                    "1.1" => TlsVersion::V1_1,
                    "1.2" => TlsVersion::V1_2,
                    "1.3" => TlsVersion::V1_3,
                    _ => {
                        return Err(format!(
                            "`{text}` is no version of TLS; known are 1.0, 1.1, 1.2 and 1.3"
                        ));
                    }
                };
                Ok(())
            },
            |config| {
                let version = of(config, |tls| tls.min_version)?;
                let text = match version {
                    TlsVersion::V1_0 => "1.0",
                    TlsVersion::V1_1 => "1.1",
                    TlsVersion::V1_2 => "1.2",
                    TlsVersion::V1_3 => "1.3",
                };
                (version != TlsVersion::default()).then(|| text.to_owned())
            },
        ),
        Knob::new(
            "tls_danger_accept_invalid_certs",
            |config, text| {
                tls(config)?.accept_invalid_certs = switch(text)?;
                Ok(())
            },
            |config| {
                of(config, |tls| tls.accept_invalid_certs)
                    .filter(|on| *on)
                    .map(switch_text)
            },
        ),
        Knob::new(
            "tls_danger_accept_invalid_hostnames",
            |config, text| {
                tls(config)?.accept_invalid_hostnames = switch(text)?;
                Ok(())
            },
            |config| {
                of(config, |tls| tls.accept_invalid_hostnames)
                    .filter(|on| *on)
                    .map(switch_text)
            },
        ),
    ];
}
