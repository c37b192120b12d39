//! The reply of FT.PROFILE: [`Profiled`].

use typedis_core::{DecodeError, FromRedis, Reply, Value};

use crate::replies::fields::{each_field, fill, next, required};

/// The results of a query, and its profile.
///
/// `T` is the type that the results would have without the profile, such as
/// [`SearchResults`](crate::replies::SearchResults) or [`AggregateResults`](crate::replies::AggregateResults).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Profiled<T> {
    /// The results.
    pub results: T,
    /// The profile. It is made for people, and has another form in every version of the server.
    pub profile: Value,
}

/// RESP2 sends the results and the profile. RESP3 sends the results with a field `profile`, or, since Redis 8, a map of
/// `Results` and `Profile`.
impl<T: FromRedis> FromRedis for Profiled<T> {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        if let Reply::Array(mut elements) = reply {
            return Ok(Self {
                results: next(&mut elements, "results")?,
                profile: next(&mut elements, "profile")?,
            });
        }
        let (mut results, mut profile) = (None, None);
        each_field(&reply, |name, value| match name {
            "Results" => fill(&mut results, value),
            "profile" | "Profile" => fill(&mut profile, value),
            _ => Ok(()),
        })?;
        Ok(Self {
            results: results.map_or_else(|| T::from_redis(reply), Ok)?,
            profile: required(profile, "profile")?,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::replies::wire::decode;
    use crate::replies::{AggregateResults, SearchResults};

    type Rows = AggregateResults<HashMap<String, String>>;

    #[test]
    fn results_come_before_the_profile() {
        let two = "*2\r\n*2\r\n:1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n*2\r\n+Total profile time\r\n$1\r\n0\r\n*1\r\n+Warning\r\n";
        let profiled: Profiled<Rows> = decode(two).unwrap();
        assert_eq!(
            (profiled.results.total, profiled.results.rows.len()),
            (1, 1)
        );
        assert_eq!(profiled.profile.as_slice().map(<[Value]>::len), Some(2));
        let found: Profiled<SearchResults<HashMap<String, String>>> =
            decode("*2\r\n*3\r\n:1\r\n$5\r\ndoc:1\r\n*0\r\n*0\r\n").unwrap();
        assert_eq!(found.results.documents.len(), 1);
    }

    #[test]
    fn results_are_around_the_profile_or_beside_it() {
        let results = "+total_results\r\n:1\r\n+results\r\n*1\r\n%1\r\n+extra_attributes\r\n%1\r\n$1\r\na\r\n$1\r\n1\r\n";
        let around = format!("%3\r\n{results}+profile\r\n%1\r\n+Total profile time\r\n,0\r\n");
        let beside = format!(
            "%2\r\n+Results\r\n%2\r\n{results}+Profile\r\n%1\r\n+Total profile time\r\n,0\r\n"
        );
        for reply in [around, beside] {
            let profiled: Profiled<Rows> = decode(&reply).unwrap();
            assert_eq!(profiled.results.rows.len(), 1);
            assert_eq!(
                profiled.profile.get("Total profile time"),
                Some(&Value::Double(0.0))
            );
        }
        assert!(decode::<Profiled<Rows>>(&format!("%2\r\n{results}")).is_err());
    }
}
