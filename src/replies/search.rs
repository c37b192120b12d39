//! Replies of the commands on search indexes.
//!
//! RESP3 names everything. RESP2 sends one flat array: for each document its id, then extra values that were asked
//! for, then its fields. Only the options of the command say how many elements that is, so the types carry them.
//!
//! # Layout
//!
//! This file has the replies of FT.SEARCH and FT.AGGREGATE; `hybrid.rs`: FT.HYBRID; `index_info.rs`: FT.INFO;
//! `misspelling.rs`: FT.SPELLCHECK; `profiled.rs`: FT.PROFILE.

use typedis_core::{DecodeError, FromRedis, Name, Reply, Value};

use super::fields::{each_field, fill, next, present, required};

mod hybrid;
mod index_info;
mod misspelling;
mod profiled;

pub use hybrid::HybridResults;
pub use index_info::{
    CursorStats, FieldStatistics, GarbageCollection, IndexDefinition, IndexErrors, IndexInfo,
    IndexedField,
};
pub use misspelling::{Misspelling, Misspellings};
pub use profiled::Profiled;

/// The reply of FT.SEARCH.
///
/// The fields of a document are decoded into `T`: a map, or a struct with `#[derive(FromRedis)]`. The other
/// parameters follow from the options of the command: a part that was not asked for is [`Absent`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SearchResults<T, S = Absent, P = Absent, K = Absent> {
    /// How many documents match; the reply may hold fewer.
    pub total: u64,
    /// The documents.
    pub documents: Vec<Document<T, S, P, K>>,
    /// What went wrong on the way, such as a timeout; empty in RESP2, which does not tell.
    pub warnings: Vec<Name>,
}

/// A document that was found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Document<T, S = Absent, P = Absent, K = Absent> {
    /// Its key.
    pub id: Name,
    /// Its fields; [`Absent`] with `no_content`.
    pub fields: T,
    /// How well it matches: a [`Score`] with `with_scores`.
    pub score: S,
    /// Its payload, with `with_payloads`.
    pub payload: P,
    /// What it was sorted by, with `with_sort_keys`: `$` and a text, or `#` and a number.
    pub sort_key: K,
}

/// A part that was not asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Absent;

/// How well a document matches.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Score {
    /// The score.
    pub value: f64,
    /// How it was computed, with `explain_score`.
    pub explanation: Option<Value>,
}

impl FromRedis for Score {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let Reply::Array(mut elements) = reply else {
            return Ok(Self {
                value: f64::from_redis(reply)?,
                explanation: None,
            });
        };
        Ok(Self {
            value: next(&mut elements, "value")?,
            explanation: Some(next(&mut elements, "explanation")?),
        })
    }
}

/// A type for a part of a [`Document`], or [`Absent`].
pub trait DocumentPart: Sized {
    /// Whether RESP2 sends an element for it.
    const SENT: bool;

    /// Decodes it; nil stands for a part that RESP3 leaves out.
    ///
    /// # Errors
    /// The reply does not fit the type.
    fn decode(reply: Reply<'_>) -> Result<Self, DecodeError>;
}

impl<T: FromRedis> DocumentPart for T {
    const SENT: bool = true;

    fn decode(reply: Reply<'_>) -> Result<Self, DecodeError> {
        Self::from_redis(reply)
    }
}

impl DocumentPart for Absent {
    const SENT: bool = false;

    fn decode(_: Reply<'_>) -> Result<Self, DecodeError> {
        Ok(Self)
    }
}

/// The replies that make up a document; nil for what was not sent.
struct Parts<'a> {
    id: Reply<'a>,
    score: Reply<'a>,
    payload: Reply<'a>,
    sort_key: Reply<'a>,
    fields: Reply<'a>,
}

impl<'a> Parts<'a> {
    /// Reads a document in RESP3, which is a map.
    fn named(reply: &Reply<'a>) -> Result<Self, DecodeError> {
        let nil = || Reply::Nil;
        let mut parts = Self {
            id: nil(),
            score: nil(),
            payload: nil(),
            sort_key: nil(),
            fields: nil(),
        };
        each_field(reply, |name, value| {
            match name {
                "id" => parts.id = value,
                "score" => parts.score = value,
                "payload" => parts.payload = value,
                "sortkey" => parts.sort_key = value,
                "extra_attributes" => parts.fields = value,
                _ => {}
            }
            Ok(())
        })?;
        Ok(parts)
    }

