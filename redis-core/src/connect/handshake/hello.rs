//! What the reply of HELLO says: [`Hello`].

use crate::config::ServiceRole;
use crate::error::ServerVersion;
use crate::reply::from_redis::Fields;
use crate::reply::{Frame, Reply};

/// What the reply of HELLO says.
#[derive(Default)]
pub(crate) struct Hello {
    /// Which server it is, if it said so.
    pub(crate) server: Option<ServerVersion>,
    /// Whether it is a primary or a replica, if it said so.
    pub(crate) role: Option<ServiceRole>,
    /// Whether it said that it stays in another protocol than RESP3.
    pub(crate) is_older: bool,
}

impl Hello {
    /// Reads the reply, in either protocol. What is missing or malformed counts as not said.
    pub(crate) fn read(reply: &Frame) -> Self {
        let (mut server, mut version, mut role) = (None, None, None);
        let mut is_older = false;
        let fields = Fields::new(&reply.reply()).into_iter().flatten();
        for (name, value) in fields.map_while(Result::ok) {
            match text(&name).as_deref() {
                Some("server") => server = text(&value),
                Some("version") => version = text(&value),
                Some("role") => role = text(&value),
                Some("proto") => is_older = !is_3(&value),
                _ => {}
            }
        }
        let server = server.zip(version);
        Self {
            server: server.and_then(|(server, version)| ServerVersion::read(&server, &version)),
            role: role.as_deref().and_then(role_named),
            is_older,
        }
    }
}

fn text(value: &Reply<'_>) -> Option<String> {
    value.text()?.to_str().ok().map(str::to_owned)
}

fn is_3(value: &Reply<'_>) -> bool {
    matches!(value, Reply::Integer(3)) || text(value).as_deref() == Some("3")
}

/// The role by the names that ROLE and HELLO have for it.
pub(crate) fn role_named(name: &str) -> Option<ServiceRole> {
    match name {
        "master" => Some(ServiceRole::Primary),
        "slave" | "replica" => Some(ServiceRole::Replica),
        _ => None,
    }
}
