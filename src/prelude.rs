//! What a program usually needs in scope: the command methods, the derives, the handles.

pub use crate::commands::traits::*;
pub use crate::{
    Client, Cluster, Connection, Exclusive, FromRedis, IntoRepeat, IntoScanStream, Listen, Pool,
    Run, ToRedis, WithPrefix, cmd, raw,
};
#[cfg(feature = "json")]
pub use crate::{Json, PublishJson};
