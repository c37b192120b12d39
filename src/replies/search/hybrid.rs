//! The reply of FT.HYBRID: [`HybridResults`].

use typedis_core::{DecodeError, FromRedis, Name, Reply};

use crate::replies::fields::{each_field, fill, present, required};

/// The joined results of a search for words and a search for vectors.
///
/// `T` is what a document is decoded into: a map, or a struct with `#[derive(FromRedis)]`. Without further steps its
/// fields are `__key` and `__score`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct HybridResults<T> {
    /// How many documents were found, however many of them are here.
    pub total: u64,
    /// The documents, the best one first.
    pub documents: Vec<T>,
    /// What went wrong on the way, such as a timeout.
    pub warnings: Vec<Name>,
    /// How many milliseconds the search took.
    pub execution_time: Option<f64>,
}

impl<T: FromRedis> FromRedis for HybridResults<T> {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let (mut total, mut documents) = (None, None);
        let (mut warnings, mut execution_time) = (None, None);
        each_field(&reply, |name, value| {
            match name {
                "total_results" => fill(&mut total, value)?,
                // Documents that expired meanwhile are nil.
                "results" => match value.elements() {
                    Some(results) => documents = Some(present(results)?),
                    None => return Err(DecodeError::expected("documents", &value)),
                },
                "warnings" => fill(&mut warnings, value)?,
                "execution_time" => fill(&mut execution_time, value)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(Self {
            total: required(total, "total_results")?,
            documents: required(documents, "results")?,
            warnings: warnings.unwrap_or_default(),
            execution_time,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::replies::wire::decode;

    type Found = HybridResults<HashMap<String, String>>;

    /// As the server's own documentation shows it.
    #[test]
    fn documents_are_read_alike_in_both_protocols() {
        let document = "$5\r\n__key\r\n$2\r\nd1\r\n$7\r\n__score\r\n$3\r\n0.5\r\n";
        let two = format!(
            "*8\r\n+total_results\r\n:3\r\n+results\r\n*1\r\n*4\r\n{document}+warnings\r\n*0\r\n+execution_time\r\n$4\r\n0.75\r\n"
        );
        let three = format!(
            "%4\r\n+total_results\r\n:3\r\n+results\r\n*1\r\n%2\r\n{document}+warnings\r\n*0\r\n+execution_time\r\n,0.75\r\n"
        );
        let found: Found = decode(&two).unwrap();
        assert_eq!((found.total, found.execution_time), (3, Some(0.75)));
        let key = found.documents.first().unwrap().get("__key");
        assert_eq!(key.map(String::as_str), Some("d1"));
        assert_eq!(decode::<Found>(&three).unwrap(), found);
    }
}
