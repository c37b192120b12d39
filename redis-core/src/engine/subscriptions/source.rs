//! What can be subscribed to: [`Source`], and the lists of names that `subscribe` takes.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::codec::Name;

/// The kinds of subscription. They are apart on the server: a message to the channel `a` reaches no subscriber of the
/// shard channel `a`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SourceKind {
    /// A channel, as SUBSCRIBE names it.
    Channel,
    /// A glob-style pattern of channel names, as PSUBSCRIBE takes it.
    Pattern,
    /// A channel that lives on the shard of its slot, as SSUBSCRIBE names it.
    Shard,
}

/// A channel, pattern or shard channel by its name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Source {
    kind: SourceKind,
    name: Bytes,
}

impl Source {
    pub(crate) fn new(kind: SourceKind, name: Bytes) -> Self {
        Self { kind, name }
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> SourceKind {
        self.kind
    }

    /// Its name as text; bytes that are not UTF-8 are shown as `U+FFFD`.
    #[must_use]
    pub fn name(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.name)
    }

    /// Its name.
    #[must_use]
    pub fn name_bytes(&self) -> &Bytes {
        &self.name
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({:?})", self.kind, self.name())
    }
}

/// The name of a channel or pattern, as text or bytes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a name of a channel",
    note = "text and bytes are; several names are given as an array, a slice or a `Vec`"
)]
pub trait ChannelName {
    /// The bytes of the name.
    fn to_name(&self) -> Bytes;
}

/// One name of a channel, or a list of them; it decides what `subscribe` returns.
///
/// One name gives one `Channel`, an array gives `[Channel; N]`, a `Vec` or slice gives `Vec<Channel>`. Bytes are
/// one name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` names no channels",
    note = "text, `Bytes`, and arrays, slices and `Vec`s of names do"
)]
pub trait ToChannels {
    /// One `C` for each name.
    type Output<C>;

    /// Makes a `C` of each name.
    fn map_names<C>(self, make: impl FnMut(Bytes) -> C) -> Self::Output<C>;
}

macro_rules! names {
    ($($type:ty),+) => {$(
        impl ChannelName for $type {
            fn to_name(&self) -> Bytes {
                Bytes::copy_from_slice(bytes_of(self))
            }
        }
    )+};
}

names!(str, String, [u8], Vec<u8>);

fn bytes_of<T: AsRef<[u8]> + ?Sized>(name: &T) -> &[u8] {
    name.as_ref()
}

macro_rules! pointers {
    ($($type:ty),+) => {$(
        impl ChannelName for $type {
            fn to_name(&self) -> Bytes {
                Bytes::copy_from_slice(self.as_bytes())
            }
        }
    )+};
}

pointers!(Box<str>, Arc<str>, Cow<'_, str>, Name);

impl ChannelName for Bytes {
    fn to_name(&self) -> Bytes {
        self.clone()
    }
}

impl<T: ChannelName + ?Sized> ChannelName for &T {
    fn to_name(&self) -> Bytes {
        (**self).to_name()
    }
}

macro_rules! single {
    ($($type:ty),+) => {$(
        impl ToChannels for $type {
            type Output<C> = C;

            fn map_names<C>(self, mut make: impl FnMut(Bytes) -> C) -> C {
                make(self.to_name())
            }
        }
    )+};
}

single!(
    &str,
    String,
    &String,
    Bytes,
    &Bytes,
    &[u8],
    Box<str>,
    Arc<str>,
    Cow<'_, str>,
    Name,
    &Name
);

impl<T: ChannelName, const N: usize> ToChannels for [T; N] {
    type Output<C> = [C; N];

    fn map_names<C>(self, mut make: impl FnMut(Bytes) -> C) -> [C; N] {
        self.map(|name| make(name.to_name()))
    }
}

impl<T: ChannelName> ToChannels for Vec<T> {
    type Output<C> = Vec<C>;

    fn map_names<C>(self, make: impl FnMut(Bytes) -> C) -> Vec<C> {
        self.as_slice().map_names(make)
    }
}

impl<T: ChannelName> ToChannels for &[T] {
    type Output<C> = Vec<C>;

    fn map_names<C>(self, mut make: impl FnMut(Bytes) -> C) -> Vec<C> {
        self.iter().map(|name| make(name.to_name())).collect()
    }
}

impl<T: ChannelName> ToChannels for &Vec<T> {
    type Output<C> = Vec<C>;

    fn map_names<C>(self, make: impl FnMut(Bytes) -> C) -> Vec<C> {
        self.as_slice().map_names(make)
    }
}
