//! The knobs of services that Sentinels watch.

use super::knob::{Hidden, Knob};
use crate::config::ServiceRole;
use crate::config::secret::Secret;

pub(super) const SERVICE: &[Knob] = &[
    Knob::new(
        "service",
        |config, text| {
            // Sentinels accept only these characters in names.
            let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
            if text.is_empty() || !text.bytes().all(is_fine) {
                return Err(format!(
                    "`{text}` is no name of a service: it may hold letters, digits and .-_ only"
                ));
            }
            config.service.name = Some(text.to_owned());
            Ok(())
        },
        |config| config.service.name.clone(),
    ),
    Knob::new(
        "role",
        |config, text| {
            config.service.role = match text {
                "primary" | "master" => ServiceRole::Primary,
                "replica" | "slave" => ServiceRole::Replica,
                _ => {
                    return Err(format!(
                        "`{text}` is no role; known are `primary` and `replica`"
                    ));
                }
            };
            Ok(())
        },
        |config| {
            Some(match config.service.role {
                ServiceRole::Primary => "primary".to_owned(),
                ServiceRole::Replica => "replica".to_owned(),
            })
        },
    ),
    Knob::new(
        "sentinel_username",
        |config, text| {
            if text.is_empty() {
                return Err("the name is empty".to_owned());
            }
            config.service.username = Some(text.to_owned());
            Ok(())
        },
        |config| config.service.username.clone(),
    ),
    Knob::new(
        "sentinel_password",
        |config, text| {
            config.service.password = Some(Secret::new(text));
            Ok(())
        },
        |config| {
            let password = config.service.password.as_ref();
            password.map(|secret| secret.expose().to_owned())
        },
    )
    .hidden(Hidden::Always),
];
