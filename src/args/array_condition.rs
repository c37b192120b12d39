//! What ARGREP looks for: [`ArrayCondition`].

use typedis_core::{Args, ToArgs};

use super::words::Words;

/// A condition on an element of an array.
#[derive(Debug, Clone, PartialEq)]
pub struct ArrayCondition(Words);

impl ArrayCondition {
    /// The element is exactly this text.
    pub fn exact(text: impl Into<String>) -> Self {
        Self(Words::default().with("EXACT").with(text.into()))
    }

    /// The element contains this text.
    pub fn contains(text: impl Into<String>) -> Self {
        Self(Words::default().with("MATCH").with(text.into()))
    }

    /// The element matches a glob-style pattern.
    pub fn glob(pattern: impl Into<String>) -> Self {
        Self(Words::default().with("GLOB").with(pattern.into()))
    }

    /// The element matches a regular expression.
    pub fn regex(pattern: impl Into<String>) -> Self {
        Self(Words::default().with("RE").with(pattern.into()))
    }
}

/// The conditions of one ARGREP: an [`ArrayCondition`], an array or a `Vec` of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ArrayConditions(Vec<ArrayCondition>);

impl From<ArrayCondition> for ArrayConditions {
    fn from(condition: ArrayCondition) -> Self {
        Self(vec![condition])
    }
}

impl<const N: usize> From<[ArrayCondition; N]> for ArrayConditions {
    fn from(conditions: [ArrayCondition; N]) -> Self {
        Self(conditions.into())
    }
}

impl From<Vec<ArrayCondition>> for ArrayConditions {
    fn from(conditions: Vec<ArrayCondition>) -> Self {
        Self(conditions)
    }
}

impl ToArgs for ArrayConditions {
    fn write_args(&self, out: &mut Args) {
        self.0
            .iter()
            .for_each(|condition| condition.0.write_args(out));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::wire::words;

    #[test]
    fn conditions_are_written_one_after_another() {
        let conditions = ArrayConditions::from([
            ArrayCondition::exact("a"),
            ArrayCondition::contains("b"),
            ArrayCondition::glob("c*"),
            ArrayCondition::regex("^d"),
        ]);
        assert_eq!(
            words(&conditions).join(" "),
            "EXACT a MATCH b GLOB c* RE ^d"
        );
    }
}
