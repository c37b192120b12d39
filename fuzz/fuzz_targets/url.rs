//! Whatever is given as a URL is a configuration or an error, and a configuration survives being written and read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use typedis_core::Config;

fuzz_target!(|text: &str| {
    match Config::from_url(text) {
        Ok(config) => {
            let url = config.to_url_with_secrets();
            let again = Config::from_url(&url).expect("what is written can be read");
            assert_eq!(again, config, "{url}");
            let _ = (config.to_url(), format!("{config:?}"));
        }
        Err(error) => assert!(error.to_string().ends_with("; nothing was sent")),
    }
});
