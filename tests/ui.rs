//! What must not compile, and the message that says what to do instead. `TRYBUILD=overwrite` renews the messages.

use std::env;
use std::process::Command;

/// The compiler whose messages the files in `tests/ui` are: others say the same in other words. Change it when the messages are
/// renewed.
const COMPILER: &str = "1.95";

#[test]
fn what_must_not_compile_says_why() {
    let here = compiler();
    if here.as_deref() != Some(COMPILER) && env::var_os("TRYBUILD").is_none() {
        println!(
            "left out: the messages in tests/ui are those of Rust {COMPILER}, as tests/ui.rs says, and this is Rust {}",
            here.as_deref().unwrap_or("of an unknown version")
        );
        return;
    }
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}

/// The version of the compiler that cargo uses here, without the patch.
fn compiler() -> Option<String> {
    let compiler = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(compiler).arg("--version").output().ok()?;
    version(&String::from_utf8(output.stdout).ok()?)
}

/// From a line such as `rustc 1.95.0 (59807616e 2026-04-14)`.
fn version(line: &str) -> Option<String> {
    let version = line.strip_prefix("rustc ")?;
    let mut numbers = version.split('.');
    Some(format!("{}.{}", numbers.next()?, numbers.next()?))
}

#[test]
fn the_version_is_read_without_its_patch() {
    let read = |line| version(line).unwrap_or_default();
    assert_eq!(read("rustc 1.95.0 (59807616e 2026-04-14)"), "1.95");
    assert_eq!(read("rustc 1.96.0-nightly (0123456 2026-05-01)"), "1.96");
    assert_eq!(version("cargo 1.95.0"), None);
}
