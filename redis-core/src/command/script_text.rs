//! The text of a Lua script, its SHA-1, and which texts a server has: [`ScriptText`], [`Loaded`].

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use super::info::{CommandInfo, command_info};
use crate::runtime::Lock;
use crate::wire::encode::{self, Output};

static EVAL: CommandInfo = command_info!("EVAL").writes_unnamed();
static EVALSHA: CommandInfo = command_info!("EVALSHA").writes_unnamed();
static EVAL_RO: CommandInfo = command_info!("EVAL_RO").readonly();
static EVALSHA_RO: CommandInfo = command_info!("EVALSHA_RO").readonly();

/// The text of a script and its SHA-1.
#[derive(Debug, Clone)]
pub(crate) enum ScriptTextRef {
    Static(&'static ScriptText),
    Shared(Arc<ScriptText>),
}

/// The text and SHA-1 in a [`Script`]; for macro expansions, which know the SHA-1 at compile time.
#[doc(hidden)]
pub struct ScriptText {
    source: Cow<'static, str>,
    sha1: Cow<'static, str>,
    read_only: bool,
}

impl ScriptText {
    /// A text whose SHA-1 is known.
    #[must_use]
    pub const fn new(source: &'static str, sha1: &'static str, read_only: bool) -> Self {
        Self {
            source: Cow::Borrowed(source),
            sha1: Cow::Borrowed(sha1),
            read_only,
        }
    }

    /// A text whose SHA-1 is not known.
    pub(crate) fn hashed(source: Cow<'static, str>) -> Self {
        let sha1 = sha1_smol::Sha1::from(source.as_bytes())
            .digest()
            .to_string();
        Self {
            source,
            sha1: Cow::Owned(sha1),
            read_only: false,
        }
    }
}

/// A text may be long, and may hold secrets; the SHA-1 says which it is.
impl fmt::Debug for ScriptText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ScriptText").field(&self.sha1).finish()
    }
}

impl ScriptTextRef {
    fn get(&self) -> &ScriptText {
        match self {
            Self::Static(text) => text,
            Self::Shared(text) => text,
        }
    }

    /// The same text, called by the commands that only read.
    pub(crate) fn read_only(&self) -> ScriptText {
        let text = self.get();
        ScriptText {
            source: text.source.clone(),
            sha1: text.sha1.clone(),
            read_only: true,
        }
    }

    pub(crate) fn source(&self) -> &str {
        &self.get().source
    }

    pub(crate) fn sha1(&self) -> &str {
        &self.get().sha1
    }

    /// The command that calls it by its SHA-1.
    pub(crate) fn info(&self) -> &'static CommandInfo {
        if self.get().read_only {
            &EVALSHA_RO
        } else {
            &EVALSHA
        }
    }

    /// The command that calls it by its text.
    pub(crate) fn whole_info(&self) -> &'static CommandInfo {
        if self.get().read_only {
            &EVAL_RO
        } else {
            &EVAL
        }
    }

    /// Appends the command that makes the server keep it.
    pub(crate) fn write_load(&self, out: &mut impl Output) {
        encode::array_header(out, 3);
        encode::bulk(out, b"SCRIPT");
        encode::bulk(out, b"LOAD");
        encode::bulk(out, self.source().as_bytes());
    }
}

/// Whether a reply says that the server does not have the script.
pub(crate) fn is_unknown(reply: &[u8]) -> bool {
    reply.starts_with(b"-NOSCRIPT")
}

/// The scripts that a connection has loaded, as far as the client knows.
#[derive(Debug, Default)]
pub(crate) struct Loaded(Lock<HashSet<String>>);

impl Loaded {
    pub(crate) fn contains(&self, script: &ScriptTextRef) -> bool {
        self.0.lock().contains(script.sha1())
    }

    pub(crate) fn insert(&self, script: &ScriptTextRef) {
        self.0.lock().insert(script.sha1().to_owned());
    }

    /// Forgets them all: the server may be another one, or may have lost them.
    pub(crate) fn clear(&self) {
        self.0.lock().clear();
    }
}
