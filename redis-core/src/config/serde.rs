//! Reads a [`Config`] from any format that serde supports, and writes it.
//!
//! It is a map with the same settings as a URL. Numbers and booleans may be given as such. `tls = { ca = … }` means
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
                Value::Text(text) if name == "url" => {
                    settings.extend(url::settings(&text).map_err(custom)?);
                }
                Value::Text(text) => settings.push((name, text)),
                Value::Map(inner) => settings.extend(flattened(&name, inner)),
            }
        }
        knobs::assemble(settings).map_err(custom)
    }
}

/// `tls = { ca = "x" }` switches TLS on, and means `tls_ca = "x"`.
fn flattened(name: &str, inner: Vec<Setting>) -> impl Iterator<Item = Setting> {
    let names_itself = name == "tls" && !inner.iter().any(|(key, _)| key == "enabled");
    let switch = names_itself.then(|| ("tls".to_owned(), "on".to_owned()));
    switch
        .into_iter()
        .chain(inner.into_iter().map(move |(key, text)| {
            if key == "enabled" {
                (name.to_owned(), text)
            } else {
                (format!("{name}_{key}"), text)
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
    Text(String),
    Map(Vec<Setting>),
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
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_bool<E: de::Error>(self, on: bool) -> Result<Value, E> {
        Ok(Value::Text(if on { "on" } else { "off" }.to_owned()))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Text(number.to_string()))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Text(number.to_string()))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Value, E> {
        // Only the version of TLS is written like a decimal number.
        Ok(Value::Text(format!("{number:?}")))
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
        while let Some(Scalar(text)) = list.next_element()? {
            texts.push(text);
        }
        Ok(Value::Text(texts.join(",")))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut settings = Vec::new();
        while let Some((name, Scalar(text))) = map.next_entry::<String, Scalar>()? {
            settings.push((name, text));
        }
        Ok(Value::Map(settings))
    }
}

/// A value inside a list or map: maps are not nested deeper.
struct Scalar(String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ScalarVisitor;

        impl Visitor<'_> for ScalarVisitor {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number or a truth value")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar(text.to_owned()))
            }

            fn visit_bool<E: de::Error>(self, on: bool) -> Result<Scalar, E> {
                Ok(Scalar(if on { "on" } else { "off" }.to_owned()))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Scalar, E> {
                Ok(Scalar(format!("{number:?}")))
            }
        }

        deserializer.deserialize_any(ScalarVisitor)
    }
}
