//! Subscriptions of a handle with a prefix.

use super::channel::{Channel, PatternChannel};
use super::subscribe::Subscribe;
use crate::client::Prefixed;
use crate::engine::subscriptions::source::ToChannels;
use crate::handle::{Connection, Pool};

/// The subscriptions of a handle, with the prefix that its view has for channels.
macro_rules! subscriptions {
    ($handle:ty) => {
        impl Prefixed<$handle> {
            /// Subscribes to channels, as the handle beneath does. If [`Prefixed::channels`] was called, they have the prefix, which
            /// the reader does not see.
            ///
            /// # Errors
            /// As for [`Connection::subscribe`](crate::Connection::subscribe).
            pub fn subscribe<N: ToChannels>(&self, channels: N) -> Subscribe<N, Channel> {
                let subscribe = self.inner().subscribe(channels);
                subscribe.prefixed(self.whole().channels.as_ref())
            }

            /// Subscribes to patterns, as the handle beneath does: with the prefix of channels, if there is one, a pattern is one for
            /// the rest of the name.
            ///
            /// # Errors
            /// As for [`Connection::subscribe`](crate::Connection::subscribe).
            pub fn psubscribe<N: ToChannels>(&self, patterns: N) -> Subscribe<N, PatternChannel> {
                let subscribe = self.inner().psubscribe(patterns);
                subscribe.prefixed(self.whole().channels.as_ref())
            }

            /// Subscribes to shard channels, as the handle beneath does, with the prefix of channels, if there is one.
            ///
            /// # Errors
            /// As for [`Connection::ssubscribe`](crate::Connection::ssubscribe).
            pub fn ssubscribe<N: ToChannels>(&self, shard_channels: N) -> Subscribe<N, Channel> {
                let subscribe = self.inner().ssubscribe(shard_channels);
                subscribe.prefixed(self.whole().channels.as_ref())
            }
        }
    };
}

pub(crate) use subscriptions;

subscriptions!(Connection);
subscriptions!(Pool);
