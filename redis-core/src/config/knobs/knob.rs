//! One setting: [`Knob`].

use crate::config::builder::Config;

/// A setting: how its text is read, and how it is written.
pub(in crate::config) struct Knob {
    pub(in crate::config) name: &'static str,
    /// Other names that clients of Redis use for it.
    pub(super) aliases: &'static [&'static str],
    pub(super) set: fn(&mut Config, &str) -> Result<(), String>,
    /// The present value, as a text that `set` can read; `None` if there is none.
    pub(super) get: fn(&Config) -> Option<String>,
    pub(super) hidden: Hidden,
    /// Whether a value may be any text. A file that gives a number instead does not say how it was written.
    #[cfg_attr(not(feature = "serde"), allow(dead_code))]
    pub(super) is_text: bool,
}

/// Whether a value is a secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Hidden {
    Never,
    /// A secret if it is a key itself, not the path of a file.
    #[cfg(feature = "tls")]
    IfPem,
    /// A secret if there is a key in it: one file may hold the certificate and its key.
    #[cfg(feature = "tls")]
    IfKey,
    Always,
}

impl Knob {
    pub(super) const fn new(
        name: &'static str,
        set: fn(&mut Config, &str) -> Result<(), String>,
        get: fn(&Config) -> Option<String>,
    ) -> Self {
        Self {
            name,
            aliases: &[],
            set,
            get,
            hidden: Hidden::Never,
            is_text: false,
        }
    }

    pub(super) const fn hidden(mut self, hidden: Hidden) -> Self {
        self.hidden = hidden;
        self
    }

    pub(super) const fn text(mut self) -> Self {
        self.is_text = true;
        self
    }

    pub(super) const fn or(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    pub(super) fn is_called(&self, name: &str) -> bool {
        self.name == name || self.aliases.contains(&name)
    }
}

/// The knob of one field of [`Config`], which is read and written by one [`Codec`](super::codec::Codec).
macro_rules! knob {
    ($name:literal, $($field:ident).+, $codec:expr) => {
        Knob::new(
            $name,
            |config, text| {
                config.$($field).+ = ($codec.read)(text)?;
                Ok(())
            },
            |config| ($codec.write)(&config.$($field).+),
        )
    };
}

pub(super) use knob;
