//! Lua scripts: called by their SHA-1; the text is only sent if the server does not have it.
//!
//! If the reply to a single call is NOSCRIPT, it is sent again as EVAL. This does not work for a pipeline or
//! transaction, because its other commands have been carried out by then. So SCRIPT LOAD is sent before it, for the
//! scripts that the server may not have.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::Request;
use super::detached::Detached;
use crate::command::script_text::{ScriptText, ScriptTextRef};
use crate::command::{Args, ToArgs};
use crate::reply::FromRedis;

/// A Lua script, cheap to clone.
///
/// A call names the script by its SHA-1 (EVALSHA). Its text is only sent if the server does not have it. This works
/// on every handle, and with [`run`](crate::Run::run) in pipelines, transactions and batches too.
///
/// ```no_run
/// # extern crate typedis_core as typedis;
/// # async fn example(conn: typedis::Connection) -> typedis::Result<()> {
/// use std::sync::LazyLock;
/// use typedis::{Run, Script};
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
pub struct Script(ScriptTextRef);

impl Script {
    /// A script with this text.
    pub fn new(source: impl Into<Cow<'static, str>>) -> Self {
        Self(ScriptTextRef::Shared(Arc::new(ScriptText::hashed(
            source.into(),
        ))))
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn from_text(text: &'static ScriptText) -> Self {
        Self(ScriptTextRef::Static(text))
    }

    /// Marks the script as one that only reads: it is called by EVALSHA_RO (servers since 7.0), and may be sent again
    /// after a lost connection.
    #[must_use]
    pub fn read_only(self) -> Self {
        Self(ScriptTextRef::Shared(Arc::new(self.0.read_only())))
    }

    /// The text.
    #[must_use]
    pub fn source(&self) -> &str {
        self.0.source()
    }

    /// The SHA-1 of the text, which is its name on servers.
    #[must_use]
    pub fn sha1(&self) -> &str {
        self.0.sha1()
    }

    /// A call of the script with these keys (`KEYS`) and arguments (`ARGV`). Run it on any handle, or put it into a
    /// pipeline, transaction or batch.
    ///
    /// Pass keys as keys, because a cluster finds the node by them. `()` stands for no keys or no arguments.
    pub fn call<R: FromRedis>(&self, keys: impl ToArgs, args: impl ToArgs) -> Request<Detached, R> {
        Request::new(Detached, self.0.info(), |call| {
            call.script(self);
            call.counted(1, |call| call.any_keys("keys", &keys));
            call.args("args", &args);
        })
    }
}

impl Args {
    /// Writes the SHA-1 of a script; the engine sends its text if the server does not have it.
    pub fn script(&mut self, script: &Script) {
        self.script_text(&script.0);
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Script").field(&self.sha1()).finish()
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
