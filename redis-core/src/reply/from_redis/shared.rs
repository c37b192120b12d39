//! Types whose fields are in one map with those of others: `#[redis(flatten)]`.

use super::Fields;
use crate::error::DecodeError;
use crate::reply::view::Reply;

/// The names of a type's fields, by which its part of a map is found.
#[derive(Debug, Clone, Copy)]
pub enum Names {
    /// It has none, as a map of the standard library: what it would take of a map is not known.
    Unknown,
    /// Those that it has itself, and those of the types that are flattened into it.
    Of {
        /// Its own.
        own: &'static [&'static str],
        /// Of the types that are flattened into it.
        flattened: &'static [Self],
    },
}

impl Names {
    /// Whether a map has any of them, or may have.
    ///
    /// # Errors
    /// The reply is not a map.
    pub(super) fn are_in(&self, map: &Reply<'_>) -> Result<bool, DecodeError> {
        if self.are_open() {
            return Ok(true);
        }
        for pair in Fields::new(map)? {
            let (key, _) = pair?;
            if key.text().is_some_and(|key| self.have(key.as_bytes())) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the type takes fields of any name, and no field at all.
    fn are_open(&self) -> bool {
        match self {
            Self::Unknown => true,
            Self::Of { flattened, .. } => flattened.iter().any(Self::are_open),
        }
    }

    fn have(&self, name: &[u8]) -> bool {
        match self {
            Self::Unknown => true,
            Self::Of { own, flattened } => {
                own.iter().any(|own| own.as_bytes() == name)
                    || flattened.iter().any(|names| names.have(name))
            }
        }
    }
}
