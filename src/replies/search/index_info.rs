//! The reply of FT.INFO: [`IndexInfo`].

use std::collections::HashMap;

use typedis_core::{DecodeError, Name, Reply, Value};

use crate::FromRedis;
use crate::replies::fields::{each_field, fill, required};

/// The schema and the settings of an index, and numbers about it.
///
/// Numbers that not every version of the server sends are optional. Sizes are in MiB.
#[derive(Debug, Clone, PartialEq, FromRedis)]
#[non_exhaustive]
pub struct IndexInfo {
    /// Its name.
    pub index_name: Name,
    /// The options of FT.CREATE that it was made with, such as `NOOFFSETS`.
    pub index_options: Vec<String>,
    /// Which documents it indexes.
    pub index_definition: IndexDefinition,
    /// Its fields.
    pub attributes: Vec<IndexedField>,
    /// The words that are left out, if they are not the usual ones.
    pub stopwords_list: Option<Vec<Name>>,
    /// How many documents it has.
    pub num_docs: u64,
    /// The highest number that a document got.
    pub max_doc_id: u64,
    /// How many different words it has.
    pub num_terms: u64,
    /// How many records its inverted indexes have.
    pub num_records: u64,
    /// The size of the inverted indexes.
    pub inverted_sz_mb: f64,
    /// The size of the vector indexes.
    pub vector_index_sz_mb: Option<f64>,
    /// How many blocks the inverted indexes have.
    pub total_inverted_index_blocks: Option<u64>,
    /// The size of the positions of words.
    pub offset_vectors_sz_mb: Option<f64>,
    /// The size of the table of documents.
    pub doc_table_size_mb: Option<f64>,
    /// The size of the sortable values.
    pub sortable_values_size_mb: Option<f64>,
    /// The size of the table of keys.
    pub key_table_size_mb: Option<f64>,
    /// The size of other data for tag fields, beside the inverted indexes.
    pub tag_overhead_sz_mb: Option<f64>,
    /// The size of other data for text fields, beside the inverted indexes.
    pub text_overhead_sz_mb: Option<f64>,
    /// The size of all of it.
    pub total_index_memory_sz_mb: Option<f64>,
    /// The size of the shapes.
    pub geoshapes_sz_mb: Option<f64>,
    /// How many records a document has on average.
    pub records_per_doc_avg: Option<f64>,
    /// How many bytes a record has on average.
    pub bytes_per_record_avg: Option<f64>,
    /// How many positions a word has on average.
    pub offsets_per_term_avg: Option<f64>,
    /// How many bits the positions of a record take on average.
    pub offset_bits_per_record_avg: Option<f64>,
    /// How many documents could not be indexed.
    pub hash_indexing_failures: Option<u64>,
    /// How many milliseconds indexing took.
    pub total_indexing_time: Option<f64>,
    /// Whether documents are being indexed.
    #[redis(with = "switch")]
    pub indexing: bool,
    /// The share of the documents that are indexed, from 0 to 1.
    pub percent_indexed: f64,
    /// How many times the index was used.
    pub number_of_uses: Option<u64>,
    /// The state of cleaning up after deleted documents; 0 if there is nothing to clean up.
    pub cleaning: Option<u64>,
    /// The results of cleaning up.
    pub gc_stats: Option<GarbageCollection>,
    /// The cursors.
    pub cursor_stats: Option<CursorStats>,
    /// Whether each version of the query language was used, 1 or 0, under names such as `dialect_2`.
    #[redis(default)]
    pub dialect_stats: HashMap<String, u64>,
    /// Errors in indexing documents.
    #[redis(rename = "Index Errors")]
    pub errors: Option<IndexErrors>,
    /// Errors for each field.
    #[redis(rename = "field statistics", default)]
    pub field_statistics: Vec<FieldStatistics>,
}

/// A number that is 0 or 1: modules before Search 2.8 write it as one with a fraction, in RESP2 as text.
mod switch {
    use typedis_core::{DecodeError, FromRedis, Reply};

    pub(super) fn from_redis(reply: Reply<'_>) -> Result<bool, DecodeError> {
        f64::from_redis(reply).map(|number| number != 0.0)
    }
}

/// Which documents an index has.
#[derive(Debug, Clone, PartialEq, FromRedis)]
#[non_exhaustive]
pub struct IndexDefinition {
    /// `HASH` or `JSON`.
    pub key_type: String,
    /// What the keys begin with.
    pub prefixes: Vec<Name>,
    /// The expression that documents satisfy.
    pub filter: Option<Name>,
    /// The language of documents that name none.
    pub default_language: Option<String>,
    /// The field that names the language of a document.
    pub language_field: Option<Name>,
    /// The score of documents that name none.
    pub default_score: Option<f64>,
    /// The field that holds the score of a document.
    pub score_field: Option<Name>,
    /// The field that holds the payload of a document.
    pub payload_field: Option<Name>,
}

