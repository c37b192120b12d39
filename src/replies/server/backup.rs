//! The reply of BACKUP STATUS: [`BackupStatus`].

use typedis_core::{DecodeError, FromRedis, Reply};

use crate::replies::fields::{each_field, fill, required};

/// How far the backup of a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackupStatus {
    /// What it does.
    pub state: BackupState,
    /// Why the last one failed.
    pub error: Option<String>,
    /// When it began, as a Unix time in seconds; `None` if there is none.
    pub start_time: Option<u64>,
    /// When it was sealed, as a Unix time in seconds; `None` if it is not.
    pub end_time: Option<u64>,
}

/// What a backup does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BackupState {
    /// There is none.
    Idle,
    /// It was asked for, and has not begun.
    Pending,
    /// The snapshot is being made.
    Snapshotting,
    /// The snapshot is done, and what is written is added to it.
    Incrementing,
    /// It is complete: its files no longer change.
    Sealed,
    /// It failed, or was stopped.
    Failed,
    /// A state that came with a later server.
    Other(String),
}

impl FromRedis for BackupState {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let word = String::from_redis(reply)?;
        Ok(match word.as_str() {
            "idle" => Self::Idle,
            "pending" => Self::Pending,
            "snapshotting" => Self::Snapshotting,
            "incrementing" => Self::Incrementing,
            "sealed" => Self::Sealed,
            "failed" => Self::Failed,
            _ => Self::Other(word),
        })
    }
}

impl FromRedis for BackupStatus {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let (mut state, mut error, mut start, mut end) = (None, None, None, None);
        each_field(&reply, |name, value| match name {
            "state" => fill(&mut state, value),
            "error" => fill(&mut error, value),
            "start_time" => fill(&mut start, value),
            "end_time" => fill(&mut end, value),
            _ => Ok(()),
        })?;
        let error: String = required(error, "error")?;
        let time = |time: u64| Some(time).filter(|time| *time != 0);
        Ok(Self {
            state: required(state, "state")?,
            error: Some(error).filter(|error| !error.is_empty()),
            start_time: time(required(start, "start_time")?),
            end_time: time(required(end, "end_time")?),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::replies::wire::decode;

    #[test]
    fn what_did_not_happen_is_none() {
        let idle = "*8\r\n$5\r\nstate\r\n$4\r\nidle\r\n$5\r\nerror\r\n$0\r\n\r\n$10\r\nstart_time\r\n:0\r\n$8\r\nend_time\r\n:0\r\n";
        let expected = BackupStatus {
            state: BackupState::Idle,
            error: None,
            start_time: None,
            end_time: None,
        };
        assert_eq!(decode::<BackupStatus>(idle).unwrap(), expected);
        let failed = "%4\r\n$5\r\nstate\r\n$6\r\nfailed\r\n$5\r\nerror\r\n$15\r\naborted by user\r\n\
                      $10\r\nstart_time\r\n:1795942722\r\n$8\r\nend_time\r\n:0\r\n";
        let expected = BackupStatus {
            state: BackupState::Failed,
            error: Some("aborted by user".to_owned()),
            start_time: Some(1_795_942_722),
            end_time: None,
        };
        assert_eq!(decode::<BackupStatus>(failed).unwrap(), expected);
    }
}
