//! The names in the reply to a command whose names were sent with a prefix: [`ReplyNames`].

use bytes::Bytes;

use crate::command::Args;
use crate::command::naming::{Channels, Naming};
use crate::command::prefix::Prefix;
use crate::error::{CommandName, DecodeError, Error, ErrorKind, Phase, Result};
use crate::reply::cut::{Foreign, cut};
use crate::reply::{Frame, FromRedis, described};
use crate::wire::Step;

/// Where names stand in the reply to one command.
#[derive(Debug, Clone)]
pub(crate) struct ReplyNames {
    naming: &'static Naming,
    command: CommandName,
}

impl ReplyNames {
    /// The names in the reply to this command; `None` if there are none, or none that have a prefix.
    pub(crate) fn of(args: &Args, prefix: &Prefix) -> Option<Self> {
        let naming = args.naming().0?;
        let are_channels = naming.channels != Channels::None;
        if naming.in_reply.is_empty() || (are_channels && prefix.channels.is_none()) {
            return None;
        }
        Some(Self {
            naming,
            command: args.name(),
        })
    }

    /// The reply with the prefix taken off its names; `None` if nothing changes.
    ///
    /// # Errors
    /// A name does not begin with the prefix.
    pub(crate) fn cut(&self, reply: &[u8], prefix: &Prefix) -> Result<Option<Vec<u8>>> {
        self.cut_at(self.naming.in_reply, reply, prefix)
    }

    /// The outcome of the command with the prefix taken off its names.
    pub(crate) fn leave(&self, outcome: Result<Frame>, prefix: &Prefix) -> Result<Frame> {
        let frame = outcome?;
        let shorter = self.cut(frame.as_bytes(), prefix)?;
        Ok(shorter.map_or(frame, owned))
    }

    /// The outcome of the command, decoded, with the prefix taken off its names.
    pub(crate) fn decode<R: FromRedis>(
        &self,
        outcome: Result<Frame>,
        prefix: &Prefix,
    ) -> Result<R> {
        let decoded = Frame::decode_outcome(self.leave(outcome, prefix));
        described(decoded, |error| error.of_command(self.command.clone()))
    }

    /// The same for a page of a scan, which is the array of its elements without the cursor.
    pub(crate) fn leave_page(&self, page: Frame, prefix: &Prefix) -> Result<Frame> {
        let elements = self.naming.in_reply.iter().filter_map(|path| path.get(1..));
        let elements: Vec<&[Step]> = elements.collect();
        let shorter = self.cut_at(&elements, page.as_bytes(), prefix)?;
        Ok(shorter.map_or(page, owned))
    }

    fn cut_at(&self, paths: &[&[Step]], reply: &[u8], prefix: &Prefix) -> Result<Option<Vec<u8>>> {
        let name = match &prefix.channels {
            Some(channels) if self.naming.channels != Channels::None => channels,
            _ => &prefix.keys,
        };
        cut(reply, paths, &name.text).map_err(|Foreign| {
            // It is not said here: it may be a key of somebody else.
            let text = format!(
                "the server named something that does not begin with the prefix `{}` of this handle",
                name.text.escape_ascii()
            );
            let error = Error::new(ErrorKind::Decode(DecodeError::new(text)), Phase::Applied);
            error.of_command(self.command.clone())
        })
    }
}

fn owned(bytes: Vec<u8>) -> Frame {
    Frame::from_scanned(Bytes::from(bytes))
}
