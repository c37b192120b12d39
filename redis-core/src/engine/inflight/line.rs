//! The callers who wait for room in a queue: [`Line`].

use std::collections::VecDeque;
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use crate::runtime::after;
use crate::runtime::planted::Planted;

/// The key of a caller who waits for room.
pub(crate) type WaiterKey = u64;

/// How long a caller who was called keeps its turn without coming. Its task is woken, so it comes at once, unless its future is not
/// polled any more, as one that `select!` has borrowed.
const GRACE: Duration = Duration::from_millis(10);

/// Callers in the order in which they came. The first is called when there is room for it, and nobody overtakes it until it had
/// time to come.
#[derive(Debug, Default)]
pub(super) struct Line {
    waiters: VecDeque<Waiter>,
    next_key: WaiterKey,
    /// How many are called at once: more, if those who were called did not come.
    called_at_once: usize,
}

#[derive(Debug)]
struct Waiter {
    /// Who came earlier has a lower one.
    key: WaiterKey,
    /// How much room it needs.
    bytes: usize,
    waker: Waker,
    turn: Turn,
}

/// Whether it is a waiter's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    NotYet,
    /// It was woken, because there is room.
    Called,
    /// The driver has noted when it has to have come. Callers do not read the clock.
    Until(Instant),
}

