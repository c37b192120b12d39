//! What a Sentinel says of the primary, and what that is worth: [`Claim`].

use super::address::Address;

/// What a Sentinel says of the primary of a service.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Claim {
    pub(crate) primary: Address,
    /// The number of the configuration that it is from: each failover makes one with a higher number. `None` if the Sentinel
    /// did not say it.
    pub(crate) epoch: Option<u64>,
}

/// What a claim is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is newer than what is known, or says the same.
    Believed,
    /// It names another node, and does not say that it is newer: only the node itself can tell.
    Doubted,
    /// It is older.
    Outdated,
}

impl Claim {
    /// Compares it with what is known.
    pub(super) fn against(&self, known: Option<&Self>) -> Verdict {
        let Some(known) = known else {
            return Verdict::Believed;
        };
        match (self.epoch, known.epoch) {
            (Some(said), Some(known)) if said < known => Verdict::Outdated,
            (Some(said), Some(known)) if said > known => Verdict::Believed,
            _ if self.primary == known.primary => Verdict::Believed,
            _ => Verdict::Doubted,
        }
    }

    /// What is known after this was found to be right. Without a number of its own, it is as new as what was known.
    pub(super) fn after(&self, known: Option<&Self>) -> Self {
        Self {
            primary: self.primary.clone(),
            epoch: self.epoch.or(known.and_then(|known| known.epoch)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(port: u16, epoch: Option<u64>) -> Claim {
        let primary = Address::Tcp("10.0.0.1".to_owned(), port);
        Claim { primary, epoch }
    }

    #[test]
    fn a_newer_claim_is_believed_an_older_one_never_and_between_them_the_node_decides() {
        let known = claim(1, Some(5));
        for (port, epoch, verdict) in [
            (2, Some(6), Verdict::Believed),
            (1, Some(6), Verdict::Believed),
            (1, Some(5), Verdict::Believed),
            (1, None, Verdict::Believed),
            (2, Some(5), Verdict::Doubted),
            (2, None, Verdict::Doubted),
            (2, Some(4), Verdict::Outdated),
            (1, Some(4), Verdict::Outdated),
        ] {
            assert_eq!(
                claim(port, epoch).against(Some(&known)),
                verdict,
                "{port} {epoch:?}"
            );
            assert_eq!(claim(port, epoch).against(None), Verdict::Believed);
        }
        let unnumbered = claim(1, None);
        assert_eq!(
            claim(2, Some(1)).against(Some(&unnumbered)),
            Verdict::Doubted
        );
    }

    #[test]
    fn a_claim_without_a_number_does_not_make_older_ones_count_again() {
        let known = claim(2, None).after(Some(&claim(1, Some(5))));
        assert_eq!(known, claim(2, Some(5)));
        assert_eq!(claim(1, Some(6)).after(Some(&known)), claim(1, Some(6)));
    }
}
