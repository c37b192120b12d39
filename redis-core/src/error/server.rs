//! An error that the server replied with.

use std::borrow::Cow;
use std::fmt;

/// An error reply: a code such as `WRONGTYPE`, and a message.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerError {
    text: Box<str>,
    code: usize,
}

/// Codes of refusals that go away: the command was not carried out, and may succeed a moment later.
const TRANSIENT: [&str; 5] = ["LOADING", "TRYAGAIN", "MASTERDOWN", "CLUSTERDOWN", "BUSY"];

impl ServerError {
    /// Reads the line of an error reply, without its `-` and without the line break at its end. Line breaks inside
    /// it, as in errors of scripts, become spaces.
    ///
    /// ```
    /// # use typedis_core::ServerError;
    /// assert_eq!(ServerError::new("ERR one\ntwo").to_string(), "ERR one two");
    /// ```
    #[must_use]
    pub fn new(line: &str) -> Self {
        let line = &*in_one_line(line);
        let word = line.split(' ').next().unwrap_or_default();
        // Modules reply with errors that have no code (`Index already exists`, `CMS: key does not exist`).
        let is_code = !word.is_empty()
            && word
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        Self {
            text: line.into(),
            code: if is_code { word.len() } else { 0 },
        }
    }

    /// The code: `WRONGTYPE`, `NOAUTH`, `ERR`; empty if the server gave none.
    #[must_use]
    pub fn code(&self) -> &str {
        self.text.get(..self.code).unwrap_or_default()
    }

    /// The message after the code. It may quote keys and values: think before you log it.
    #[must_use]
    pub fn message(&self) -> &str {
        self.text.get(self.code..).unwrap_or_default().trim_start()
    }

    /// Where the slot is, according to MOVED: its number, and the address of the node that has it. If there is no
    /// host (`:6380`), it is the host that was asked.
    ///
    /// ```
    /// # extern crate typedis_core as typedis;
    /// # use typedis::ServerError;
    /// let error = ServerError::new("MOVED 3999 10.0.0.7:6381");
    /// assert_eq!(error.moved_to(), Some((3999, "10.0.0.7:6381")));
    /// ```
    #[must_use]
    pub fn moved_to(&self) -> Option<(u16, &str)> {
        let (slot, address) = self.message().split_once(' ')?;
        let slot = slot.parse().ok()?;
        (self.code() == "MOVED").then_some((slot, address))
    }

    /// Whether the server refused for a reason that goes away. Reads the raw error line and allocates nothing.
    pub(crate) fn is_transient_line(line: &[u8]) -> bool {
        let word = line.split(|byte| *byte == b' ').next().unwrap_or_default();
        TRANSIENT.iter().any(|code| code.as_bytes() == word)
    }

    /// Whether the server says that another node has the keys. Reads the raw error line as well.
    pub(crate) fn is_redirect_line(line: &[u8]) -> bool {
        line.starts_with(b"MOVED ") || line.starts_with(b"ASK ")
    }

    /// Whether the code is one with which servers refuse for a reason that goes away: `LOADING`, `BUSY`, `TRYAGAIN`, `CLUSTERDOWN` or
    /// `MASTERDOWN`. Of an EXEC that is refused for such a reason (`EXECABORT Transaction discarded because of: LOADING …`), the code of the
    /// reason counts.
    ///
    /// With these they refuse before they carry anything out. But a script or a function can choose such a code for an error of its own,
    /// when it has changed something already, and the code alone does not tell that.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        TRANSIENT.contains(&self.code_of_reason())
    }

    /// The code; of an EXEC that was refused for a reason of its own, the code of that reason.
    pub(crate) fn code_of_reason(&self) -> &str {
        let reason = self.message().split_once("because of: ");
        match reason.filter(|_| self.code() == "EXECABORT") {
            Some((_, reason)) => reason.split(' ').next().unwrap_or_default(),
            None => self.code(),
        }
    }

    /// Whether a login is refused like this for a reason that goes away.
    pub(crate) fn is_transient_at_login(&self) -> bool {
        self.is_transient() || self.message().contains("max number of clients")
    }
}

/// How servers begin to say that something goes away; a word with their name may come first.
const PASSES: [(&str, &str); 8] = [
    ("BUSY", "is busy running"),
    ("LOADING", "is loading the dataset"),
    ("MASTERDOWN", "Link with MASTER is down"),
    ("CLUSTERDOWN", "The cluster is down"),
    ("CLUSTERDOWN", "Hash slot not served"),
    ("TRYAGAIN", "Multiple keys request"),
    ("TRYAGAIN", "Slot is being trimmed"),
    ("READONLY", "You can't write against a read only"),
];

impl ServerError {
    /// Whether servers themselves refuse like this, for a reason that goes away, before they have carried anything out. Only the text can tell
    /// this from the error of a script, which may have any code.
    pub(crate) fn is_in_words_of_servers(&self) -> bool {
        let message = self.message();
        let (_, unnamed) = message.split_once(' ').unwrap_or_default();
        PASSES.iter().any(|(code, text)| {
            self.code() == *code && (message.starts_with(text) || unnamed.starts_with(text))
        })
    }
}

pub(super) fn in_one_line(text: &str) -> Cow<'_, str> {
    const BREAKS: [char; 2] = ['\r', '\n'];
    if text.contains(BREAKS) {
        Cow::Owned(text.replace(BREAKS, " "))
    } else {
        Cow::Borrowed(text)
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl std::error::Error for ServerError {}

#[cfg(test)]
mod tests {
    use super::ServerError;

    #[test]
    fn a_code_is_one_word_in_upper_case() {
        let error = ServerError::new("WRONGTYPE Operation against a key");
        assert_eq!(
            (error.code(), error.message()),
            ("WRONGTYPE", "Operation against a key")
        );
    }

    #[test]
    fn moved_names_slot_and_node_and_nothing_else_does() {
        let moved = ServerError::new("MOVED 1 :6380");
        assert_eq!(moved.moved_to(), Some((1, ":6380")));
        for line in [
            "ASK 1 :6380",
            "MOVED",
            "MOVED 1",
            "MOVED x :6380",
            "MOVED 70000 :1",
            "ERR 1 :1",
        ] {
            assert_eq!(ServerError::new(line).moved_to(), None, "{line}");
        }
    }

    /// As measured: `servers.md` and `cluster-and-caching.md` of the facts.
    #[test]
    fn servers_are_told_from_scripts_by_their_words() {
        for line in [
            "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
            "BUSY Valkey is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.",
            "LOADING Redis is loading the dataset in memory",
            "LOADING Valkey is loading the dataset in memory",
            "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
            "CLUSTERDOWN The cluster is down",
            "CLUSTERDOWN Hash slot not served",
            "TRYAGAIN Multiple keys request during rehashing of slot",
            "TRYAGAIN Slot is being trimmed",
            "READONLY You can't write against a read only replica.",
        ] {
            assert!(ServerError::new(line).is_in_words_of_servers(), "{line}");
        }
        for line in [
            "BUSY the lock is held",
            "BUSY",
            "LOADING",
            "TRYAGAIN later",
            "READONLY mode",
            "ERR is loading the dataset",
        ] {
            assert!(!ServerError::new(line).is_in_words_of_servers(), "{line}");
        }
    }

    #[test]
    fn module_errors_have_no_code() {
        for line in [
            "Index already exists",
            "CMS: key does not exist",
            "Not found",
            "",
        ] {
            let error = ServerError::new(line);
            assert_eq!((error.code(), error.message()), ("", line));
        }
    }
}
