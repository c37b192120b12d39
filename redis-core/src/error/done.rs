//! What was done of a command that failed on some nodes of a cluster: [`Done`].

use std::fmt;

use super::phase::Phase;

/// What was done of a command that concerns many nodes of a cluster, and failed on some of them; see [`Error::done`](super::Error::done).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Done {
    /// It was carried out for some of its keys.
    #[non_exhaustive]
    Keys {
        /// The numbers of these keys, counted from 0 in the order of the call; they ascend.
        done: Vec<usize>,
        /// How many keys the command has.
        all: usize,
    },
    /// It has no keys, and some of the nodes carried it out.
    #[non_exhaustive]
    Nodes {
        /// How many did.
        done: usize,
        /// How many were asked.
        all: usize,
    },
}

/// What was done, and what is known of the rest.
pub(super) struct Partly {
    pub(super) done: Done,
    pub(super) rest: Phase,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keys { done, all } => {
                let numbers: Vec<String> = done.iter().map(usize::to_string).collect();
                write!(
                    f,
                    "it has {all} keys, counted from 0, and was carried out for these: {}",
                    numbers.join(", ")
                )
            }
            Self::Nodes { done, all } => write!(f, "{done} of {all} nodes carried it out"),
        }
    }
}

impl fmt::Display for Partly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.done)?;
        if matches!(self.rest, Phase::MaybeApplied | Phase::Applied) {
            f.write_str("; for the rest it may or may not have been carried out")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::error::{Error, ErrorKind, Obstacle, ServerError};

    fn two_of_three() -> Done {
        Done::Keys {
            done: vec![0, 2],
            all: 3,
        }
    }

    #[test]
    fn a_failure_in_part_is_that_of_its_part_and_says_once_what_is_not_known() {
        let obstacle = Some(Arc::new(Obstacle::LeasesInUse(7)));
        let error = Error::timeout(Phase::MaybeApplied, obstacle).partly(two_of_three());
        assert!(error.is_timeout() && error.obstacle().is_some() && !error.is_retryable());
        assert_eq!(error.done(), Some(&two_of_three()));
        let text = error.to_string();
        assert!(
            text.ends_with(
                "; it has 3 keys, counted from 0, and was carried out for these: 0, 2; for the rest it may or may not \
                 have been carried out"
            ),
            "{text}"
        );
        assert_eq!(text.matches("may or may not").count(), 1, "{text}");
    }

    #[test]
    fn a_refusal_in_part_leaves_nothing_in_doubt() {
        let refusal = ServerError::new("BUSY a script runs");
        let nodes = Done::Nodes { done: 2, all: 3 };
        let error = Error::refused(refusal).partly(nodes);
        assert_eq!(
            error.to_string(),
            "BUSY a script runs; 2 of 3 nodes carried it out"
        );
        assert!(matches!(error.kind(), ErrorKind::Server(_)));
        assert_eq!(error.phase(), Phase::MaybeApplied);
        assert!(!error.is_retryable(), "it was carried out in part");
    }
}
