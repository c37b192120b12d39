//! Types of arguments that the servers write in a notation of their own.
//!
//! # Layout
//!
//! - `score_bound.rs`: [`ScoreBound`], an end of a range of scores
//! - `lex_bound.rs`: [`LexBound`], an end of a range of members
//! - `range_bound.rs`: [`RangeBound`], either of these or a rank, for ZRANGE

mod lex_bound;
mod range_bound;
mod score_bound;

pub use lex_bound::LexBound;
pub use range_bound::RangeBound;
pub use score_bound::ScoreBound;

/// What the argument types' tests share.
#[cfg(test)]
pub(crate) mod wire {
    use typedis_core::{Args, CommandInfo, Keys, ToArgs};

    static TEST: CommandInfo = CommandInfo::new("TEST", b"$4\r\nTEST\r\n", 1);

    /// The words that a value is sent as, or why it cannot be sent.
    pub(crate) fn words(value: &impl ToArgs) -> Vec<String> {
        let mut args = Args::new(&TEST, Keys::Ignored);
        args.args("value", value);
        args.to_words()
            .into_iter()
            .skip(1)
            .map(|word| String::from_utf8_lossy(&word).into_owned())
            .collect()
    }
}
