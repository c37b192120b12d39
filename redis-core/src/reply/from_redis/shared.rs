//! Types whose fields are in one map with those of others: `#[redis(flatten)]`.

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
    /// Whether the type takes fields of any name, and no field at all.
    pub(super) fn are_open(&self) -> bool {
        match self {
            Self::Unknown => true,
            Self::Of { flattened, .. } => flattened.iter().any(Self::are_open),
        }
    }

    /// Whether the type has a field of this name, or may have.
    pub(super) fn have(&self, name: &[u8]) -> bool {
        match self {
            Self::Unknown => true,
            Self::Of { own, flattened } => {
                own.iter().any(|own| own.as_bytes() == name)
                    || flattened.iter().any(|names| names.have(name))
            }
        }
    }
}
