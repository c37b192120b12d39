//! What a caller has of what it holds: the guards of locks, permits and leaders, which differ in their words.

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

pub(crate) use guard;
