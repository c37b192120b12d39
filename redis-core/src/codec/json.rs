//! JSON in strings: [`Json`] sends and receives any type that serde supports.

use serde_core::Serialize;
use serde_core::de::DeserializeOwned;

use crate::command::Args;
use crate::command::{ArgWriter, ToArg, ToArgs};
use crate::error::{ArgError, DecodeError};
use crate::reply::{FromRedis, Reply};

/// A value that is JSON on the server, as a plain string or as a document of the JSON module.
///
/// ```
/// # extern crate typedis_core as typedis;
/// use typedis::{Frame, Json};
///
/// let frame = Frame::parse(&b"$7\r\n[1,2,3]\r\n"[..])?;
/// let Json(numbers): Json<Vec<u8>> = frame.decode()?;
/// assert_eq!(numbers, [1, 2, 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Json<T>(pub T);

impl<T: Serialize> ToArg for Json<T> {
    fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
        let json = serde_json::to_vec(&self.0)
            .map_err(|error| ArgError::new(format!("this cannot be JSON: {error}")))?;
        out.bytes(&json);
        Ok(())
    }
}

impl<T: Serialize> ToArgs for Json<T> {
    fn write_args(&self, out: &mut Args) {
        out.item(self);
    }
}

impl<T: DeserializeOwned> FromRedis for Json<T> {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let text = reply
            .text()
            .ok_or_else(|| DecodeError::expected("a string of JSON", &reply))?;
        serde_json::from_slice(text.as_bytes())
            .map(Self)
            .map_err(|error| {
                // The message of serde_json quotes data, which may be secret; the position does not.
                let (line, column) = (error.line(), error.column());
                DecodeError::new(format!(
                    "the JSON is {} (line {line}, column {column})",
                    fault(error.classify())
                ))
            })
    }
}

fn fault(category: serde_json::error::Category) -> &'static str {
    use serde_json::error::Category;
    match category {
        Category::Syntax => "malformed",
        Category::Eof => "cut short",
        Category::Data | Category::Io => "not of the wanted type",
    }
}
