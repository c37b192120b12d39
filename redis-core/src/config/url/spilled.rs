//! Passwords that were not percent-encoded: what follows the character at which one was cut off is in no message.

use std::borrow::Cow;

use fluent_uri::Uri;
use fluent_uri::pct_enc::{EStr, encoder};

use super::scheme::Goal;
use crate::config::knobs;
use crate::error::{Error, Result};

/// Refuses a URL in which the end of a password stands where something else is read.
pub(super) fn check(uri: &Uri<&str>, goal: Option<Goal>) -> Result<()> {
    if uri.fragment().is_some() {
        return Err(Error::config(
            "a URL has no use for a fragment (`#…`); a `#` within a password is written `%23`",
        ));
    }
    // The `@` behind a password is the one before the host. Without `//` there is no login.
    let is_place = uri.authority().is_some() && goal != Some(Goal::Socket);
    let in_path = is_place && uri.path().as_str().contains('@');
    let in_query = pairs(uri)
        .filter(|pair| pair.as_str().contains('@'))
        .find(|pair| !knobs::is_known(&name_of(pair)));
    if in_path || in_query.is_some() {
        let hint = in_query.map(misspelt).unwrap_or_default();
        return Err(Error::config(format!(
            "an `@` stands behind the host: within a password `/`, `?` and `@` are written `%2F`, `%3F` and `%40`{hint}"
        )));
    }
    check_parameters(uri)
}

/// What a parameter may be meant as, of which neither the name nor the value is quoted.
fn misspelt(pair: &EStr<encoder::Query>) -> String {
    let name = name_of(pair);
    if name.contains('@') {
        return String::new();
    }
    let near = knobs::nearest_to(&name);
    format!("; or, if a parameter is meant, did you mean `{near}`?")
}

/// The parts of a query between `&`, of which none is empty.
pub(super) fn pairs<'a>(uri: &Uri<&'a str>) -> impl Iterator<Item = &'a EStr<encoder::Query>> {
    let query = uri.query().into_iter().flat_map(|query| query.split('&'));
    query.filter(|pair| !pair.is_empty())
}

/// A `&` in a password that is a parameter ends it.
fn check_parameters(uri: &Uri<&str>) -> Result<()> {
    let mut secret = None;
    for pair in pairs(uri) {
        let name = name_of(pair);
        if knobs::is_known(&name) {
            secret = knobs::is_secret(&name).then_some(name);
        } else if let Some(secret) = &secret {
            let near = knobs::nearest_to(&name);
            return Err(Error::config(format!(
                "the parameter behind `{secret}` is unknown; did you mean `{near}`? A `&` within a password is written `%26`"
            )));
        }
    }
    Ok(())
}

/// The name of a parameter; empty if it is no text.
fn name_of(pair: &EStr<encoder::Query>) -> String {
    let name = pair.split_once('=').map_or(pair, |(name, _)| name);
    let name = name.decode().to_string();
    name.map(Cow::into_owned).unwrap_or_default()
}
