//! Whatever is given as a URL is a configuration or an error, and a configuration survives being written and read. What is
//! written for people does not depend on its passwords.
#![no_main]

use libfuzzer_sys::fuzz_target;
use typedis_core::Config;

fuzz_target!(|text: &str| {
    match Config::from_url(text) {
        Ok(config) => {
            let url = config.to_url_with_secrets();
            let again = Config::from_url(&url).expect("what is written can be read");
            assert_eq!(again, config, "{url}");
            hides_passwords(&config);
        }
        Err(error) => assert!(error.to_string().ends_with("; nothing was sent")),
    }
});

fn hides_passwords(config: &Config) {
    let shown = |config: &Config| (config.to_url(), format!("{config:?}"));
    let [one, other] = ["one", "another"].map(|password| {
        let config = config.clone().password(password);
        shown(&config.sentinel_password(password))
    });
    assert_eq!(one, other);
    // If it has passwords already, these cannot be seen either.
    let own = shown(config);
    if own.0.contains(":***@") {
        assert_eq!(shown(&config.clone().password("one")), own);
    }
    if own.0.contains("sentinel_password=***") {
        assert_eq!(shown(&config.clone().sentinel_password("one")), own);
    }
}
