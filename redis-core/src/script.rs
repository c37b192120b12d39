//! Lua scripts: called by their SHA-1, sent as a whole only where the server does not have them.
//!
//! A single call that is answered NOSCRIPT is sent again as EVAL. A pipeline or transaction cannot be repaired like that,
//! since its other commands have been carried out by then: it is preceded by SCRIPT LOAD for the scripts that are not
//! known to be there.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::arg::ToArgs;
use crate::command::CommandInfo;
use crate::detached::Detached;
use crate::from_redis::FromRedis;
use crate::request::Request;
use crate::resp::encode::{self, Output};

static EVAL: CommandInfo = CommandInfo::new("EVAL", b"$4\r\nEVAL\r\n", 1);
static EVALSHA: CommandInfo = CommandInfo::new("EVALSHA", b"$7\r\nEVALSHA\r\n", 1);
static EVAL_RO: CommandInfo = CommandInfo::new("EVAL_RO", b"$7\r\nEVAL_RO\r\n", 1).readonly();
static EVALSHA_RO: CommandInfo =
    CommandInfo::new("EVALSHA_RO", b"$10\r\nEVALSHA_RO\r\n", 1).readonly();

/// A Lua script, cheap to clone.
///
/// A call names the script by its SHA-1 (EVALSHA); its text goes over the wire only where the server does not have it. That
/// holds on every handle, and in pipelines, transactions and batches as well, which [`run`](crate::Run::run) puts it into.
///
/// ```no_run
/// # async fn example(conn: typedis_core::Connection) -> typedis_core::Result<()> {
/// use std::sync::LazyLock;
/// use typedis_core::{Run, Script};
///
/// static TAKE: LazyLock<Script> = LazyLock::new(|| {
///     Script::new("local left = tonumber(redis.call('GET', KEYS[1]) or 0)
///                  if left < tonumber(ARGV[1]) then return nil end
///                  return redis.call('DECRBY', KEYS[1], ARGV[1])")
/// });
///
/// let left: Option<i64> = conn.run(TAKE.call(["stock"], 3)).await?;
/// let (a, b) = conn
///     .pipeline()
///     .run(TAKE.call::<Option<i64>>(["stock"], 1))
///     .run(TAKE.call::<Option<i64>>(["reserve"], 1))
///     .await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Script(Text);

/// The text of a script and its SHA-1.
#[derive(Debug, Clone)]
pub(crate) enum Text {
    Static(&'static ScriptText),
    Shared(Arc<ScriptText>),
}

/// What a [`Script`] is made of; for expansions, which know the SHA-1 at compile time.
#[doc(hidden)]
#[derive(Debug)]
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
}

impl Script {
    /// A script of this text.
    pub fn new(source: impl Into<Cow<'static, str>>) -> Self {
        let source = source.into();
        let sha1 = sha1_smol::Sha1::from(source.as_bytes())
            .digest()
            .to_string();
        Self(Text::Shared(Arc::new(ScriptText {
            source,
            sha1: Cow::Owned(sha1),
            read_only: false,
        })))
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn from_text(text: &'static ScriptText) -> Self {
        Self(Text::Static(text))
    }

    /// Says that the script only reads: it is called by EVALSHA_RO, which servers have since 7.0, and is sent again after a
    /// lost connection.
    #[must_use]
    pub fn read_only(self) -> Self {
        let text = self.0.get();
        Self(Text::Shared(Arc::new(ScriptText {
            source: text.source.clone(),
            sha1: text.sha1.clone(),
            read_only: true,
        })))
    }

    /// The text.
    #[must_use]
    pub fn source(&self) -> &str {
        self.0.source()
    }

    /// The SHA-1 of the text, by which servers know it.
    #[must_use]
    pub fn sha1(&self) -> &str {
        self.0.sha1()
    }

    /// A call of the script with these keys (`KEYS`) and arguments (`ARGV`), to be run on any handle or put into a pipeline,
    /// transaction or batch.
    ///
    /// Keys must be handed over as keys, since a cluster finds the node by them. `()` stands for none of either.
    pub fn call<R: FromRedis>(&self, keys: impl ToArgs, args: impl ToArgs) -> Request<Detached, R> {
        Request::new(Detached, self.0.info(), |call| {
            call.script(self);
            call.counted(1, |call| call.any_keys("keys", &keys));
            call.args("args", &args);
        })
    }

    pub(crate) fn text(&self) -> &Text {
        &self.0
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Script").field(&self.sha1()).finish()
    }
}

impl Text {
    fn get(&self) -> &ScriptText {
        match self {
            Self::Static(text) => text,
            Self::Shared(text) => text,
        }
    }

    pub(crate) fn source(&self) -> &str {
        &self.get().source
    }

    pub(crate) fn sha1(&self) -> &str {
        &self.get().sha1
    }

    /// The command that calls it by its SHA-1.
    fn info(&self) -> &'static CommandInfo {
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

    /// Appends the command that has the server keep it.
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

/// The scripts that a connection has loaded, as far as is known.
#[derive(Debug, Default)]
pub(crate) struct Loaded(Mutex<HashSet<String>>);

impl Loaded {
    pub(crate) fn contains(&self, script: &Text) -> bool {
        self.lock().contains(script.sha1())
    }

    pub(crate) fn insert(&self, script: &Text) {
        self.lock().insert(script.sha1().to_owned());
    }

    /// The server may be another one, or may have forgotten them.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(args: &crate::Args) -> Vec<String> {
        let words = args.to_words().into_iter();
        words
            .map(|word| String::from_utf8_lossy(&word).into_owned())
            .collect()
    }

    #[test]
    fn a_call_names_the_script_by_its_sha1() {
        let script = Script::new("return 1");
        let call = script.call::<i64>(["a", "b"], ("c", 4)).into_args();
        let sha1 = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db";
        assert_eq!(words(&call), ["EVALSHA", sha1, "2", "a", "b", "c", "4"]);
        assert_eq!(call.key_positions(), [3, 4]);
        assert!(!call.is_idempotent());
    }

    #[test]
    fn the_text_takes_the_place_of_the_sha1() {
        let script = Script::new("return 1").read_only();
        let mut call = script.call::<i64>((), 5).into_args();
        assert!(call.is_idempotent());
        assert!(call.send_script_text());
        assert_eq!(words(&call), ["EVAL_RO", "return 1", "0", "5"]);
        assert!(
            !call.send_script_text(),
            "there is nothing left to fall back to"
        );
    }
}
