//! What is noted about the commands of a chain, and done to them, for the handle that it is sent on: [`Noting`].

use std::sync::Arc;

use super::outcomes::Outcomes;
use super::routing::Routing;
use super::touched::Touched;
use crate::codec::prefixed::ReplyNames;
use crate::command::prefix::Prefix;
use crate::command::{Args, Keys};

/// What a handle wants of each command. Few handles want anything.
#[derive(Debug, Default)]
pub(crate) struct Noting {
    /// Where commands go in a cluster; `None` on one socket.
    pub(super) routing: Option<Routing>,
    /// What the commands change and read.
    pub(super) touched: Option<Touched>,
    /// The prefix that their names get.
    pub(super) names: Option<Names>,
}

impl Noting {
    /// What has to be noted about the keys of the commands.
    pub(super) fn keys(&self) -> Keys {
        // The prefix belongs to the key when its slot is computed.
        if self.names.is_some() || self.touched.is_some() {
            Keys::Noted
        } else {
            Keys::Slots
        }
    }
}

/// The prefix of the names in a chain, and the replies that have some.
#[derive(Debug)]
pub(super) struct Names {
    prefix: Arc<Prefix>,
    /// With the positions of their commands, which ascend.
    replies: Vec<(usize, ReplyNames)>,
}

impl Names {
    pub(super) fn new(prefix: Arc<Prefix>) -> Self {
        Self {
            prefix,
            replies: Vec::new(),
        }
    }

    /// Puts the prefix before the names of the command at this position.
    pub(super) fn enter(&mut self, index: usize, args: &mut Args) {
        let names = ReplyNames::of(args, &self.prefix);
        args.put_prefix(&self.prefix);
        self.replies.extend(names.map(|names| (index, names)));
    }

    /// Takes the prefix off the names in the replies.
    pub(super) fn leave<'q>(&self, outcomes: Outcomes<'q>) -> Outcomes<'q> {
        if self.replies.is_empty() {
            return outcomes;
        }
        outcomes.changed(|index, reply| {
            let place = self
                .replies
                .binary_search_by_key(&index, |(index, _)| *index);
            match place.ok().and_then(|place| self.replies.get(place)) {
                Some((_, names)) => names.cut(reply, &self.prefix),
                None => Ok(None),
            }
        })
    }
}
