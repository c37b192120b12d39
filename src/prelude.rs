//! What a program that talks to a server wants in scope: the command methods, the derives, the handles.

#[cfg(feature = "json")]
pub use crate::Json;
pub use crate::commands::traits::*;
pub use crate::{
    Connection, Exclusive, FromRedis, IntoRepeat, IntoScanStream, Listen, Pool, Run, ToRedis, cmd,
    raw,
};
