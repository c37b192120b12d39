//! The memory of finished commands, for later ones.
//!
//! A command on the heap is cheap to move while it is built. Taking its memory from here costs next to nothing: the
//! piece that was given back last is still in the processor's cache.

use std::cell::Cell;

use super::{Args, Keys, Noted, Spare};
use crate::command::CommandInfo;
use crate::wire::encode::Output;

/// How many each thread keeps.
const KEPT: u8 = 32;

/// A command that has grown larger than this many bytes is not kept.
const LARGEST: usize = 4 * 1024;

thread_local! {
    /// The piece that was given back last; each leads to the one before it.
    static SPARE: Cell<Option<Box<Args>>> = const { Cell::new(None) };
}

impl Args {
    /// Starts a command with its name, in the memory of an earlier command.
    #[inline(always)]
    pub(crate) fn lease(info: &'static CommandInfo, keys: Keys) -> Box<Self> {
        let take = |spare: &Cell<Option<Box<Self>>>| {
            let mut args = spare.take()?;
            spare.set(args.spare.before.take());
            Some(args)
        };
        // While the thread ends, there are none.
        match SPARE.try_with(take) {
            Ok(Some(mut args)) => {
                args.restart(info, keys);
                args
            }
            _ => Box::new(Self::new(info, keys)),
        }
    }

    #[inline]
    fn restart(&mut self, info: &'static CommandInfo, keys: Keys) {
        self.info = info;
        self.bytes.put(info.header);
        self.words = info.words;
        self.noted = Noted::new(keys);
    }

    /// Gives the memory back.
    #[inline(always)]
    pub(crate) fn retire(mut self: Box<Self>) {
        if self.bytes.capacity() > LARGEST {
            return;
        }
        self.clear();
        // While the thread ends, none are kept. Taking and putting back are two short steps, because the compiler does not
        // inline a longer closure.
        let Ok(before) = SPARE.try_with(Cell::take) else {
            return;
        };
        let count = before.as_ref().map_or(0, |before| before.spare.count + 1);
        let kept = if count < KEPT {
            self.spare = Spare { before, count };
            Some(self)
        } else {
            before
        };
        let _ending = SPARE.try_with(|spare| spare.set(kept));
    }

    #[inline]
    fn clear(&mut self) {
        self.bytes.clear();
        self.keys.clear();
        self.parts.clear();
        if self.rare.is_some() {
            self.rare = None;
        }
        (self.once_only, self.moves, self.needed) = (false, false, 0);
    }
}
