//! What a program usually needs in scope: the command methods, the derives, the handles.

#[cfg(feature = "cluster")]
pub use crate::Cluster;
pub use crate::commands::traits::*;
pub use crate::{
    Client, Connection, Exclusive, FromRedis, IntoRepeat, IntoScanStream, Listen, Pool, Run,
    ToRedis, WithPrefix, cmd, raw,
};
#[cfg(feature = "json")]
pub use crate::{Json, PublishJson};
