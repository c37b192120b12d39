//! The steps of FT.AGGREGATE, in the caller's order: [`AggregateSteps`], [`Reducer`], [`SortBy`].

use typedis_core::{Args, ToArgs};

use super::search::ReturnFields;
use super::words::{Word, Words};

/// What is done with the documents that were found, step by step; each step works on the result of the one before.
///
/// ```
/// # use typedis::args::{AggregateSteps, Reducer, SortKey};
/// let steps = AggregateSteps::new()
///     .load(["@brand", "@price"])
///     .apply("@price * 1.2", "gross")
///     .group_by(["@brand"], [Reducer::count().alias("n"), Reducer::avg("@gross").alias("average")])
///     .sort_by(SortKey::desc("@n"))
///     .limit(0, 10);
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AggregateSteps(Words);

impl AggregateSteps {
    /// No steps yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Loads fields of the documents, `@title` or `$.title`.
    #[must_use]
    pub fn load(mut self, fields: impl Into<ReturnFields>) -> Self {
        self.0.push("LOAD");
        self.0.append_counted(fields.into().into_words());
        self
    }

    /// Loads all fields of the documents.
    #[must_use]
    pub fn load_all(self) -> Self {
        self.step(["LOAD", "*"])
    }

    /// Computes a value for each row, and gives it a name.
    #[must_use]
    pub fn apply(mut self, expression: impl Into<String>, name: impl Into<String>) -> Self {
        self.0 = self
            .0
            .with("APPLY")
            .with(expression.into())
            .with("AS")
            .with(name.into());
        self
    }

    /// Makes one row of all rows that have the same values of these properties; without properties, one row of
    /// all rows.
    #[must_use]
    pub fn group_by<P: Into<String>>(
        mut self,
        properties: impl IntoIterator<Item = P>,
        reducers: impl IntoIterator<Item = Reducer>,
    ) -> Self {
        self.0.push("GROUPBY");
        self.0
            .append_counted(properties.into_iter().map(Into::into).collect());
        for reducer in reducers {
            self.0.append(reducer.into_words());
        }
        self
    }

    /// Sorts the rows.
    #[must_use]
    pub fn sort_by(mut self, order: impl Into<SortBy>) -> Self {
        self.0.append(order.into().into_words());
        self
    }

    /// Keeps the rows for which an expression holds.
    #[must_use]
    pub fn filter(mut self, expression: impl Into<String>) -> Self {
        self.0 = self.0.with("FILTER").with(expression.into());
        self
    }

    /// Skips `offset` rows and keeps at most `count`.
    #[must_use]
    pub fn limit(mut self, offset: u64, count: u64) -> Self {
        self.0 = self.0.with("LIMIT").with(offset).with(count);
        self
    }

    fn step<const N: usize>(mut self, words: [&'static str; N]) -> Self {
        self.0.append(words.into_iter().collect());
        self
    }
}

impl ToArgs for AggregateSteps {
    fn write_args(&self, out: &mut Args) {
        self.0.write_args(out);
    }
}

/// How the rows of a group are reduced to one value.
#[derive(Debug, Clone, PartialEq)]
pub struct Reducer {
    function: Word,
    args: Words,
    alias: Option<String>,
}

macro_rules! reducers_of_one_property {
    ($($name:ident $function:literal: $doc:literal;)*) => {$(
        #[doc = $doc]
        pub fn $name(property: impl Into<String>) -> Self {
            Self::of($function, Words::default().with(property.into()))
        }
    )*};
}

impl Reducer {
    /// A function by its name, with its arguments.
    pub fn new<A: Into<String>>(
        function: impl Into<String>,
        args: impl IntoIterator<Item = A>,
    ) -> Self {
        Self {
            function: Word::Text(function.into()),
            args: args.into_iter().map(Into::into).collect(),
            alias: None,
        }
    }

    /// The number of rows.
    #[must_use]
    pub fn count() -> Self {
        Self::of("COUNT", Words::default())
    }

    reducers_of_one_property! {
        count_distinct "COUNT_DISTINCT": "The number of different values.";
        count_distinctish "COUNT_DISTINCTISH": "An estimate of the number of different values: faster, with less memory.";
        sum "SUM": "The sum.";
        min "MIN": "The lowest value.";
        max "MAX": "The highest value.";
        avg "AVG": "The average.";
        stddev "STDDEV": "The standard deviation.";
        to_list "TOLIST": "A list of the different values.";
        first_value "FIRST_VALUE": "The value of the first row.";
    }

    /// The value of the row that comes first in this order.
    pub fn first_value_by(property: impl Into<String>, order: SortKey) -> Self {
        let mut args = Words::default().with(property.into()).with("BY");
        args.append(order.into_words());
        Self::of("FIRST_VALUE", args)
    }

    /// The value below which this share of the rows lies; the share is from 0 to 1.
    pub fn quantile(property: impl Into<String>, share: f64) -> Self {
        Self::of(
            "QUANTILE",
            Words::default().with(property.into()).with(share),
        )
    }

    /// The values of `rows` rows, chosen at random.
    pub fn random_sample(property: impl Into<String>, rows: u64) -> Self {
        Self::of(
            "RANDOM_SAMPLE",
            Words::default().with(property.into()).with(rows),
        )
    }

