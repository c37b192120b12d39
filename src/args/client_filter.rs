//! Which connections CLIENT KILL closes and CLIENT LIST lists: [`ClientFilter`].

use typedis_core::{Args, ToArgs};

use super::words::Words;

/// A condition on connections, for CLIENT KILL and CLIENT LIST.
///
/// For CLIENT KILL, Redis, and Valkey before 9.0, have [`id`](Self::id), [`kind`](Self::kind), [`user`](Self::user),
/// [`addr`](Self::addr), [`laddr`](Self::laddr), [`skip_me`](Self::skip_me) and [`max_age`](Self::max_age). Only
/// Valkey since 9.0 has the others, and the `not_…` forms.
///
/// ```
/// # use typedis::args::{ClientFilter, ClientKind};
/// let filters = [ClientFilter::kind(ClientKind::PubSub), ClientFilter::skip_me(false)];
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ClientFilter(Words);

/// What a connection is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientKind {
    /// An ordinary client.
    Normal,
    /// The link of this server to its primary.
    Primary,
    /// A replica.
    Replica,
    /// A client with subscriptions.
    PubSub,
}

impl ClientKind {
    fn word(self) -> &'static str {
        match self {
            Self::Normal => "NORMAL",
            // The word that both servers know; only Valkey has PRIMARY.
            Self::Primary => "MASTER",
            Self::Replica => "REPLICA",
            Self::PubSub => "PUBSUB",
        }
    }
}

/// The constructors of filters on text, each with its negation.
macro_rules! text_filters {
    ($($name:ident $word:literal, $not:ident $not_word:literal: $doc:literal;)*) => {$(
        #[doc = concat!("Connections ", $doc, ".")]
        pub fn $name(text: impl Into<String>) -> Self {
            Self(Words::default().with($word).with(text.into()))
        }

        #[doc = concat!("Connections other than those ", $doc, ".")]
        pub fn $not(text: impl Into<String>) -> Self {
            Self(Words::default().with($not_word).with(text.into()))
        }
    )*};
}

impl ClientFilter {
    /// The connection with this id.
    #[must_use]
    pub fn id(id: i64) -> Self {
        Self::ids([id])
    }

    /// The connections with these ids; more than one for CLIENT LIST, and for Valkey's CLIENT KILL since 8.1.
    pub fn ids(ids: impl IntoIterator<Item = i64>) -> Self {
        Self::of_ids("ID", ids)
    }

    /// Connections with other ids.
    pub fn not_ids(ids: impl IntoIterator<Item = i64>) -> Self {
        Self::of_ids("NOT-ID", ids)
    }

    /// Connections of this kind.
    #[must_use]
    pub fn kind(kind: ClientKind) -> Self {
        Self(Words::default().with("TYPE").with(kind.word()))
    }

    /// Connections of another kind.
    #[must_use]
    pub fn not_kind(kind: ClientKind) -> Self {
        Self(Words::default().with("NOT-TYPE").with(kind.word()))
    }

    /// Whether to leave out the connection that sends the command; CLIENT KILL does so by default.
    #[must_use]
    pub fn skip_me(skip: bool) -> Self {
        Self(
            Words::default()
                .with("SKIPME")
                .with(if skip { "YES" } else { "NO" }),
        )
    }

    /// Connections that are at least this many seconds old.
    #[must_use]
    pub fn max_age(seconds: u64) -> Self {
        Self(Words::default().with("MAXAGE").with(seconds))
    }

    /// Connections that have been idle for at least this many seconds.
    #[must_use]
    pub fn idle(seconds: u64) -> Self {
        Self(Words::default().with("IDLE").with(seconds))
    }

    /// Connections that have selected this database.
    #[must_use]
    pub fn db(index: u32) -> Self {
        Self(Words::default().with("DB").with(u64::from(index)))
    }

    /// Connections that have selected another database.
    #[must_use]
    pub fn not_db(index: u32) -> Self {
        Self(Words::default().with("NOT-DB").with(u64::from(index)))
    }

    text_filters! {
        user "USER", not_user "NOT-USER": "that are logged in as this user";
        addr "ADDR", not_addr "NOT-ADDR": "from this `ip:port`";
        laddr "LADDR", not_laddr "NOT-LADDR": "to this `ip:port` of the server";
        name "NAME", not_name "NOT-NAME": "with this name";
        flags "FLAGS", not_flags "NOT-FLAGS": "with all of these flags, written as CLIENT LIST shows them";
        lib_name "LIB-NAME", not_lib_name "NOT-LIB-NAME": "of this client library";
        lib_ver "LIB-VER", not_lib_ver "NOT-LIB-VER": "of this version of a client library";
        capa "CAPA", not_capa "NOT-CAPA": "with this capability, written as CLIENT LIST shows it";
        ip "IP", not_ip "NOT-IP": "from this IP address";
    }

    fn of_ids(word: &'static str, ids: impl IntoIterator<Item = i64>) -> Self {
        let mut words = Words::default().with(word);
        words.append(ids.into_iter().collect());
        Self(words)
    }
}

/// Conditions that must all hold: one [`ClientFilter`], an array or a `Vec` of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClientFilters(Vec<ClientFilter>);

impl From<ClientFilter> for ClientFilters {
    fn from(filter: ClientFilter) -> Self {
        Self(vec![filter])
    }
}

impl<const N: usize> From<[ClientFilter; N]> for ClientFilters {
    fn from(filters: [ClientFilter; N]) -> Self {
        Self(filters.into())
    }
}

impl From<Vec<ClientFilter>> for ClientFilters {
    fn from(filters: Vec<ClientFilter>) -> Self {
        Self(filters)
    }
}

impl ToArgs for ClientFilters {
    fn write_args(&self, out: &mut Args) {
        self.0.iter().for_each(|filter| filter.0.write_args(out));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::wire::words;

    #[test]
    fn filters_are_written_one_after_another() {
        let filters = ClientFilters::from([
            ClientFilter::ids([1, 2]),
            ClientFilter::kind(ClientKind::Primary),
            ClientFilter::not_user("default"),
            ClientFilter::skip_me(false),
            ClientFilter::not_db(3),
        ]);
        let expected = "ID 1 2 TYPE MASTER NOT-USER default SKIPME NO NOT-DB 3";
        assert_eq!(words(&filters).join(" "), expected);
    }

    #[test]
    fn one_filter_is_a_list() {
        assert_eq!(
            words(&ClientFilters::from(ClientFilter::max_age(60))),
            ["MAXAGE", "60"]
        );
    }
}
