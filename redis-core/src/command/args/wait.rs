//! A command whose wait is split into pieces.

use std::time::Duration;

use tokio::time::Instant;

use super::Args;
use crate::command::block::{Block, Pieces, SHORTEST, TimeoutPlace, longest_piece};
use crate::wire::encode;

/// What servers count waits in.
const MILLISECOND: Duration = Duration::from_millis(1);

impl Args {
    /// Splits a long wait into pieces, each short enough that a server which hangs is noticed within `liveness`. This
    /// is for commands whose nil means that nothing came: they are sent again.
    pub(crate) fn wait_in_pieces(&mut self, liveness: Option<Duration>) {
        let Some((whole, place, liveness)) = self.long_wait().zip(liveness).map(flat) else {
            return;
        };
        let piece = longest_piece(liveness);
        if matches!(whole, Block::For(limit) if limit <= piece) || self.begins_now() {
            return;
        }
        let deadline = self.deadline();
        self.rare_mut().pieces = Some(Pieces {
            place,
            whole,
            piece,
            deadline,
            begun: Instant::now(),
            since: None,
        });
        self.write_timeout(place, piece);
    }

    fn long_wait(&self) -> Option<(Block, TimeoutPlace)> {
        let rare = self.rare.as_ref()?;
        rare.block.zip(rare.timeout)
    }

    /// Whether it waits for what comes from now on, as XREAD does after `$`: sent twice, it would miss what comes between
    /// both. Behind STREAMS come the streams, and then as many ids.
    pub(crate) fn begins_now(&self) -> bool {
        let joined = self.joined();
        let words = encode::words(&joined);
        let places: Vec<&[u8]> = words
            .skip_while(|word| !word.eq_ignore_ascii_case(b"STREAMS"))
            .skip(1)
            .collect();
        let mut ids = places.iter().skip(places.len() / 2);
        ids.any(|id| *id == b"$")
    }

    /// Whether it is sent in pieces.
    pub(crate) fn is_in_pieces(&self) -> bool {
        self.pieces().is_some()
    }

    fn pieces(&self) -> Option<&Pieces> {
        self.rare.as_ref()?.pieces.as_ref()
    }

    /// Notes that the first piece is sent now.
    pub(crate) fn begin_wait(&mut self) {
        if let Some(rare) = &mut self.rare
            && let Some(pieces) = &mut rare.pieces
        {
            pieces.since.get_or_insert_with(Instant::now);
        }
    }

    /// Ends the wait after the present piece.
    pub(crate) fn end_wait(&mut self) {
        if let Some(rare) = &mut self.rare {
            rare.pieces = None;
        }
    }

    /// Whether the reply says that nothing came within a piece, and another piece follows. If so, this becomes the next
    /// piece, which ends some milliseconds after the deadline at the latest; with no time left for it, it must not be sent.
    #[cold]
    pub(crate) fn waits_on(&mut self, reply: &[u8]) -> bool {
        const NIL: [&[u8]; 3] = [b"*-1\r\n", b"$-1\r\n", b"_\r\n"];
        let Some(pieces) = self.pieces().copied().filter(|_| NIL.contains(&reply)) else {
            return false;
        };
        let passed = pieces.since.map_or(Duration::ZERO, |since| since.elapsed());
        let Some(mut next) = pieces.next(passed) else {
            return false;
        };
        if let Some(deadline) = pieces.deadline {
            let left = deadline.saturating_sub(pieces.begun.elapsed());
            // Rounded up, so that the deadline passes before the server ends the wait.
            next = next.min(left.saturating_add(MILLISECOND)).max(SHORTEST);
            self.set_time_left(left);
        }
        self.write_timeout(pieces.place, next);
        true
    }

    /// The same command again; its wait began at `since`.
    pub(crate) fn again_since(&self, since: Instant) -> Self {
        let mut again = self.again();
        let passed = since.elapsed();
        if let Some(Block::For(limit)) = again.block_limit()
            && let Some(place) = again.timeout_place()
        {
            again.write_timeout(place, limit.saturating_sub(passed).max(SHORTEST));
        }
        if let Some(deadline) = again.deadline() {
            again.set_time_left(deadline.saturating_sub(passed));
        }
        again
    }

