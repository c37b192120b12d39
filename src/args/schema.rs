//! The fields that FT.CREATE indexes: [`Schema`] and [`Field`].

use std::marker::PhantomData;

use typedis_core::{ArgError, Args, Error, ErrorKind, Phase, ToArgs};

use super::vector_index::VectorIndex;
use super::words::Words;

/// Which fields of each document an index holds.
///
/// ```
/// # use typedis::args::{Field, Schema};
/// let schema = Schema::new()
///     .field(Field::text("title").weight(2.0).sortable())
///     .field(Field::tag("$.tags[*]").alias("tag").separator(';'))
///     .field(Field::numeric("price").sortable());
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Schema(Words);

impl Schema {
    /// A schema without fields; FT.CREATE needs at least one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field.
    #[must_use]
    pub fn field<K>(mut self, field: Field<K>) -> Self {
        self.0.append(field.into_words());
        self
    }
}

impl ToArgs for Schema {
    fn write_args(&self, out: &mut Args) {
        if self.0.len() == 0 {
            let reason = ArgError::new("a schema needs one field at least");
            out.refuse(Error::new(ErrorKind::Argument(reason), Phase::NotSent));
        }
        self.0.write_args(out);
    }
}

/// A field of an index; `K` is its type, which decides its options.
///
/// In an index over JSON documents, the name is a path such as `$.title`, and queries use the
/// [`alias`](Self::alias).
#[derive(Debug, Clone, PartialEq)]
pub struct Field<K> {
    name: String,
    alias: Option<String>,
    kind: Words,
    index_missing: bool,
    sortable: Option<Sorting>,
    no_index: bool,
    marker: PhantomData<fn() -> K>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sorting {
    Normalized,
    AsWritten,
}

/// Words to search for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextField {}

/// Exact labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagField {}

/// Numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumericField {}

/// Points, written `longitude,latitude`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GeoField {}

/// Polygons and points in the WKT notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GeoShapeField {}

/// Vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VectorField {}

/// How the coordinates of a [`GeoShapeField`] are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Coordinates {
    /// Longitude and latitude on the globe; this is the default.
    #[default]
    Spherical,
    /// X and Y on a plane.
    Flat,
}

/// A type of field that documents can be sorted by.
pub trait SortableField {}

impl SortableField for TextField {}
impl SortableField for TagField {}
impl SortableField for NumericField {}
impl SortableField for GeoField {}

/// A type of field that can hold empty text.
pub trait TextualField {}

impl TextualField for TextField {}
impl TextualField for TagField {}

/// A type of field that can be kept without being searched: all but vectors.
///
/// ```compile_fail
/// # use typedis::args::{Distance, Field, VectorIndex, VectorType};
/// let index = VectorIndex::flat(VectorType::Float32, 2, Distance::L2);
/// Field::vector("v", index).no_index();
/// ```
#[diagnostic::on_unimplemented(
    message = "the server has no word for a vector that is not searched",
    note = "leave it out of the index: a document may have more fields than its index"
)]
pub trait UnsearchedField {}

impl UnsearchedField for TextField {}
impl UnsearchedField for TagField {}
impl UnsearchedField for NumericField {}
impl UnsearchedField for GeoField {}
impl UnsearchedField for GeoShapeField {}

impl Field<TextField> {
    /// Words to search for.
    pub fn text(name: impl Into<String>) -> Self {
        Self::of_kind(name, Words::default().with("TEXT"))
    }

    /// Indexes words as they are, without stemming.
    #[must_use]
    pub fn no_stem(self) -> Self {
        self.with(Words::default().with("NOSTEM"))
    }

    /// Multiplies the score of matches in this field; 1 by default.
    #[must_use]
    pub fn weight(self, weight: f64) -> Self {
        self.with(Words::default().with("WEIGHT").with(weight))
    }

    /// Finds words that sound alike; `matcher` is `dm:en`, `dm:fr`, `dm:pt` or `dm:es`.
    #[must_use]
    pub fn phonetic(self, matcher: impl Into<String>) -> Self {
        self.with(Words::default().with("PHONETIC").with(matcher.into()))
    }
}

impl Field<TagField> {
    /// Exact labels, separated by commas if a field has several.
    pub fn tag(name: impl Into<String>) -> Self {
        Self::of_kind(name, Words::default().with("TAG"))
    }

    /// Separates labels by another character.
    #[must_use]
    pub fn separator(self, separator: char) -> Self {
        self.with(
            Words::default()
                .with("SEPARATOR")
                .with(separator.to_string()),
        )
    }

    /// Tells upper case from lower case.
    #[must_use]
    pub fn case_sensitive(self) -> Self {
        self.with(Words::default().with("CASESENSITIVE"))
    }
}

impl Field<NumericField> {
    /// Numbers.
    pub fn numeric(name: impl Into<String>) -> Self {
        Self::of_kind(name, Words::default().with("NUMERIC"))
    }
}

