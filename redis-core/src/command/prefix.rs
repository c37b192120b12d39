//! What a handle puts before the names in its commands: [`Prefix`].

/// A prefix of keys, and perhaps one of channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prefix {
    pub(crate) keys: NamePrefix,
    /// `None` if channels are called by their own names.
    pub(crate) channels: Option<NamePrefix>,
}

/// A prefix of names, as it is written before a name and before a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamePrefix {
    pub(crate) text: Vec<u8>,
    /// The pattern that the text itself matches, and nothing else.
    pub(crate) pattern: Vec<u8>,
}

impl Prefix {
    pub(crate) fn new(text: &[u8]) -> Self {
        Self {
            keys: NamePrefix::new(text),
            channels: None,
        }
    }

    /// The same prefix for channels too.
    pub(crate) fn with_channels(self) -> Self {
        Self {
            channels: Some(self.keys.clone()),
            ..self
        }
    }

    /// This prefix, and `inner` behind it.
    pub(crate) fn before(&self, inner: &Self) -> Self {
        let channels = match (&self.channels, &inner.channels) {
            (Some(outer), Some(inner)) => Some(outer.before(inner)),
            (one, other) => one.as_ref().or(other.as_ref()).cloned(),
        };
        Self {
            keys: self.keys.before(&inner.keys),
            channels,
        }
    }
}

impl NamePrefix {
    fn new(text: &[u8]) -> Self {
        let mut pattern = Vec::with_capacity(text.len());
        for byte in text {
            if b"*?[\\".contains(byte) {
                pattern.push(b'\\');
            }
            pattern.push(*byte);
        }
        Self {
            text: text.to_vec(),
            pattern,
        }
    }

    fn before(&self, inner: &Self) -> Self {
        Self {
            text: [&*self.text, &inner.text].concat(),
            pattern: [&*self.pattern, &inner.pattern].concat(),
        }
    }
}
