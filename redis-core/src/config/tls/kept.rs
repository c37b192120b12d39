//! The connector that was made last: [`Kept`].

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use native_tls::TlsConnector;

use super::contents::Contents;
use crate::runtime::Lock;

/// For how long the authorities of the system are not read again.
const FRESH: Duration = Duration::from_secs(60);

/// The connector that was made last, and what it was made of. Clones of the settings share it. To make one takes
/// milliseconds, nearly all of them for the authorities of the system.
#[derive(Clone, Default)]
pub(crate) struct Kept(Arc<Lock<Option<Made>>>);

struct Made {
    contents: Contents,
    connector: TlsConnector,
    at: Instant,
}

impl Kept {
    /// The connector, if it was made of the same and not long before `now`.
    pub(crate) fn get(&self, contents: &Contents, now: Instant) -> Option<TlsConnector> {
        let made = self.0.lock();
        let made = made.as_ref()?;
        let is_fresh = now.saturating_duration_since(made.at) < FRESH;
        (is_fresh && made.contents == *contents).then(|| made.connector.clone())
    }

    /// Keeps what was made at `now`.
    pub(crate) fn put(&self, contents: Contents, connector: TlsConnector, now: Instant) {
        *self.0.lock() = Some(Made {
            contents,
            connector,
            at: now,
        });
    }

    /// The next connect reads everything again.
    pub(crate) fn forget(&self) {
        *self.0.lock() = None;
    }
}

/// It is no part of what the settings say.
impl PartialEq for Kept {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// What it was made of may be secret.
impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::Tls;

    #[test]
    fn a_connector_is_kept_for_what_it_was_made_of_and_for_a_while() {
        let (tls, now) = (Tls::new(), Instant::now());
        let contents = || tls.contents().unwrap();
        let is_kept = |contents: &Contents, at| tls.kept.get(contents, at).is_some();
        assert!(!is_kept(&contents(), now));
        tls.kept.put(contents(), TlsConnector::new().unwrap(), now);
        let shared = tls.clone().min_version(crate::config::TlsVersion::V1_3);
        assert!(is_kept(&contents(), now));
        assert!(!is_kept(&shared.contents().unwrap(), now));
        assert!(!is_kept(&contents(), now + FRESH));
        shared.kept.forget();
        assert!(!is_kept(&contents(), now));
    }
}