impl Field<GeoField> {
    /// Points, written `longitude,latitude`.
    pub fn geo(name: impl Into<String>) -> Self {
        Self::of_kind(name, Words::default().with("GEO"))
    }
}

impl Field<GeoShapeField> {
    /// Polygons and points in the WKT notation.
    pub fn geo_shape(name: impl Into<String>, coordinates: Coordinates) -> Self {
        let coordinates = match coordinates {
            Coordinates::Spherical => "SPHERICAL",
            Coordinates::Flat => "FLAT",
        };
        Self::of_kind(name, Words::default().with("GEOSHAPE").with(coordinates))
    }
}

impl Field<VectorField> {
    /// Vectors, searched by their distance.
    pub fn vector(name: impl Into<String>, index: VectorIndex) -> Self {
        let mut words = Words::default().with("VECTOR");
        words.append(index.into_words());
        Self::of_kind(name, words)
    }
}

impl<K: TextualField> Field<K> {
    /// Stores all endings of words, which speeds up searches for `*ing` and `*in*`.
    #[must_use]
    pub fn with_suffix_trie(self) -> Self {
        self.with(Words::default().with("WITHSUFFIXTRIE"))
    }

    /// Finds documents in which the field is empty.
    #[must_use]
    pub fn index_empty(self) -> Self {
        self.with(Words::default().with("INDEXEMPTY"))
    }
}

impl<K: SortableField> Field<K> {
    /// Lets documents be sorted by this field.
    #[must_use]
    pub fn sortable(mut self) -> Self {
        self.sortable = Some(Sorting::Normalized);
        self
    }

    /// Lets documents be sorted by this field as it is written, with upper case and accents.
    #[must_use]
    pub fn sortable_unnormalized(mut self) -> Self {
        self.sortable = Some(Sorting::AsWritten);
        self
    }
}

impl<K> Field<K> {
    /// Gives the field this name in queries.
    #[must_use]
    pub fn alias(mut self, alias: impl Into<String>) -> Self {
        self.alias = Some(alias.into());
        self
    }

    /// Finds documents that lack the field.
    #[must_use]
    pub fn index_missing(mut self) -> Self {
        self.index_missing = true;
        self
    }

    /// Keeps the field for sorting only: queries do not search it. Servers refuse it together with
    /// [`index_missing`](Self::index_missing).
    #[must_use]
    pub fn no_index(mut self) -> Self
    where
        K: UnsearchedField,
    {
        self.no_index = true;
        self
    }

    fn of_kind(name: impl Into<String>, kind: Words) -> Self {
        Self {
            name: name.into(),
            alias: None,
            kind,
            index_missing: false,
            sortable: None,
            no_index: false,
            marker: PhantomData,
        }
    }

    fn with(mut self, option: Words) -> Self {
        self.kind.append(option);
        self
    }

    /// The words in the only order that the server accepts.
    fn into_words(self) -> Words {
        let mut words = Words::default().with(self.name);
        if let Some(alias) = self.alias {
            words.push("AS");
            words.push(alias);
        }
        words.append(self.kind);
        if self.index_missing {
            words.push("INDEXMISSING");
        }
        if self.sortable.is_some() {
            words.push("SORTABLE");
        }
        if self.sortable == Some(Sorting::AsWritten) {
            words.push("UNF");
        }
        if self.no_index {
            words.push("NOINDEX");
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::vector_index::{Distance, VectorType};
    use crate::args::wire::words;

    fn schema<K>(field: Field<K>) -> String {
        words(&Schema::new().field(field)).join(" ")
    }

    #[test]
    fn options_go_where_the_server_wants_them() {
        let field = Field::text("$.title")
            .no_index()
            .sortable()
            .alias("title")
            .weight(2.5)
            .index_empty();
        assert_eq!(
            schema(field),
            "$.title AS title TEXT WEIGHT 2.5 INDEXEMPTY SORTABLE NOINDEX"
        );
        let field = Field::tag("t")
            .sortable_unnormalized()
            .separator(';')
            .case_sensitive()
            .index_missing();
        assert_eq!(
            schema(field),
            "t TAG SEPARATOR ; CASESENSITIVE INDEXMISSING SORTABLE UNF"
        );
        let field = Field::text("t")
            .no_stem()
            .phonetic("dm:en")
            .with_suffix_trie();
        assert_eq!(schema(field), "t TEXT NOSTEM PHONETIC dm:en WITHSUFFIXTRIE");
    }

    #[test]
    fn every_type_of_field_has_its_word() {
        let index = VectorIndex::flat(VectorType::Float32, 2, Distance::Cosine);
        let fields = Schema::new()
            .field(Field::numeric("n"))
            .field(Field::geo("g").sortable())
            .field(Field::geo_shape("s", Coordinates::Flat))
            .field(Field::vector("v", index));
        let expected = "n NUMERIC g GEO SORTABLE s GEOSHAPE FLAT \
                        v VECTOR FLAT 6 TYPE FLOAT32 DIM 2 DISTANCE_METRIC COSINE";
        assert_eq!(words(&fields).join(" "), expected);
    }
}
