//! Replies of the commands on vector sets.

use std::fmt;

use typedis_core::{DecodeError, Reply};

use crate::FromRedis;

/// The reply of VINFO.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[redis(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct VectorSetInfo {
    /// How the vectors are stored.
    #[redis(rename = "quant-type")]
    pub quantization: Quantization,
    /// The most neighbours that an element is linked to.
    #[redis(rename = "hnsw-m")]
    pub links: u64,
    /// How many dimensions the stored vectors have.
    #[redis(rename = "vector-dim")]
    pub dimensions: u32,
    /// How many dimensions vectors have before they are projected to fewer; 0 if they are not.
    pub projection_input_dim: u32,
    /// How many elements there are.
    pub size: u64,
    /// The uppermost layer of the graph.
    pub max_level: u64,
    /// How many elements have attributes.
    pub attributes_count: u64,
    /// The number of the set among those of the server.
    pub vset_uid: u64,
    /// The highest number that an element got.
    pub hnsw_max_node_uid: u64,
}

/// How the numbers of a vector are stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Quantization {
    /// Without a change, in 4 bytes each.
    Float32,
    /// In 8 bits each.
    Int8,
    /// In one bit each.
    Binary,
    /// In a way that this version does not know.
    Other(String),
}

impl Quantization {
    /// The server's word for it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Float32 => "f32",
            Self::Int8 => "int8",
            Self::Binary => "bin",
            Self::Other(name) => name,
        }
    }
}

impl fmt::Display for Quantization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromRedis for Quantization {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let name = String::from_redis(reply)?;
        Ok(match name.as_str() {
            "f32" => Self::Float32,
            "int8" => Self::Int8,
            "bin" => Self::Binary,
            _ => Self::Other(name),
        })
    }
}

/// A vector as the server stores it: its numbers divided by their norm, in the form of the quantization.
#[derive(Debug, Clone, PartialEq, FromRedis)]
#[redis(array)]
#[non_exhaustive]
pub struct RawVector {
    /// The form of `data`.
    pub quantization: Quantization,
    /// The numbers.
    pub data: Vec<u8>,
    /// The length of the vector before its numbers were divided by this length.
    pub norm: f64,
    /// With 8 bits: the number that 127 stands for.
    pub range: Option<f64>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::replies::wire::decode;

    #[test]
    fn facts_have_names() {
        let facts = "+quant-type\r\n+int8\r\n+hnsw-m\r\n:16\r\n+vector-dim\r\n:3\r\n+projection-input-dim\r\n:0\r\n+size\r\n:6\r\n\
                     +max-level\r\n:1\r\n+attributes-count\r\n:1\r\n+vset-uid\r\n:0\r\n+hnsw-max-node-uid\r\n:7\r\n";
        for header in ["*18\r\n", "%9\r\n"] {
            let info: VectorSetInfo = decode(&format!("{header}{facts}")).unwrap();
            assert_eq!(
                (&info.quantization, info.links, info.size),
                (&Quantization::Int8, 16, 6)
            );
        }
        for missing in ["*-1\r\n", "_\r\n"] {
            assert_eq!(decode::<Option<VectorSetInfo>>(missing).unwrap(), None);
        }
    }

    #[test]
    fn raw_vectors_have_a_range_with_8_bits_only() {
        let two = "*4\r\n+int8\r\n$2\r\n\x7f*\r\n$4\r\n3.65\r\n$4\r\n0.95\r\n";
        let three = "*4\r\n+int8\r\n$2\r\n\x7f*\r\n,3.65\r\n,0.95\r\n";
        let expected = RawVector {
            quantization: Quantization::Int8,
            data: b"\x7f*".to_vec(),
            norm: 3.65,
            range: Some(0.95),
        };
        for reply in [two, three] {
            assert_eq!(decode::<RawVector>(reply).unwrap(), expected);
        }
        let bin: RawVector = decode("*3\r\n+bin\r\n$1\r\n\x05\r\n,3.74\r\n").unwrap();
        assert_eq!((bin.quantization, bin.range), (Quantization::Binary, None));
        assert_eq!(decode::<Option<RawVector>>("$-1\r\n").unwrap(), None);
    }
}
