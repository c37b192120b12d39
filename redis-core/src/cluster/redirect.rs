//! The answer of a node that sends the client to another node: [`Redirect`].

use crate::config::Address;

/// MOVED or ASK, as a server writes them: `MOVED 3999 10.0.0.7:6381`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Redirect {
    pub(crate) kind: RedirectKind,
    pub(crate) slot: u16,
    /// The host in the words of the server; `None` if it names none that can be used.
    pub(crate) host: Option<String>,
    pub(crate) port: u16,
}

/// How long a redirect is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RedirectKind {
    /// From now on: the other node owns the slot.
    Moved,
    /// Only for this command: the key may be on the node to which the slot is being moved.
    Ask,
}

impl Redirect {
    /// Reads the line of an error reply, without its `-` and line break; `None` if it is another error.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let kind = match words.next()? {
            "MOVED" => RedirectKind::Moved,
            "ASK" => RedirectKind::Ask,
            _ => return None,
        };
        let slot = words.next()?.parse().ok()?;
        // An IPv6 address contains colons itself, and has no brackets.
        let (host, port) = words.next()?.rsplit_once(':')?;
        if slot >= crate::command::SLOTS || words.next().is_some() {
            return None;
        }
        Some(Self {
            kind,
            slot,
            host: named(host).map(str::to_owned),
            port: port.parse().ok().filter(|port| *port > 0)?,
        })
    }

    /// The address to go to. `asked` is the node that sent the redirect; its host is meant if the redirect names
    /// none.
    pub(crate) fn address(&self, asked: &Address) -> Option<Address> {
        let host = self.host.as_deref().or_else(|| asked.host())?;
        Some(Address::Tcp(host.to_owned(), self.port))
    }
}

/// The host, if the server names one. Servers write nothing, or `?`, if they do not know the host or must not
/// tell it.
pub(super) fn named(host: &str) -> Option<&str> {
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    (!host.is_empty() && host != "?").then_some(host)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn parsed(line: &str) -> Option<(RedirectKind, u16, String)> {
        let asked = Address::Tcp("asked".to_owned(), 1);
        let redirect = Redirect::parse(line)?;
        let address = redirect.address(&asked)?.to_string();
        Some((redirect.kind, redirect.slot, address))
    }

    #[test]
    fn every_form_of_an_address_is_understood() {
        use RedirectKind::{Ask, Moved};
        let cases = [
            (
                "MOVED 8579 127.0.0.1:7401",
                (Moved, 8_579, "127.0.0.1:7401"),
            ),
            ("ASK 449 127.0.0.1:7421", (Ask, 449, "127.0.0.1:7421")),
            (
                "MOVED 449 node-a.example:7450",
                (Moved, 449, "node-a.example:7450"),
            ),
            ("MOVED 8579 ?:7451", (Moved, 8_579, "asked:7451")),
            ("ASK 449 :7451", (Ask, 449, "asked:7451")),
            ("MOVED 8579 ::1:7451", (Moved, 8_579, "[::1]:7451")),
            ("MOVED 8579 [::1]:7451", (Moved, 8_579, "[::1]:7451")),
        ];
        for (line, (kind, slot, address)) in cases {
            assert_eq!(
                parsed(line),
                Some((kind, slot, address.to_owned())),
                "{line}"
            );
        }
    }

    #[test]
    fn other_errors_are_no_redirects() {
        for line in [
            "",
            "MOVED",
            "MOVED 1",
            "MOVED x a:1",
            "MOVED 16384 a:1",
            "MOVED 1 a",
            "MOVED 1 a:0",
            "MOVED 1 a:70000",
            "ASKING 1 a:1",
            "ERR MOVED 1 a:1",
            "MOVED 1 a:1 1",
        ] {
            assert_eq!(parsed(line), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn junk_is_survived(line in "(MOVED|ASK|)[ 0-9a-z:?\\[\\]-]{0,40}") {
            let _ = parsed(&line);
        }
    }
}
