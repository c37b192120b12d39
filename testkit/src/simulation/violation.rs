//! A rule that was broken: [`Violation`].

/// A rule that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The rule, in a few words that are the same for each violation of it.
    pub rule: &'static str,
    /// What happened.
    pub text: String,
}