    /// `None` for a document that expired or was deleted meanwhile, if its fields are needed.
    fn decode<T: DocumentPart, S: DocumentPart, P: DocumentPart, K: DocumentPart>(
        self,
    ) -> Result<Option<Document<T, S, P, K>>, DecodeError> {
        if T::SENT && self.fields.is_nil() && T::decode(Reply::Nil).is_err() {
            return Ok(None);
        }
        Ok(Some(Document {
            id: Name::from_redis(self.id).map_err(|error| error.at_field("id"))?,
            score: S::decode(self.score).map_err(|error| error.at_field("score"))?,
            payload: P::decode(self.payload).map_err(|error| error.at_field("payload"))?,
            sort_key: K::decode(self.sort_key).map_err(|error| error.at_field("sort_key"))?,
            fields: T::decode(self.fields).map_err(|error| error.at_field("fields"))?,
        }))
    }
}

impl<T: DocumentPart, S: DocumentPart, P: DocumentPart, K: DocumentPart> FromRedis
    for SearchResults<T, S, P, K>
{
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        match reply {
            Reply::Array(mut elements) => {
                let total = next(&mut elements, "total")?;
                Ok(Self {
                    total,
                    documents: flat_documents(elements)?,
                    warnings: Vec::new(),
                })
            }
            reply => {
                let Named {
                    total,
                    results,
                    warnings,
                } = Named::read(&reply)?;
                let documents = each(results, |result| Parts::named(&result)?.decode())?;
                let documents = documents.into_iter().flatten().collect();
                Ok(Self {
                    total,
                    documents,
                    warnings,
                })
            }
        }
    }
}

/// The documents of RESP2's flat array.
fn flat_documents<'a, T: DocumentPart, S: DocumentPart, P: DocumentPart, K: DocumentPart>(
    mut elements: impl Iterator<Item = Reply<'a>>,
) -> Result<Vec<Document<T, S, P, K>>, DecodeError> {
    let mut documents = Vec::new();
    let mut index = 0;
    while let Some(id) = elements.next() {
        let mut part = |sent: bool| match sent {
            true => elements
                .next()
                .ok_or_else(|| DecodeError::new("the array ended early").at_index(index)),
            false => Ok(Reply::Nil),
        };
        let parts = Parts {
            id,
            score: part(S::SENT)?,
            payload: part(P::SENT)?,
            sort_key: part(K::SENT)?,
            fields: part(T::SENT)?,
        };
        documents.extend(parts.decode().map_err(|error| error.at_index(index))?);
        index += 1;
    }
    Ok(documents)
}

/// The reply of FT.AGGREGATE.
///
/// A row is decoded into `T`: a map, or a struct with `#[derive(FromRedis)]`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AggregateResults<T> {
    /// A number of rows. The server does not promise that it counts all of them.
    pub total: u64,
    /// The rows.
    pub rows: Vec<T>,
    /// What went wrong on the way, such as a timeout; empty in RESP2, which does not tell.
    pub warnings: Vec<Name>,
}

impl<T: FromRedis> FromRedis for AggregateResults<T> {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        match reply {
            Reply::Array(mut elements) => {
                let total = next(&mut elements, "total")?;
                Ok(Self {
                    total,
                    rows: present(elements)?,
                    warnings: Vec::new(),
                })
            }
            reply => {
                let Named {
                    total,
                    results,
                    warnings,
                } = Named::read(&reply)?;
                let rows = each(results, |result| Ok(Parts::named(&result)?.fields))?;
                let rows = present(rows)?;
                Ok(Self {
                    total,
                    rows,
                    warnings,
                })
            }
        }
    }
}

/// The replies of RESP3, which are maps.
struct Named<'a> {
    total: u64,
    results: Vec<Reply<'a>>,
    warnings: Vec<Name>,
}

impl<'a> Named<'a> {
    fn read(reply: &Reply<'a>) -> Result<Self, DecodeError> {
        let (mut total, mut results, mut warnings) = (None, None, None);
        each_field(reply, |name, value| match name {
            "total_results" => fill(&mut total, value),
            "warning" => fill(&mut warnings, value),
            "results" => {
                let elements = value
                    .elements()
                    .ok_or_else(|| DecodeError::expected("an array", &value))?;
                results = Some(elements.collect());
                Ok(())
            }
            _ => Ok(()),
        })?;
        Ok(Self {
            total: required(total, "total_results")?,
            results: required(results, "results")?,
            warnings: warnings.unwrap_or_default(),
        })
    }
}

/// Decodes every reply, and adds the place of one that does not fit.
fn each<'a, T>(
    replies: impl IntoIterator<Item = Reply<'a>>,
    mut decode: impl FnMut(Reply<'a>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let replies = replies.into_iter().enumerate();
    replies
        .map(|(index, reply)| decode(reply).map_err(|error| error.at_index(index)))
        .collect()
}

#[cfg(test)]
mod tests;
