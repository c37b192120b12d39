//! Several aggregations of one time series at once: [`Aggregators`].

use typedis_core::{ArgError, ArgWriter, Args, ToArg, ToArgs};

use crate::commands::Aggregator;

/// The aggregations that are made of the same samples: one, an array or a `Vec` of them; at least one.
///
/// Each sample of the reply has their values in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aggregators(Vec<Aggregator>);

impl From<Aggregator> for Aggregators {
    fn from(aggregator: Aggregator) -> Self {
        Self(vec![aggregator])
    }
}

impl<const N: usize> From<[Aggregator; N]> for Aggregators {
    fn from(aggregators: [Aggregator; N]) -> Self {
        Self(aggregators.into())
    }
}

impl From<Vec<Aggregator>> for Aggregators {
    fn from(aggregators: Vec<Aggregator>) -> Self {
        Self(aggregators)
    }
}

impl ToArg for Aggregators {
    fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
        if self.0.is_empty() {
            return Err(ArgError::new("no aggregation is named: name one at least"));
        }
        let words: Vec<&str> = self.0.iter().map(|aggregator| aggregator.word()).collect();
        out.text(&words.join(","));
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
        assert_eq!(words(&Aggregators::from(Aggregator::StdP)), ["STD.P"]);
        let both = Aggregators::from([Aggregator::Min, Aggregator::Max]);
        assert_eq!(words(&both), ["MIN,MAX"]);
    }
}
