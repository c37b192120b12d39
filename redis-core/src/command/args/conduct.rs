//! The effect of a command on its socket, and which sockets accept it.

use super::{Args, Splice};
use crate::command::known::Conduct;
use crate::error::Error;

/// What the compiler says about a command that blocks, on a handle that shares its socket.
const BLOCKS: &str = "this command can block, and others share this socket, who would have to wait; call it on a `Pool` or a `Cluster`, which \
     lease a socket for it, or on an `Exclusive` (`pool.exclusive().await?`)";

/// What the compiler says about a command that changes the connection, on a handle that shares its socket.
const CHANGES: &str = "this command changes its connection's state, and others share this socket; the database and the name are \
     part of the configuration (`redis://host/5?client_name=worker`); for anything else take an `Exclusive` \
     (`pool.exclusive().await?`)";

impl Args {
    /// Looks up which known command its words are, if they decide, and how long it blocks.
    #[cold]
    pub(crate) fn look_up(&mut self) {
        let Some(known) = self.info.known else {
            return;
        };
        let found = known.find(self.each_word());
        let limit = found.and_then(|found| found.limit(self.each_word()));
        if found.is_none() && self.rare.is_none() {
            return;
        }
        let rare = self.rare_mut();
        rare.known = found;
        rare.block = rare.block.or(limit);
    }

    /// The effect on its socket.
    #[cold]
    pub(crate) fn conduct(&mut self) -> Conduct {
        self.look_up();
        let known = self.rare.as_ref().and_then(|rare| rare.known);
        let words = known.map(|known| known.conduct(self.each_word()));
        let words = words.unwrap_or(Conduct {
            unknown: self.is_raw(),
            ..Conduct::default()
        });
        Conduct {
            blocks: self.info.blocking || self.block_limit().is_some() || words.blocks,
            state: self.info.state.or(words.state),
            refused: words.refused.or(self.refused_unseen()),
            ..words
        }
    }

    /// Whether it leaves the socket changed.
    pub(crate) fn changes_its_socket(&mut self) -> bool {
        !self.is_plain() && self.conduct().state.is_some()
    }

    /// Whether it blocks and does not change its socket, so that a socket is leased for it.
    #[cold]
    pub(crate) fn takes_a_lease(&mut self) -> bool {
        let conduct = self.conduct();
        conduct.blocks && conduct.state.is_none() && conduct.refused.is_none()
    }

    /// Why it is refused, whatever command it is.
    fn refused_unseen(&self) -> Option<&'static str> {
        if self.words == 0 {
            // Servers skip an empty array, so the reply to the next command would be taken for the reply to this one.
            Some("a command without a name is not answered; give it one word at least")
        } else if self.is_raw() && self.info.known.is_none() {
            Some("its words cannot be looked up; build it with `raw`")
        } else {
            None
        }
    }

    /// All words, also those that are shared.
    pub(super) fn each_word(&self) -> Words<'_> {
        Words {
            bytes: &self.bytes,
            shared: self.shared(),
            at: 0,
        }
    }
}

impl Conduct {
    /// Why it cannot be sent on a shared socket.
    pub(crate) fn unfit_for_shared(&self) -> Option<&'static str> {
        let blocks = self.blocks.then_some(BLOCKS);
        let changes = self.state.map(|_| CHANGES);
        self.refused.or(changes).or(blocks)
    }

    /// The error of a command that no socket accepts.
    pub(crate) fn refusal(&self) -> Option<Error> {
        self.refused.map(Error::usage)
    }
}

/// The words of a command, one after another.
#[derive(Clone)]
pub(super) struct Words<'a> {
    bytes: &'a [u8],
    /// The values before `at` have been passed.
    shared: &'a [Splice],
    at: usize,
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        const LINE_BREAK: usize = 2;
        let line = self.bytes.get(self.at..)?.strip_prefix(b"$")?;
        let digits = memchr::memchr(b'\r', line)?;
        let len: usize = std::str::from_utf8(line.get(..digits)?)
            .ok()?
            .parse()
            .ok()?;
        let start = self.at + 1 + digits + LINE_BREAK;
        if let Some((Splice { at, bytes }, rest)) = self.shared.split_first()
            && *at == start
        {
            (self.at, self.shared) = (start + LINE_BREAK, rest);
            return Some(bytes);
        }
        self.at = start + len + LINE_BREAK;
        self.bytes.get(start..start + len)
    }
}
