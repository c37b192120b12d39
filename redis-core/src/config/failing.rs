//! Addresses at which the last handshake failed: [`Failing`].

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::time::Instant;

use crate::runtime::Lock;

/// Addresses of names that accept sockets and then do not let us in. Of several addresses of a name they are tried last. All
/// clones of a configuration share this. It does not count when configurations are compared.
#[derive(Clone, Default)]
pub(crate) struct Failing(Arc<Lock<Vec<Known>>>);

#[derive(Debug)]
struct Known {
    address: SocketAddr,
    /// It may have recovered by then, and come first again.
    until: Instant,
}

impl Failing {
    /// A handshake at this address failed.
    pub(crate) fn note(&self, address: SocketAddr, until: Instant) {
        /// Names have a handful of addresses.
        const MOST: usize = 64;
        let mut failing = self.0.lock();
        failing.retain(|known| known.address != address);
        if failing.len() == MOST {
            failing.remove(0);
        }
        failing.push(Known { address, until });
    }

    /// A handshake at this address succeeded.
    pub(crate) fn forget(&self, address: SocketAddr) {
        self.0.lock().retain(|known| known.address != address);
    }

    /// Puts those that fail at the end, the one that failed last as the last one. The others keep their order.
    pub(crate) fn put_last(&self, addresses: &mut [SocketAddr]) {
        let mut failing = self.0.lock();
        let now = Instant::now();
        failing.retain(|known| known.until > now);
        let position = |address: &SocketAddr| {
            let position = failing.iter().position(|known| known.address == *address);
            position.map_or(0, |position| position + 1)
        };
        addresses.sort_by_key(position);
    }
}

impl PartialEq for Failing {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Failing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.lock().iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn addresses<const N: usize>(ports: [u16; N]) -> [SocketAddr; N] {
        ports.map(|port| ([127, 0, 0, 1], port).into())
    }

    #[tokio::test(start_paused = true)]
    async fn what_failed_last_comes_last_until_it_succeeds_or_its_time_is_over() {
        let failing = Failing::default();
        let [one, two, _] = addresses([1, 2, 3]);
        let order = || {
            let mut all = addresses([1, 2, 3]);
            failing.put_last(&mut all);
            all.map(|address| address.port())
        };
        let until = Instant::now() + Duration::from_secs(60);
        failing.note(one, until);
        assert_eq!(order(), [2, 3, 1]);
        failing.note(two, until);
        assert_eq!(order(), [3, 1, 2]);
        failing.note(one, until);
        assert_eq!(order(), [3, 2, 1]);
        failing.forget(two);
        assert_eq!(order(), [2, 3, 1]);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(order(), [1, 2, 3]);
    }

    #[test]
    fn a_bound_holds_for_how_many_are_known() {
        let failing = Failing::default();
        let until = Instant::now() + Duration::from_secs(60);
        for port in 0..1000 {
            failing.note(([127, 0, 0, 1], port).into(), until);
        }
        assert_eq!(failing.0.lock().len(), 64);
    }
}