/// A field of an index.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct IndexedField {
    /// The field or the path in the documents.
    pub identifier: Name,
    /// The name in queries.
    pub attribute: Name,
    /// Its type: `TEXT`, `VECTOR`.
    pub kind: String,
    /// Settings with a value, such as `WEIGHT`, `SEPARATOR` or `dim`.
    pub settings: HashMap<String, Value>,
    /// Settings without one, such as `SORTABLE`.
    pub flags: Vec<String>,
}

/// The settings without a value, which RESP2 puts after those that have one.
const FLAGS: [&str; 9] = [
    "SORTABLE",
    "UNF",
    "NOSTEM",
    "NOINDEX",
    "CASESENSITIVE",
    "WITHSUFFIXTRIE",
    "INDEXEMPTY",
    "INDEXMISSING",
    "UNDEFINED",
];

#[derive(Default)]
struct FieldParts {
    identifier: Option<Name>,
    attribute: Option<Name>,
    kind: Option<String>,
    settings: HashMap<String, Value>,
    flags: Vec<String>,
}

impl FieldParts {
    fn take(&mut self, name: &str, value: Reply<'_>) -> Result<(), DecodeError> {
        match name {
            "identifier" => fill(&mut self.identifier, value),
            "attribute" => fill(&mut self.attribute, value),
            "type" => fill(&mut self.kind, value),
            "flags" => {
                self.flags = Vec::from_redis(value)?;
                Ok(())
            }
            _ => {
                self.settings.insert(name.to_owned(), Value::from(value));
                Ok(())
            }
        }
    }

    /// Reads RESP2's flat array. Its length is odd if flags follow the pairs.
    fn take_flat<'a>(
        &mut self,
        mut elements: impl Iterator<Item = Reply<'a>>,
    ) -> Result<(), DecodeError> {
        while let Some(name) = elements.next() {
            let name = String::from_redis(name)?;
            if FLAGS.contains(&name.as_str()) {
                self.flags.push(name);
                continue;
            }
            match elements.next() {
                Some(value) => self
                    .take(&name, value)
                    .map_err(|error| error.at_field(name))?,
                None => self.flags.push(name),
            }
        }
        Ok(())
    }
}

impl FromRedis for IndexedField {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let mut parts = FieldParts::default();
        match &reply {
            Reply::Array(elements) => parts.take_flat(elements.clone())?,
            reply => each_field(reply, |name, value| parts.take(name, value))?,
        }
        Ok(Self {
            identifier: required(parts.identifier, "identifier")?,
            attribute: required(parts.attribute, "attribute")?,
            kind: required(parts.kind, "type")?,
            settings: parts.settings,
            flags: parts.flags,
        })
    }
}

/// The results of cleaning up after deleted documents; a number is `NaN` before the first run.
#[derive(Debug, Clone, PartialEq, FromRedis)]
#[non_exhaustive]
pub struct GarbageCollection {
    /// How many bytes were freed.
    pub bytes_collected: f64,
    /// How many milliseconds it ran.
    pub total_ms_run: f64,
    /// How many times it ran.
    pub total_cycles: f64,
    /// How many milliseconds it ran each time on average.
    pub average_cycle_time_ms: f64,
    /// How many milliseconds it ran the last time.
    pub last_run_time_ms: f64,
}

/// The cursors of an index, and of all indexes.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[non_exhaustive]
pub struct CursorStats {
    /// How many cursors of all indexes are not being read.
    pub global_idle: u64,
    /// How many cursors all indexes have.
    pub global_total: u64,
    /// How many cursors the index can have.
    pub index_capacity: u64,
    /// How many cursors the index has.
    pub index_total: u64,
}

/// Errors in indexing documents.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[non_exhaustive]
pub struct IndexErrors {
    /// How many times indexing failed.
    #[redis(rename = "indexing failures")]
    pub failures: u64,
    /// The last error; `N/A` if there was none.
    #[redis(rename = "last indexing error")]
    pub last_error: Name,
    /// The document that the last error is about; `N/A` if there was none.
    #[redis(rename = "last indexing error key")]
    pub last_error_key: Name,
}

/// Errors for one field.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[non_exhaustive]
pub struct FieldStatistics {
    /// The field or the path in the documents.
    pub identifier: Name,
    /// The name in queries.
    pub attribute: Name,
    /// What went wrong.
    #[redis(rename = "Index Errors")]
    pub errors: IndexErrors,
}

#[cfg(test)]
mod tests;
