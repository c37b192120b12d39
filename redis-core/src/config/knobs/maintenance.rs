//! The knobs of announced maintenance.

use super::codec::{self, Codec, DURATION, as_text, names};
use super::knob::{Knob, knob};
use crate::config::{MaintNotifications, MovingEndpoint};

const NOTIFICATIONS: Codec<MaintNotifications> = names!(
    "way to ask",
    MaintNotifications {
        Off: "off",
        Auto: "auto",
        On: "on",
    }
);

as_text!(MaintNotifications, NOTIFICATIONS);

const ENDPOINT: Codec<MovingEndpoint> = names!(
    "kind of endpoint",
    MovingEndpoint {
        Auto: "auto",
        InternalIp: "internal-ip",
        InternalFqdn: "internal-fqdn",
        ExternalIp: "external-ip",
        ExternalFqdn: "external-fqdn",
        None: "none",
    }
);

as_text!(MovingEndpoint, ENDPOINT);

pub(super) const MAINTENANCE: &[Knob] = &[
    knob!(
        "maint_notifications",
        maintenance.notifications,
        NOTIFICATIONS
    ),
    knob!("maint_endpoint", maintenance.endpoint, ENDPOINT),
    knob!("maint_extra_time", maintenance.extra_time, DURATION),
];
