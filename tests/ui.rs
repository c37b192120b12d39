//! What must not compile, and the message that says what to do instead. `TRYBUILD=overwrite` renews the messages.

#[test]
fn what_must_not_compile_says_why() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
