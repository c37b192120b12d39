//! Errors of the user's own: [`Error::custom`].

use super::{Error, ErrorKind, Phase};

impl Error {
    /// Your own error, to be passed through the closure of [`Pool::watch`](crate::Pool::watch). [`Error::downcast_ref`] looks at it, and
    /// [`Error::downcast`] takes it out again.
    pub fn custom(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Custom(error.into()), Phase::NotSent)
    }

    /// Your own error of the type `E`, if this is one that [`Error::custom`] was given.
    ///
    /// It is not in the chain of [`source`](std::error::Error::source): the text of this error is that of yours, and a report of the whole
    /// chain would say it twice.
    ///
    /// ```
    /// # extern crate typedis_core as typedis;
    /// # use std::num::ParseIntError;
    /// # use typedis::Error;
    /// # let refused = "12a".parse::<i64>().unwrap_err();
    /// let error = Error::custom(refused);
    /// assert!(error.downcast_ref::<ParseIntError>().is_some());
    /// assert!(error.downcast_ref::<std::fmt::Error>().is_none());
    /// ```
    #[must_use]
    pub fn downcast_ref<E: std::error::Error + 'static>(&self) -> Option<&E> {
        match &self.0.kind {
            ErrorKind::Custom(error) => error.downcast_ref(),
            _ => None,
        }
    }

    /// Takes out your own error of the type `E`, if this is one that [`Error::custom`] was given.
    ///
    /// # Errors
    /// This error, as it was, if it is another one.
    pub fn downcast<E: std::error::Error + 'static>(mut self) -> Result<E, Self> {
        match self.0.kind {
            ErrorKind::Custom(error) => match error.downcast() {
                Ok(error) => Ok(*error),
                Err(error) => {
                    self.0.kind = ErrorKind::Custom(error);
                    Err(self)
                }
            },
            _ => Err(self),
        }
    }

    /// What happened, with what is in it: your own error, or that of the operating system. All else that this error knows is dropped.
    #[must_use]
    pub fn into_kind(self) -> ErrorKind {
        self.0.kind
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use std::fmt;
    use std::num::ParseIntError;

    use super::*;
    use crate::error::ServerError;

    #[derive(Debug, PartialEq)]
    struct SoldOut(u32);

    impl fmt::Display for SoldOut {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "the article {} is sold out", self.0)
        }
    }

    impl std::error::Error for SoldOut {}

    #[test]
    fn a_custom_error_is_looked_at_and_taken_out_by_its_type() {
        let error = Error::custom(SoldOut(7));
        assert_eq!(error.downcast_ref(), Some(&SoldOut(7)));
        assert!(error.downcast_ref::<ParseIntError>().is_none());
        let error = error.downcast::<ParseIntError>().unwrap_err();
        assert_eq!(error.to_string(), "the article 7 is sold out");
        assert_eq!(error.downcast::<SoldOut>().unwrap(), SoldOut(7));
    }

    #[test]
    fn any_other_error_comes_back_as_it_was() {
        let refused = Error::refused(ServerError::new("OOM no memory")).at_index(3);
        let refused = refused.downcast::<SoldOut>().unwrap_err();
        assert_eq!(refused.index(), Some(3));
        assert!(refused.downcast_ref::<ServerError>().is_none());
        assert!(matches!(refused.into_kind(), ErrorKind::Server(_)));
    }

    #[test]
    fn the_box_can_be_taken_out_whatever_is_in_it() {
        let ErrorKind::Custom(text) = Error::custom("sold out").into_kind() else {
            panic!("it is another kind");
        };
        assert_eq!(text.to_string(), "sold out");
    }
}
