//! The memory of finished commands, for later ones.
//!
//! A command on the heap is cheap to move while it is built. Taking its memory from here costs next to nothing: the
//! piece that was given back last is still in the processor's cache.

use std::cell::RefCell;

use super::{Args, Keys, Noted};
use crate::command::CommandInfo;
use crate::wire::encode::Output;

/// How many each thread keeps.
const KEPT: usize = 32;

/// A command that has grown larger than this many bytes is not kept.
const LARGEST: usize = 4 * 1024;

thread_local! {
    #[expect(clippy::vec_box, reason = "what is lent are the boxes")]
    static SPARE: RefCell<Vec<Box<Args>>> = const { RefCell::new(Vec::new()) };
}

impl Args {
    /// Starts a command with its name, in the memory of an earlier command.
    #[inline]
    pub(crate) fn lease(info: &'static CommandInfo, keys: Keys) -> Box<Self> {
        // While the thread ends, there are none.
        let spare = SPARE.try_with(|spare| spare.borrow_mut().pop());
        match spare {
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
        self.noted.mode = keys;
        if keys == Keys::Slots {
            self.noted = Noted::new(keys);
        }
    }

    /// Gives the memory back.
    #[inline]
    pub(crate) fn retire(mut self: Box<Self>) {
        if self.bytes.capacity() > LARGEST {
            return;
        }
        self.clear();
        let _ending = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < KEPT {
                spare.push(self);
            }
        });
    }

    #[inline]
    fn clear(&mut self) {
        self.bytes.clear();
        self.keys.clear();
        self.parts.clear();
        self.rare = None;
        (self.once_only, self.moves) = (false, false);
    }
}
