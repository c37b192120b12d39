//! Types of arguments for which the servers have a special notation.
//!
//! Ends of ranges: [`ScoreBound`], [`LexBound`], [`RangeBound`] (either of these or a rank).
//!
//! Bits: [`Bit`], [`BitfieldOp`] and its parts.
//!
//! Positions and times: [`StreamId`], [`Timestamp`], [`GeoUnit`], [`JsonPath`].
//!
//! Groups of options: [`Trim`], [`IdempotenceMemory`], [`ClientFilter`]; for searches [`ReturnFields`], [`Summarize`],
//! [`Highlight`], [`Schema`], [`AggregateSteps`], [`SpellcheckTerms`]; for time series [`Aggregators`].
//!
//! Vectors: [`Vector`], [`VectorQuery`], [`VectorIndex`], [`VectorMethod`], [`Fusion`].
//!
//! The server and its parts: [`AclRule`], [`SlotMove`], [`HotkeyMetrics`], [`ArrayCondition`].

// Layout: one file for each type, named after it; `search`, `schema`, `aggregate`, `spellcheck` and `hybrid` hold the
// types of one command each, `words` the list of words that such a type writes.

mod acl_rules;
mod aggregate;
mod aggregators;
mod array_condition;
mod bit;
mod bitfield;
mod client_filter;
mod geo_unit;
mod hotkey_metrics;
mod hybrid;
mod idempotence_memory;
mod json_path;
mod lex_bound;
mod range_bound;
mod schema;
mod score_bound;
mod search;
mod slot_moves;
mod spellcheck;
mod stream_id;
mod timestamp;
mod trim;
mod vector;
mod vector_index;
mod words;

pub use acl_rules::{AclRule, AclRules};
pub use aggregate::{AggregateSteps, Reducer, SortBy, SortKey};
pub use aggregators::Aggregators;
pub use array_condition::{ArrayCondition, ArrayConditions};
pub use bit::Bit;
pub use bitfield::{BitOffset, BitfieldEncoding, BitfieldOp, BitfieldOps, Overflow};
pub use client_filter::{ClientFilter, ClientFilters, ClientKind};
pub use geo_unit::GeoUnit;
pub use hotkey_metrics::HotkeyMetrics;
pub use hybrid::{Fusion, VectorMethod};
pub use idempotence_memory::{IdempotenceMemory, IdempotenceSeconds};
pub use json_path::JsonPath;
pub use lex_bound::LexBound;
pub use range_bound::RangeBound;
pub use schema::{
    Coordinates, Field, GeoField, GeoShapeField, NumericField, Schema, SortableField, TagField,
    TextField, TextualField, UnsearchedField, VectorField,
};
pub use score_bound::ScoreBound;
pub use search::{Highlight, ReturnField, ReturnFields, Summarize};
pub use slot_moves::{SlotMove, SlotMoves};
pub use spellcheck::SpellcheckTerms;
pub use stream_id::StreamId;
pub use timestamp::Timestamp;
pub use trim::{ApproximateTrim, Trim};
pub use vector::{Vector, VectorQuery};
pub use vector_index::{Distance, VectorCompression, VectorIndex, VectorType};

/// Helpers for the tests of the argument types.
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
