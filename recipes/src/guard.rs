//! What locks, semaphores and elections have in common, but for its words: how a caller takes what it is to hold, and the guard that it gets.

/// The settings of what is held for a time, in a field `pace`, and the calls that take it: one that waits and, where it is named, one that does not. What
/// is taken, the method `attempt` of the type says.
macro_rules! taken {
    (
        impl $recipe:ident for $guard:ident;
        $(#[$ttl_attribute:meta])*
        fn ttl;
        $(#[$pause_attribute:meta])*
        fn retry_every;
        $(#[$wait_attribute:meta])*
        async fn $wait:ident;
        $($(#[$once_attribute:meta])* async fn $once:ident;)?
    ) => {
        impl $recipe {
            $(#[$ttl_attribute])*
            pub fn ttl(mut self, ttl: std::time::Duration) -> Self {
                self.pace.ttl = crate::scripts::possible(ttl);
                self
            }

            $(#[$pause_attribute])*
            pub fn retry_every(mut self, pause: std::time::Duration) -> Self {
                self.pace.pause = crate::scripts::possible(pause);
                self
            }

            $(#[$wait_attribute])*
            ///
            /// # Errors
            /// The server could not be asked, or refused; or the time to live is shorter than a round trip
            /// ([`ErrorKind::Usage`](typedis::ErrorKind::Usage)). What the server may have given is given back in the background.
            pub async fn $wait(&self) -> typedis::Result<$guard> {
                let lease = self.attempt()?.wait(self.pace.pause).await?;
                Ok($guard::new(lease))
            }

            $(
                $(#[$once_attribute])*
                ///
                /// # Errors
                #[doc = concat!("As [`", stringify!($wait), "`](Self::", stringify!($wait), ").")]
                pub async fn $once(&self) -> typedis::Result<Option<$guard>> {
                    let taken = self.attempt()?.take().await?;
                    Ok(taken.ok().map($guard::new))
                }
            )?
        }
    };
}

/// A public type around a [`Lease`](crate::lease::Lease): whether it is held, when it is lost, work that ends with it, and giving it back by the method
/// that is named; what has a fencing token names a method for it, too.
macro_rules! guard {
    (
        $(#[$attribute:meta])*
        pub struct $guard:ident($hold:ty): $what:literal, held if $means:literal;
        $(#[$release_attribute:meta])*
        fn $release:ident;
        $($(#[$token_attribute:meta])* fn $token:ident;)?
    ) => {
        $(#[$attribute])*
        pub struct $guard(crate::lease::Lease<$hold>);

        impl $guard {
            fn new(lease: crate::lease::Lease<$hold>) -> Self {
                Self(lease)
            }

            $(
                $(#[$token_attribute])*
                #[must_use]
                pub fn $token(&self) -> u64 {
                    *self.0.given()
                }
            )?

            #[doc = concat!(
                "Whether ", $means, ", as far as this client knows: the server gave or renewed ", $what, " less than its time to live ago."
            )]
            ///
            /// The answer may be out of date when it is used, because a program may be paused at any moment.
            #[must_use]
            pub fn is_held(&self) -> bool {
                self.0.is_held()
            }

            #[doc = concat!("Waits until ", $what, " is lost, and says why.")]
            pub async fn lost(&self) -> $crate::Lost {
                self.0.lost().await
            }

            #[doc = concat!("Runs the work, and drops it if ", $what, " is lost meanwhile.")]
            ///
            /// # Errors
            #[doc = concat!($what, " was lost.")]
            pub async fn run<F: Future>(&self, work: F) -> $crate::Result<F::Output, $crate::Lost> {
                self.0.run(work).await
            }

            $(#[$release_attribute])*
            ///
            /// # Errors
            #[doc = concat!($what, " was lost before; or the server could not be asked, and it expires by itself.")]
            pub async fn $release(self) -> $crate::Result<()> {
                self.0.release().await
            }
        }

        impl std::fmt::Debug for $guard {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let mut fields = f.debug_struct(stringify!($guard));
                $(fields.field(stringify!($token), &self.$token());)?
                fields.field("is_held", &self.is_held()).finish_non_exhaustive()
            }
        }
    };
}

pub(crate) use {guard, taken};
