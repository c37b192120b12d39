//! The whole frames at the start of the input: [`Frames`].

use std::collections::VecDeque;

use crate::wire::scan::{Found, FrameKind, short_reply};

/// Whole frames, in the order in which they came. Short replies that follow each other are kept as one run, because most
/// replies are short: a run costs as much as one frame.
#[derive(Default)]
pub(super) struct Frames {
    runs: VecDeque<Run>,
    /// How many frames there are.
    count: usize,
}

/// One frame, or several short replies.
struct Run {
    /// Its length is that of all its frames.
    found: Found,
    frames: usize,
    /// Whether it is made of short replies.
    is_short: bool,
}

impl Frames {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn clear(&mut self) {
        self.runs.clear();
        self.count = 0;
    }

    /// Adds a frame.
    pub(super) fn push(&mut self, found: Found) {
        self.count += 1;
        self.runs.push_back(Run {
            found,
            frames: 1,
            is_short: false,
        });
    }

    /// Adds short replies, `len` bytes in all.
    pub(super) fn push_short(&mut self, frames: usize, len: usize) {
        self.count += frames;
        match self.runs.back_mut() {
            Some(last) if last.is_short => {
                last.found.len += len;
                last.frames += frames;
            }
            _ if frames > 0 => self.runs.push_back(Run {
                found: Found::reply(len),
                frames,
                is_short: true,
            }),
            _ => {}
        }
    }

    /// What the first frame is; its length is that of the run which it begins.
    pub(super) fn first(&self) -> Option<&Found> {
        self.runs.front().map(|run| &run.found)
    }

    /// How many short replies come next.
    #[inline]
    pub(super) fn short(&self) -> usize {
        match self.runs.front() {
            Some(run) if run.is_short => run.frames,
            _ => 0,
        }
    }

    /// Takes `frames` short replies, `len` bytes in all, of those that come next.
    #[inline]
    pub(super) fn pass_short(&mut self, frames: usize, len: usize) {
        let Some(run) = self.runs.front_mut() else {
            return;
        };
        run.frames = run.frames.saturating_sub(frames);
        run.found.len = run.found.len.saturating_sub(len);
        self.count = self.count.saturating_sub(frames);
        if run.frames == 0 {
            self.runs.pop_front();
        }
    }

    /// Takes the first frame, with which the `input` begins.
    pub(super) fn take(&mut self, input: &[u8]) -> Option<Found> {
        if self.short() > 1 {
            let len = short_reply(input)?;
            self.pass_short(1, len);
            return Some(Found::reply(len));
        }
        let run = self.runs.pop_front()?;
        self.count = self.count.saturating_sub(1);
        Some(run.found)
    }

    /// Takes replies from the first on, with which the `input` begins: at most `most`, and only such as were found
    /// together. Returns how many, and their length.
    pub(super) fn take_replies(&mut self, most: usize, input: &[u8]) -> Option<(usize, usize)> {
        let run = self.runs.front()?;
        if run.found.kind != FrameKind::Reply || most == 0 {
            return None;
        }
        let mut taken = (run.frames, run.found.len);
        if run.frames > most {
            taken = first_short(most, input);
        }
        self.pass_short(taken.0, taken.1);
        // So that nobody waits for ever, should the input not be what was scanned.
        Some(taken).filter(|(frames, _)| *frames > 0)
    }

    /// All of them; those of a run as one.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Found> {
        self.runs.iter_mut().map(|run| &mut run.found)
    }
}

/// How many short replies the `input` begins with, `most` at most, and their length.
fn first_short(most: usize, input: &[u8]) -> (usize, usize) {
    let (mut frames, mut len) = (0, 0);
    while frames < most
        && let Some(next) = input.get(len..).and_then(short_reply)
    {
        (frames, len) = (frames + 1, len + next);
    }
    (frames, len)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const REPLIES: &[u8] = b"$1\r\na\r\n+OK\r\n$2\r\nbc\r\n:1\r\n";

    /// A run of three short replies, and a number after it.
    fn example() -> Frames {
        let mut frames = Frames::default();
        frames.push_short(2, 12);
        frames.push_short(1, 8);
        frames.push(Found::reply(4));
        frames
    }

    #[test]
    fn one_by_one_each_frame_has_its_own_length() {
        let (mut frames, mut rest) = (example(), REPLIES);
        let mut lengths = Vec::new();
        while let Some(found) = frames.take(rest) {
            rest = &rest[found.len..];
            lengths.push((found.len, frames.len()));
        }
        assert_eq!(lengths, [(7, 3), (5, 2), (8, 1), (4, 0)]);
        assert!(frames.is_empty() && rest.is_empty());
    }

    #[test]
    fn several_are_taken_up_to_the_end_of_their_run() {
        let mut frames = example();
        assert_eq!(frames.take_replies(2, REPLIES), Some((2, 12)));
        assert_eq!(frames.take_replies(2, &REPLIES[12..]), Some((1, 8)));
        assert_eq!(frames.short(), 0);
        assert_eq!(frames.take_replies(2, &REPLIES[20..]), Some((1, 4)));
        assert_eq!(frames.take_replies(2, &[]), None);
    }

    #[test]
    fn a_push_is_no_reply() {
        let mut frames = Frames::default();
        frames.push(Found {
            kind: FrameKind::Push,
            ..Found::reply(9)
        });
        assert_eq!(frames.take_replies(1, b">1\r\n:1\r\n"), None);
        assert_eq!(frames.take(b">1\r\n:1\r\n").unwrap().kind, FrameKind::Push);
    }
}
