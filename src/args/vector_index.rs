//! How FT.CREATE indexes a field of vectors: [`VectorIndex`].

use super::words::{Word, Words};

/// An algorithm for finding near vectors, with its settings.
///
/// ```
/// # use typedis::args::{Distance, VectorIndex, VectorType};
/// let index = VectorIndex::hnsw(VectorType::Float32, 768, Distance::Cosine).max_edges(32);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct VectorIndex {
    algorithm: &'static str,
    settings: Words,
}

/// How a vector stores its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VectorType {
    /// 4 bytes each.
    Float32,
    /// 8 bytes each.
    Float64,
    /// 2 bytes each, with 10 bits for the fraction.
    Float16,
    /// 2 bytes each, with the range of `Float32`.
    BFloat16,
}

/// How the distance between two vectors is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Distance {
    /// Euclidean distance.
    L2,
    /// Inner product.
    InnerProduct,
    /// The angle between them.
    Cosine,
}

impl VectorIndex {
    /// Compares with every vector: exact.
    #[must_use]
    pub fn flat(of: VectorType, dimensions: u32, distance: Distance) -> Self {
        Self::new("FLAT", of, dimensions, distance)
    }

    /// Follows a graph of neighbours: fast, and nearly exact.
    #[must_use]
    pub fn hnsw(of: VectorType, dimensions: u32, distance: Distance) -> Self {
        Self::new("HNSW", of, dimensions, distance)
    }

    /// Makes room for this many vectors.
    #[must_use]
    pub fn initial_capacity(self, vectors: u64) -> Self {
        self.setting("INITIAL_CAP", vectors)
    }

    /// How many neighbours each vector has in the graph of `hnsw`, 16 by default.
    #[must_use]
    pub fn max_edges(self, edges: u64) -> Self {
        self.setting("M", edges)
    }

    /// How many candidates `hnsw` considers when it adds a vector, 200 by default.
    #[must_use]
    pub fn ef_construction(self, candidates: u64) -> Self {
        self.setting("EF_CONSTRUCTION", candidates)
    }

    /// How many candidates `hnsw` considers when it searches, 10 by default.
    #[must_use]
    pub fn ef_runtime(self, candidates: u64) -> Self {
        self.setting("EF_RUNTIME", candidates)
    }

    /// How far beyond its range a range search of `hnsw` looks, as a share of the range; 0.01 by default.
    #[must_use]
    pub fn epsilon(self, factor: f64) -> Self {
        self.setting("EPSILON", factor)
    }

    /// How many vectors a block of `flat` holds, 1024 by default.
    #[must_use]
    pub fn block_size(self, vectors: u64) -> Self {
        self.setting("BLOCK_SIZE", vectors)
    }

    fn new(algorithm: &'static str, of: VectorType, dimensions: u32, distance: Distance) -> Self {
        let settings = Words::default();
        Self {
            algorithm,
            settings,
        }
        .setting("TYPE", of.word())
        .setting("DIM", u64::from(dimensions))
        .setting("DISTANCE_METRIC", distance.word())
    }

    fn setting(mut self, name: &'static str, value: impl Into<Word>) -> Self {
        self.settings.push(name);
        self.settings.push(value);
        self
    }

    pub(super) fn into_words(self) -> Words {
        let mut words = Words::default().with(self.algorithm);
        words.append_counted(self.settings);
        words
    }
}

impl VectorType {
    fn word(self) -> &'static str {
        match self {
            Self::Float32 => "FLOAT32",
            Self::Float64 => "FLOAT64",
            Self::Float16 => "FLOAT16",
            Self::BFloat16 => "BFLOAT16",
        }
    }
}

impl Distance {
    fn word(self) -> &'static str {
        match self {
            Self::L2 => "L2",
            Self::InnerProduct => "IP",
            Self::Cosine => "COSINE",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::wire::words;

    #[test]
    fn the_count_is_that_of_names_and_values() {
        let index = VectorIndex::hnsw(VectorType::Float64, 3, Distance::InnerProduct)
            .max_edges(8)
            .epsilon(0.5);
        let expected = "HNSW 10 TYPE FLOAT64 DIM 3 DISTANCE_METRIC IP M 8 EPSILON 0.5";
        assert_eq!(words(&index.into_words()).join(" "), expected);
    }
}
