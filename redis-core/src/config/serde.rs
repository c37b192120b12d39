//! Reads a [`Config`] from any format that serde supports, and writes it.
//!
//! It is a map with the same settings as a URL. Numbers and booleans may be given as such, but passwords and names are texts: what
//! was written as `1.10` or `yes` is read as a number or a truth value, and cannot be told any more. `tls = { ca = … }` means
//! `tls_ca = …`. A list means the same as words separated by commas in a URL. A whole URL may be given as a text, or
//! as `url` beside other settings.

use std::fmt;

use serde_core::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_core::ser::{Serialize, SerializeMap, Serializer};

use super::builder::Config;
use super::knobs::{self, Secrets, Setting};
use super::url;

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ConfigVisitor)
    }
}

/// Secrets are written as `***`.
impl Serialize for Config {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, text) in knobs::settings(self, Secrets::Masked) {
            map.serialize_entry(name, &text)?;
        }
        map.end()
    }
}

struct ConfigVisitor;

impl<'de> Visitor<'de> for ConfigVisitor {
    type Value = Config;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a URL, or a map of settings")
    }

    fn visit_str<E: de::Error>(self, url: &str) -> Result<Config, E> {
        Config::from_url(url).map_err(custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Config, A::Error> {
        let mut settings = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            match map.next_value()? {
                Value::Absent => {}
                Value::One(scalar) if name == "url" => {
                    settings.extend(url::settings(&scalar.text).map_err(custom)?);
                }
                Value::One(scalar) => settings.push(setting(name, scalar)?),
                // Its keys are no names of settings.
                Value::Map(_) if knobs::is_text(&name) => return Err(unquoted(&name)),
                Value::Map(inner) => {
                    for (name, scalar) in flattened(&name, inner) {
                        settings.push(setting(name, scalar)?);
                    }
                }
            }
        }
        knobs::assemble(settings).map_err(custom)
    }
}

/// A setting, unless it is a text and something else was given.
fn setting<E: de::Error>(name: String, scalar: Scalar) -> Result<Setting, E> {
    if !scalar.is_as_written && knobs::is_text(&name) {
        return Err(unquoted(&name));
    }
    Ok((name, scalar.text))
}

fn unquoted<E: de::Error>(name: &str) -> E {
    custom(crate::Error::config(format!(
        "parameter `{name}`: this is no text; write it in quotes"
    )))
}

/// `tls = { ca = "x" }` switches TLS on, and means `tls_ca = "x"`.
fn flattened(name: &str, inner: Vec<(String, Scalar)>) -> impl Iterator<Item = (String, Scalar)> {
    let names_itself = name == "tls" && !inner.iter().any(|(key, _)| key == "enabled");
    let switch = names_itself.then(|| ("tls".to_owned(), Scalar::new("on")));
    switch
        .into_iter()
        .chain(inner.into_iter().map(move |(key, scalar)| {
            if key == "enabled" {
                (name.to_owned(), scalar)
            } else {
                (format!("{name}_{key}"), scalar)
            }
        }))
}

/// Without the end of the message which says that nothing was sent.
fn custom<E: de::Error>(error: crate::Error) -> E {
    E::custom(error.kind())
}

/// The value of a setting: a text or something written as one text, a list of these, or one map of these.
enum Value {
    Absent,
    One(Scalar),
    Map(Vec<(String, Scalar)>),
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, a truth value, or a list or map of such")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        ScalarVisitor.visit_str(text).map(Value::One)
    }

    fn visit_bool<E: de::Error>(self, on: bool) -> Result<Value, E> {
        ScalarVisitor.visit_bool(on).map(Value::One)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Value, E> {
        ScalarVisitor.visit_i64(number).map(Value::One)
    }

    fn visit_i128<E: de::Error>(self, number: i128) -> Result<Value, E> {
        ScalarVisitor.visit_i128(number).map(Value::One)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Value, E> {
        ScalarVisitor.visit_u64(number).map(Value::One)
    }

    fn visit_u128<E: de::Error>(self, number: u128) -> Result<Value, E> {
        ScalarVisitor.visit_u128(number).map(Value::One)
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Value, E> {
        ScalarVisitor.visit_f64(number).map(Value::One)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Absent)
    }

    fn visit_none<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Absent)
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Value, D::Error> {
        inner.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut texts = Vec::new();
        while let Some(scalar) = list.next_element::<Scalar>()? {
            texts.push(scalar.text);
        }
        Ok(Value::One(Scalar::rewritten(texts.join(","))))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut settings = Vec::new();
        while let Some(setting) = map.next_entry()? {
            settings.push(setting);
        }
        Ok(Value::Map(settings))
    }
}

/// A value inside a list or map: maps are not nested deeper.
struct Scalar {
    text: String,
    /// Whether this is taken for the text that was written: a text, or a whole number, as most of them are written. Not so are
    /// decimal numbers, of which `1.10` is read as 1.1, truth values and lists.
    is_as_written: bool,
}

impl Scalar {
    fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            is_as_written: true,
        }
    }

    fn rewritten(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            is_as_written: false,
        }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

// What has no method here may be quoted in an error, so that numbers of all sizes have one.
impl Visitor<'_> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number or a truth value")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar::new(text))
    }

    fn visit_bool<E: de::Error>(self, on: bool) -> Result<Scalar, E> {
        Ok(Scalar::rewritten(if on { "on" } else { "off" }))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Scalar, E> {
        Ok(Scalar::new(number.to_string()))
    }

    fn visit_i128<E: de::Error>(self, number: i128) -> Result<Scalar, E> {
        Ok(Scalar::new(number.to_string()))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Scalar, E> {
        Ok(Scalar::new(number.to_string()))
    }

    fn visit_u128<E: de::Error>(self, number: u128) -> Result<Scalar, E> {
        Ok(Scalar::new(number.to_string()))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Scalar, E> {
        // Only the version of TLS is written like a decimal number.
        Ok(Scalar::rewritten(format!("{number:?}")))
    }
}