    /// The rows themselves, each as a map of these properties; since 8.10.
    ///
    /// [`Reducer::new`] takes further words, such as `SORTBY` and `LIMIT` after the properties.
    pub fn collect(properties: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let properties: Words = properties.into_iter().map(Into::<String>::into).collect();
        let mut args = Words::default().with("FIELDS");
        args.append_counted(properties);
        Self::of("COLLECT", args)
    }

    /// Names the result.
    #[must_use]
    pub fn alias(mut self, name: impl Into<String>) -> Self {
        self.alias = Some(name.into());
        self
    }

    fn of(function: &'static str, args: Words) -> Self {
        Self {
            function: Word::Literal(function),
            args,
            alias: None,
        }
    }

    fn into_words(self) -> Words {
        let mut words = Words::default().with("REDUCE").with(self.function);
        words.append_counted(self.args);
        if let Some(alias) = self.alias {
            words.push("AS");
            words.push(alias);
        }
        words
    }
}

/// A property to sort by, and in which direction.
#[derive(Debug, Clone, PartialEq)]
pub struct SortKey {
    property: String,
    direction: &'static str,
}

impl SortKey {
    /// Lowest first.
    pub fn asc(property: impl Into<String>) -> Self {
        Self {
            property: property.into(),
            direction: "ASC",
        }
    }

    /// Highest first.
    pub fn desc(property: impl Into<String>) -> Self {
        Self {
            property: property.into(),
            direction: "DESC",
        }
    }

    fn into_words(self) -> Words {
        Words::default().with(self.property).with(self.direction)
    }
}

/// How rows are sorted: a [`SortKey`], or several, where a later one decides between rows that are equal by the
/// earlier ones.
#[derive(Debug, Clone, PartialEq)]
pub struct SortBy {
    keys: Words,
    options: Words,
}

impl SortBy {
    /// Sorts by these properties.
    pub fn new(keys: impl IntoIterator<Item = SortKey>) -> Self {
        let mut words = Words::default();
        for key in keys {
            words.append(key.into_words());
        }
        Self {
            keys: words,
            options: Words::default(),
        }
    }

    /// Sorts only until the first `rows` rows are right, which is faster.
    #[must_use]
    pub fn max(mut self, rows: u64) -> Self {
        self.options = self.options.with("MAX").with(rows);
        self
    }

    fn into_words(self) -> Words {
        let mut words = Words::default().with("SORTBY");
        words.append_counted(self.keys);
        words.append(self.options);
        words
    }
}

impl From<SortKey> for SortBy {
    fn from(key: SortKey) -> Self {
        Self::new([key])
    }
}

impl<const N: usize> From<[SortKey; N]> for SortBy {
    fn from(keys: [SortKey; N]) -> Self {
        Self::new(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::super::search::ReturnField;
    use super::*;
    use crate::args::wire::words;

    #[test]
    fn steps_keep_their_order_and_may_come_again() {
        let steps = AggregateSteps::new()
            .filter("@price > 1")
            .apply("@price * 2", "double")
            .limit(0, 5)
            .filter("@double < 9")
            .load_all();
        let expected =
            "FILTER @price > 1 APPLY @price * 2 AS double LIMIT 0 5 FILTER @double < 9 LOAD *";
        assert_eq!(words(&steps).join(" "), expected);
    }

    #[test]
    fn counts_are_those_of_words() {
        let steps =
            AggregateSteps::new().load([ReturnField::new("@title").alias("t"), "@price".into()]);
        assert_eq!(words(&steps).join(" "), "LOAD 4 @title AS t @price");
        let steps = AggregateSteps::new()
            .sort_by(SortBy::new([SortKey::desc("@a"), SortKey::asc("@b")]).max(3));
        assert_eq!(words(&steps).join(" "), "SORTBY 4 @a DESC @b ASC MAX 3");
        let steps = AggregateSteps::new().sort_by(SortKey::asc("@a"));
        assert_eq!(words(&steps).join(" "), "SORTBY 2 @a ASC");
    }

    #[test]
    fn groups_are_reduced() {
        let reducers = [
            Reducer::count().alias("n"),
            Reducer::first_value_by("@name", SortKey::desc("@price")),
            Reducer::quantile("@price", 0.5).alias("median"),
            Reducer::collect(["@name", "@price"]).alias("rows"),
            Reducer::new("RANDOM_SAMPLE", ["@name", "2"]),
        ];
        let steps = AggregateSteps::new().group_by(["@a", "@b"], reducers);
        let expected = "GROUPBY 2 @a @b REDUCE COUNT 0 AS n REDUCE FIRST_VALUE 4 @name BY @price DESC \
                        REDUCE QUANTILE 2 @price 0.5 AS median REDUCE COLLECT 4 FIELDS 2 @name @price AS rows REDUCE RANDOM_SAMPLE 2 @name 2";
        assert_eq!(words(&steps).join(" "), expected);
        let all = AggregateSteps::new().group_by([""; 0], [Reducer::count()]);
        assert_eq!(words(&all).join(" "), "GROUPBY 0 REDUCE COUNT 0");
    }
}
