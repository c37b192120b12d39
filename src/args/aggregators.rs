//! Several aggregations of one time series at once: [`Aggregators`].

use typedis_core::{ArgError, ArgWriter, Args, ToArg, ToArgs};

/// The aggregations that are made of the same samples: an array or a `Vec` of [`Aggregator`](crate::commands::Aggregator)s, at
/// least one.
///
/// Each sample of the reply has their values in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aggregators(Vec<&'static str>);

impl<A: Into<&'static str>, const N: usize> From<[A; N]> for Aggregators {
    fn from(aggregators: [A; N]) -> Self {
        Self(aggregators.map(Into::into).into())
    }
}

impl<A: Into<&'static str>> From<Vec<A>> for Aggregators {
    fn from(aggregators: Vec<A>) -> Self {
        Self(aggregators.into_iter().map(Into::into).collect())
    }
}

impl ToArg for Aggregators {
    fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
        if self.0.is_empty() {
            return Err(ArgError::new("no aggregation is named: name one at least"));
        }
        out.text(&self.0.join(","));
        Ok(())
    }
}

impl ToArgs for Aggregators {
    fn write_args(&self, out: &mut Args) {
        out.item(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::wire::words;

    #[test]
    fn aggregations_are_one_word() {
        assert_eq!(words(&Aggregators::from(["STD.P"])), ["STD.P"]);
        let both = Aggregators::from(vec!["MIN", "MAX"]);
        assert_eq!(words(&both), ["MIN,MAX"]);
    }
}