    /// Where its timeout stands: as it was noted, or as the words of a known command say. Among long values it is not looked for.
    fn timeout_place(&self) -> Option<TimeoutPlace> {
        let rare = self.rare.as_ref()?;
        let from_words = || {
            let known = rare.known.filter(|_| rare.shared.is_empty())?;
            known.timeout_place(&self.bytes)
        };
        rare.timeout.or_else(from_words)
    }

    /// Writes another timeout in place of the present one.
    fn write_timeout(&mut self, place: TimeoutPlace, time: Duration) {
        let Some(new) = (place.write)(time) else {
            return;
        };
        let rest = self.bytes.get(place.at..).unwrap_or_default();
        let Some(word) = encode::words(rest).next() else {
            return;
        };
        let mut old = Vec::new();
        encode::bulk(&mut old, word);
        let (old, grown) = (old.len(), new.len());
        self.bytes.splice(place.at..place.at + old, new);
        let rare = self.rare_mut();
        rare.block = Some(Block::For(time));
        // Nothing is added to it any more, so the beginnings of its parts do not matter.
        for long in rare.shared.iter_mut().filter(|long| long.at > place.at) {
            long.at = long.at + grown - old;
        }
    }
}

fn flat(
    ((whole, place), liveness): ((Block, TimeoutPlace), Duration),
) -> (Block, TimeoutPlace, Duration) {
    (whole, place, liveness)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::command::{Keys, Timeout, command_info};

    #[test]
    fn who_waits_for_what_comes_from_now_on_has_that_as_an_id() {
        static XREAD: crate::command::CommandInfo = command_info!("XREAD").readonly();
        let begins_now = |text: &str| {
            let mut args = Args::new(&XREAD, Keys::Ignored);
            text.split(' ').for_each(|word| args.word(word));
            args.begins_now()
        };
        for text in [
            "STREAMS a $",
            "BLOCK 0 streams a b 0-0 $",
            "STREAMS a b $ 0",
        ] {
            assert!(begins_now(text), "{text}");
        }
        for text in [
            "STREAMS a 0",
            "BLOCK 0 STREAMS $ 0",
            "STREAMS $ $a 0 0",
            "$ 0",
        ] {
            assert!(!begins_now(text), "{text}");
        }
    }

    static WAIT: crate::command::CommandInfo = command_info!("BLPOP").blocking().waits();

    /// A wait of a minute in pieces, with this deadline.
    fn in_pieces(deadline: Duration) -> Args {
        let mut args = Args::new(&WAIT, Keys::Ignored);
        let timeout = Timeout::from(Duration::from_secs(60));
        args.block(&timeout);
        args.arg("timeout", &timeout);
        args.set_deadline(deadline);
        args.wait_in_pieces(Some(Duration::from_secs(10)));
        args
    }

    /// It may have waited for room in the budget before its first piece was sent.
    #[tokio::test(start_paused = true)]
    async fn the_deadline_counts_from_the_beginning_of_the_call_and_not_of_its_first_piece() {
        let seconds = Duration::from_secs;
        let mut args = in_pieces(seconds(70));
        tokio::time::advance(seconds(5)).await;
        args.begin_wait();
        tokio::time::advance(seconds(4)).await;
        assert!(args.waits_on(b"*-1\r\n"));
        assert_eq!(args.deadline(), Some(seconds(61)));
    }

    /// What the server hands out after the deadline would be lost.
    #[tokio::test(start_paused = true)]
    async fn no_piece_outlasts_the_deadline_and_none_has_time_after_it() {
        let seconds = Duration::from_secs;
        let mut args = in_pieces(seconds(6));
        args.begin_wait();
        tokio::time::advance(seconds(4)).await;
        assert!(args.waits_on(b"*-1\r\n"));
        let last = seconds(2) + MILLISECOND;
        assert_eq!(args.block_limit(), Some(Block::For(last)));
        assert_eq!(args.deadline(), Some(seconds(2)));
        tokio::time::advance(seconds(2)).await;
        assert!(args.waits_on(b"*-1\r\n"));
        assert_eq!(args.deadline(), Some(Duration::ZERO));
    }
}
