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
    /// 1 byte each, from -128 to 127; since Redis 8.0.
    Int8,
    /// 1 byte each, from 0 to 255; since Redis 8.0.
    UInt8,
}

/// How `svs_vamana` makes its vectors smaller. The numbers are bits for each dimension; a second one is for what the first leaves over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VectorCompression {
    /// 4 bits.
    Lvq4,
    /// 8 bits.
    Lvq8,
    /// 4 bits, and 4 for the rest.
    Lvq4x4,
    /// 4 bits, and 8 for the rest.
    Lvq4x8,
    /// Fewer dimensions of 4 bits, and 8 for all of them.
    LeanVec4x8,
    /// Fewer dimensions of 8 bits, and 8 for all of them.
    LeanVec8x8,
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

    /// Follows a graph of neighbours whose vectors can be compressed, for `Float32` and `Float16`; since Redis 8.2.
    #[must_use]
    pub fn svs_vamana(of: VectorType, dimensions: u32, distance: Distance) -> Self {
        Self::new("SVS-VAMANA", of, dimensions, distance)
    }

    /// Makes room for this many vectors; of `flat` and `hnsw`.
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

    /// How far beyond its range a range search of `hnsw` or `svs_vamana` looks, as a share of the range; 0.01 by default.
    #[must_use]
    pub fn epsilon(self, factor: f64) -> Self {
        self.setting("EPSILON", factor)
    }

    /// How many vectors a block of `flat` holds, 1024 by default.
    #[must_use]
    pub fn block_size(self, vectors: u64) -> Self {
        self.setting("BLOCK_SIZE", vectors)
    }

    /// How `svs_vamana` compresses its vectors; not at all by default.
    #[must_use]
    pub fn compression(self, compression: VectorCompression) -> Self {
        self.setting("COMPRESSION", compression.word())
    }

    /// From how many vectors on `svs_vamana` compresses, at least 1024; 10,240 by default.
    #[must_use]
    pub fn training_threshold(self, vectors: u64) -> Self {
        self.setting("TRAINING_THRESHOLD", vectors)
    }

    /// How many dimensions `LeanVec4x8` and `LeanVec8x8` search in first; half of them by default.
    #[must_use]
    pub fn reduce(self, dimensions: u32) -> Self {
        self.setting("REDUCE", u64::from(dimensions))
    }

    /// How many neighbours each vector has in the graph of `svs_vamana`, 32 by default.
    #[must_use]
    pub fn graph_max_degree(self, edges: u64) -> Self {
        self.setting("GRAPH_MAX_DEGREE", edges)
    }

    /// How many candidates `svs_vamana` considers when it adds a vector, 200 by default.
    #[must_use]
    pub fn construction_window_size(self, candidates: u64) -> Self {
        self.setting("CONSTRUCTION_WINDOW_SIZE", candidates)
    }

    /// How many candidates `svs_vamana` considers when it searches, 10 by default.
    #[must_use]
    pub fn search_window_size(self, candidates: u64) -> Self {
        self.setting("SEARCH_WINDOW_SIZE", candidates)
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
            Self::Int8 => "INT8",
            Self::UInt8 => "UINT8",
        }
    }
}

impl VectorCompression {
    fn word(self) -> &'static str {
        match self {
            Self::Lvq4 => "LVQ4",
            Self::Lvq8 => "LVQ8",
            Self::Lvq4x4 => "LVQ4x4",
            Self::Lvq4x8 => "LVQ4x8",
            Self::LeanVec4x8 => "LeanVec4x8",
            Self::LeanVec8x8 => "LeanVec8x8",
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

    #[test]
    fn vectors_can_be_compressed() {
        let index = VectorIndex::svs_vamana(VectorType::Float16, 8, Distance::Cosine)
            .compression(VectorCompression::LeanVec4x8)
            .training_threshold(2_048)
            .reduce(4)
            .graph_max_degree(40)
            .construction_window_size(250)
            .search_window_size(20)
            .epsilon(0.5);
        let expected = "SVS-VAMANA 20 TYPE FLOAT16 DIM 8 DISTANCE_METRIC COSINE COMPRESSION LeanVec4x8 \
                        TRAINING_THRESHOLD 2048 REDUCE 4 GRAPH_MAX_DEGREE 40 CONSTRUCTION_WINDOW_SIZE 250 SEARCH_WINDOW_SIZE 20 EPSILON 0.5";
        assert_eq!(words(&index.into_words()).join(" "), expected);
        let bytes = VectorIndex::flat(VectorType::Int8, 2, Distance::L2);
        assert_eq!(
            words(&bytes.into_words()).join(" "),
            "FLAT 6 TYPE INT8 DIM 2 DISTANCE_METRIC L2"
        );
    }
}
