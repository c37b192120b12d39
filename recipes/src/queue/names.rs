//! The keys of a queue: [`Names`].

use crate::keys::Keys;

#[derive(Debug, Clone)]
pub(super) struct Names {
    /// When each job is due, as a sorted set; of a job that was taken, when it is delivered again.
    pub(super) due: String,
    /// What each job is.
    pub(super) payloads: String,
    /// How often each job was delivered, and the receipt of the last delivery.
    pub(super) deliveries: String,
    /// When each dead job died, as a sorted set.
    pub(super) dead: String,
    /// Why each dead job died.
    pub(super) reasons: String,
}

impl Names {
    pub(super) fn new(name: &str) -> Self {
        let keys = Keys::new("queue", name);
        Self {
            due: keys.main().to_owned(),
            payloads: keys.part("payloads"),
            deliveries: keys.part("deliveries"),
            dead: keys.part("dead"),
            reasons: keys.part("reasons"),
        }
    }
}
