//! How FT.HYBRID finds vectors, and how it joins the results of two searches: [`VectorMethod`], [`Fusion`].

use typedis_core::{Args, ToArgs};

use super::words::Words;

/// Which vectors are found.
///
/// ```
/// # use typedis::args::VectorMethod;
/// let nearest = VectorMethod::nearest(10);
/// let near = VectorMethod::within(0.5);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct VectorMethod {
    name: &'static str,
    settings: Words,
}

impl VectorMethod {
    /// This many of the nearest vectors.
    #[must_use]
    pub fn nearest(vectors: u64) -> Self {
        Self {
            name: "KNN",
            settings: Words::default().with("K").with(vectors),
        }
    }

    /// The nearest vectors, chosen from this many candidates that an HNSW index considers.
    #[must_use]
    pub fn nearest_of(vectors: u64, candidates: u64) -> Self {
        let mut method = Self::nearest(vectors);
        method.settings = method.settings.with("EF_RUNTIME").with(candidates);
        method
    }

    /// All vectors within this distance.
    #[must_use]
    pub fn within(radius: f64) -> Self {
        Self {
            name: "RANGE",
            settings: Words::default().with("RADIUS").with(radius),
        }
    }

    /// All vectors within about this distance: an HNSW index also looks beyond the radius, by this share of it.
    #[must_use]
    pub fn within_about(radius: f64, epsilon: f64) -> Self {
        let mut method = Self::within(radius);
        method.settings = method.settings.with("EPSILON").with(epsilon);
        method
    }
}

impl ToArgs for VectorMethod {
    fn write_args(&self, out: &mut Args) {
        write_counted(self.name, &self.settings, out);
    }
}

/// How the two scores of a document are joined into one.
///
/// ```
/// # use typedis::args::Fusion;
/// let by_rank = Fusion::ranks(60.0).window(50);
/// let by_score = Fusion::linear(0.3, 0.7);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Fusion {
    name: &'static str,
    settings: Words,
}

impl Fusion {
    /// By the ranks of the document in both searches (reciprocal rank fusion); this is the default. With a constant
    /// above the usual 60, high ranks count less.
    #[must_use]
    pub fn ranks(constant: f64) -> Self {
        Self {
            name: "RRF",
            settings: Words::default().with("CONSTANT").with(constant),
        }
    }

    /// The sum of both scores: the score of the text times `alpha`, and the score of the vector times `beta`.
    #[must_use]
    pub fn linear(alpha: f64, beta: f64) -> Self {
        let settings = Words::default().with("ALPHA").with(alpha);
        Self {
            name: "LINEAR",
            settings: settings.with("BETA").with(beta),
        }
    }

    /// Joins at most this many documents of each search; 20 by default.
    #[must_use]
    pub fn window(mut self, documents: u64) -> Self {
        self.settings = self.settings.with("WINDOW").with(documents);
        self
    }
}

impl ToArgs for Fusion {
    fn write_args(&self, out: &mut Args) {
        write_counted(self.name, &self.settings, out);
    }
}

fn write_counted(name: &'static str, settings: &Words, out: &mut Args) {
    out.word(name);
    out.item(&settings.len());
    settings.write_args(out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::wire::words;

    fn line(value: &impl ToArgs) -> String {
        words(value).join(" ")
    }

    #[test]
    fn settings_are_counted() {
        assert_eq!(line(&VectorMethod::nearest(10)), "KNN 2 K 10");
        let nearest = VectorMethod::nearest_of(10, 200);
        assert_eq!(line(&nearest), "KNN 4 K 10 EF_RUNTIME 200");
        assert_eq!(line(&VectorMethod::within(0.5)), "RANGE 2 RADIUS 0.5");
        let within = VectorMethod::within_about(0.5, 0.25);
        assert_eq!(line(&within), "RANGE 4 RADIUS 0.5 EPSILON 0.25");
        assert_eq!(line(&Fusion::ranks(60.5)), "RRF 2 CONSTANT 60.5");
        let ranks = Fusion::ranks(60.5).window(20);
        assert_eq!(line(&ranks), "RRF 4 CONSTANT 60.5 WINDOW 20");
        let linear = Fusion::linear(0.25, 0.75);
        assert_eq!(line(&linear), "LINEAR 4 ALPHA 0.25 BETA 0.75");
    }
}
