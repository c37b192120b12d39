//! Vectors, for vector sets: [`Vector`] and [`VectorQuery`].

use typedis_core::{Args, ToArgs};

use super::words::Words;

/// A vector of floats.
///
/// `f32`s are sent as a blob of 4 bytes each, which is the smallest and fastest form; [`Vector::values`] sends any
/// numbers as text.
///
/// ```
/// # use typedis::args::Vector;
/// let embedding: Vec<f32> = vec![0.1, 0.2, 0.3];
/// let vector = Vector::from(&embedding);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Vector(Words);

impl Vector {
    /// Sends the numbers as text, each with all its digits.
    pub fn values(numbers: impl IntoIterator<Item = f64>) -> Self {
        let mut words = Words::default().with("VALUES");
        words.append_counted(numbers.into_iter().collect());
        Self(words)
    }

    /// Takes the bytes of little-endian `f32`s, as an embedding model or `vemb` in its raw form returns them.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Words::default().with("FP32").with(bytes.into()))
    }
}

impl From<&[f32]> for Vector {
    fn from(numbers: &[f32]) -> Self {
        Self::from_bytes(
            numbers
                .iter()
                .flat_map(|number| number.to_le_bytes())
                .collect::<Vec<u8>>(),
        )
    }
}

impl From<Vec<f32>> for Vector {
    fn from(numbers: Vec<f32>) -> Self {
        Self::from(numbers.as_slice())
    }
}

impl From<&Vec<f32>> for Vector {
    fn from(numbers: &Vec<f32>) -> Self {
        Self::from(numbers.as_slice())
    }
}

impl<const N: usize> From<[f32; N]> for Vector {
    fn from(numbers: [f32; N]) -> Self {
        Self::from(numbers.as_slice())
    }
}

impl<const N: usize> From<&[f32; N]> for Vector {
    fn from(numbers: &[f32; N]) -> Self {
        Self::from(numbers.as_slice())
    }
}

impl ToArgs for Vector {
    fn write_args(&self, out: &mut Args) {
        self.0.write_args(out);
    }
}

/// What VSIM compares with: a [`Vector`], or the vector of an element of the set.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorQuery(Words);

impl VectorQuery {
    /// The vector of this element.
    pub fn element(element: impl Into<Vec<u8>>) -> Self {
        Self(Words::default().with("ELE").with(element.into()))
    }
}

impl<V: Into<Vector>> From<V> for VectorQuery {
    fn from(vector: V) -> Self {
        Self(vector.into().0)
    }
}

impl ToArgs for VectorQuery {
    fn write_args(&self, out: &mut Args) {
        self.0.write_args(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::wire::words;

    #[test]
    fn floats_of_32_bits_are_sent_as_little_endian_bytes() {
        let vector = Vector::from([1.0, 0.5]);
        assert_eq!(
            vector,
            Vector::from_bytes(*b"\x00\x00\x80\x3f\x00\x00\x00\x3f")
        );
        assert_eq!(words(&vector).first().map(String::as_str), Some("FP32"));
    }

    #[test]
    fn values_are_counted() {
        assert_eq!(
            words(&Vector::values([0.25, 0.5])),
            ["VALUES", "2", "0.25", "0.5"]
        );
    }

    #[test]
    fn a_query_is_a_vector_or_an_element() {
        assert_eq!(words(&VectorQuery::element("a")), ["ELE", "a"]);
        let query = VectorQuery::from(Vector::values([0.5]));
        assert_eq!(words(&query), ["VALUES", "1", "0.5"]);
        assert_eq!(words(&VectorQuery::from([0.5])).len(), 2);
    }
}