impl Line {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.waiters.len()
    }

    /// Whether another caller waits who came before the one at `place`. Without a place, every caller who waits came before.
    #[inline]
    pub(super) fn is_before(&self, place: Option<WaiterKey>) -> bool {
        let is_before = |first: &Waiter| place.is_none_or(|place| first.key < place);
        self.waiters.front().is_some_and(is_before)
    }

    /// Gives a caller a place, or notes how it is woken at the place that it has. Who was passed over gets its old place.
    pub(super) fn stand(
        &mut self,
        place: Option<WaiterKey>,
        bytes: usize,
        waker: &Waker,
    ) -> WaiterKey {
        let key = place.unwrap_or(self.next_key);
        self.next_key = self.next_key.max(key + 1);
        let waiter = Waiter {
            key,
            bytes,
            waker: waker.clone(),
            turn: Turn::NotYet,
        };
        match self.find(key) {
            Ok(index) => {
                if let Some(known) = self.waiters.get_mut(index) {
                    *known = waiter;
                }
            }
            Err(index) => self.waiters.insert(index, waiter),
        }
        key
    }

    /// The caller does not wait any more.
    pub(super) fn leave(&mut self, place: WaiterKey) {
        if let Ok(index) = self.find(place) {
            self.waiters.remove(index);
            self.called_at_once = 1;
        }
    }

    fn find(&self, key: WaiterKey) -> Result<usize, usize> {
        self.waiters.binary_search_by_key(&key, |waiter| waiter.key)
    }

    /// All leave the line, and are to be woken.
    pub(super) fn dissolve(&mut self) -> impl Iterator<Item = Waker> {
        self.waiters.drain(..).map(|waiter| waiter.waker)
    }

    /// Calls the first, if there is room for it and it was not called yet: it must be woken. The driver has to look after it then.
    #[cold]
    #[must_use]
    pub(super) fn call(&mut self, has_room: impl Fn(usize) -> bool) -> Option<Waker> {
        let first = self.waiters.front_mut()?;
        if first.turn != Turn::NotYet || !has_room(first.bytes) || Planted::LostWakeup.is_here() {
            return None;
        }
        first.turn = Turn::Called;
        Some(first.waker.clone())
    }

    /// Passes over callers who were called and have not come in time, and calls the next. Returns when to look again.
    #[cold]
    pub(super) fn look_after(
        &mut self,
        now: Instant,
        has_room: impl Fn(usize) -> bool,
        woken: &mut Vec<Waker>,
    ) -> Option<Instant> {
        let first = self.waiters.front()?;
        if let Turn::Until(end) = first.turn
            && end <= now
            && has_room(first.bytes)
        {
            self.pass_over_late(now);
            self.called_at_once = self.called_at_once.saturating_mul(2).max(2);
            woken.extend(self.call(&has_room));
        }
        let first = self.waiters.front_mut()?;
        if first.turn == Turn::NotYet || !has_room(first.bytes) {
            return None;
        }
        if first.turn == Turn::Called {
            self.note_called(now, woken);
        }
        match self.waiters.front()?.turn {
            Turn::Until(end) => Some(end),
            Turn::NotYet | Turn::Called => None,
        }
    }

    fn pass_over_late(&mut self, now: Instant) {
        let is_late = |turn| matches!(turn, Turn::Until(end) if end <= now);
        while self
            .waiters
            .front()
            .is_some_and(|first| is_late(first.turn))
        {
            self.waiters.pop_front();
        }
    }

    /// Notes that the first was called at `now`, and calls some of those behind it, if callers do not come.
    fn note_called(&mut self, now: Instant, woken: &mut Vec<Waker>) {
        let end = after(now, GRACE);
        for waiter in self.waiters.iter_mut().take(self.called_at_once.max(1)) {
            if waiter.turn == Turn::NotYet {
                woken.push(waiter.waker.clone());
            }
            waiter.turn = Turn::Until(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A line of callers, and how often each was woken.
    fn line_of(callers: usize) -> (Line, Vec<Arc<Woken>>) {
        let (mut line, mut woken) = (Line::default(), Vec::new());
        for _ in 0..callers {
            let wakes = Arc::new(Woken::default());
            line.stand(None, 1, &wakes.clone().into());
            woken.push(wakes);
        }
        (line, woken)
    }

    fn look(line: &mut Line, now: Instant) -> Option<Instant> {
        let mut woken = Vec::new();
        let again = line.look_after(now, |_| true, &mut woken);
        woken.into_iter().for_each(Waker::wake);
        again
    }

    fn counts(woken: &[Arc<Woken>]) -> Vec<usize> {
        let count = |woken: &Arc<Woken>| woken.0.load(Ordering::Relaxed);
        woken.iter().map(count).collect()
    }

    #[test]
    fn who_does_not_come_is_passed_over_and_gets_its_old_place_when_it_comes() {
        let (mut line, woken) = line_of(3);
        let now = Instant::now();
        line.call(|_| true).into_iter().for_each(Waker::wake);
        let end = look(&mut line, now);
        assert_eq!((end, counts(&woken)), (Some(now + GRACE), vec![1, 0, 0]));
        assert!(line.call(|_| true).is_none(), "it was called already");
        // Nobody overtakes it until then.
        assert!(line.is_before(Some(1)) && line.is_before(None));
        assert_eq!(look(&mut line, now + GRACE / 2), end);
        look(&mut line, now + GRACE);
        assert_eq!(counts(&woken), [1, 1, 1]);
        assert!(!line.is_before(Some(1)) && !line.is_before(Some(0)));
        assert!(line.is_before(Some(2)));
        line.stand(Some(0), 1, Waker::noop());
        assert!(line.is_before(Some(1)) && !line.is_before(Some(0)));
    }

    /// So a thousand of them do not hold up the last for a thousand times as long.
    #[test]
    fn if_nobody_comes_more_are_called_at_once() {
        let (mut line, woken) = line_of(1_000);
        let mut now = Instant::now();
        line.call(|_| true).into_iter().for_each(Waker::wake);
        let mut looks = 0;
        while let Some(next) = look(&mut line, now) {
            (now, looks) = (next, looks + 1);
        }
        assert!(line.is_empty() && looks < 12, "{looks}");
        assert_eq!(counts(&woken), vec![1; 1_000]);
    }

    #[test]
    fn nobody_is_called_or_passed_over_without_room() {
        let (mut line, _) = line_of(2);
        let now = Instant::now();
        assert!(line.call(|bytes| bytes < 1).is_none());
        assert!(line.call(|_| true).is_some());
        look(&mut line, now);
        let full = |_| false;
        let late = now + GRACE * 2;
        assert_eq!(line.look_after(late, full, &mut Vec::new()), None);
        assert_eq!(line.len(), 2);
    }
}
