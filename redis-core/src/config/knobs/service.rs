//! The knobs of services that Sentinels watch.

use super::codec::{self, Codec, PASSWORD, USERNAME, as_text, names};
use super::knob::{Hidden, Knob, knob};
use crate::config::ServiceRole;

const SERVICE_NAME: Codec<Option<String>> = Codec {
    read: |text| {
        // Sentinels accept only these characters in names.
        let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        if text.is_empty() || !text.bytes().all(is_fine) {
            return Err(format!(
                "`{text}` is no name of a service: it may hold letters, digits and .-_ only"
            ));
        }
        Ok(Some(text.to_owned()))
    },
    write: Clone::clone,
};

const ROLE: Codec<ServiceRole> = names!(
    "role",
    ServiceRole {
        Primary: "primary" | "master",
        Replica: "replica" | "slave",
    }
);

as_text!(ServiceRole, ROLE);

pub(super) const SERVICE: &[Knob] = &[
    knob!("service", service.name, SERVICE_NAME).text(),
    knob!("role", service.role, ROLE),
    knob!("sentinel_username", service.username, USERNAME).text(),
    knob!("sentinel_password", service.password, PASSWORD)
        .hidden(Hidden::Always)
        .text(),
];
