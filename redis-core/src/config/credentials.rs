//! The login of the client: [`Credentials`], fixed or from a provider.

use std::time::Duration;

use super::secret::Secret;

/// A user and a password or token, as a provider returns them; see
/// [`Config::credentials_provider`](crate::Config::credentials_provider).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    pub(crate) username: Option<String>,
    pub(crate) password: Secret,
    pub(crate) valid_for: Option<Duration>,
}

impl Credentials {
    /// An ACL user with their password or token.
    #[must_use]
    pub fn new(username: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self {
            username: Some(username.into()),
            ..Self::password(password)
        }
    }

    /// The password of the default user.
    #[must_use]
    pub fn password(password: impl Into<Secret>) -> Self {
        Self {
            username: None,
            password: password.into(),
            valid_for: None,
        }
    }

    /// Says when they expire: the provider is asked again when four fifths of the time have passed.
    #[must_use]
    pub fn valid_for(mut self, time: Duration) -> Self {
        self.valid_for = Some(time);
        self
    }

    /// After how long the provider is to be asked again.
    pub(crate) fn renewal(&self) -> Option<Duration> {
        // A lower bound, so that a provider with a very short time is not asked without pause.
        self.valid_for
            .map(|time| time.mul_f64(0.8).max(Duration::from_millis(100)))
    }
}
