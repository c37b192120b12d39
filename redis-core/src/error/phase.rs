//! How far a command got: [`Phase`].

/// How far a command got before it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// No part of it reached the server: it was certainly not carried out.
    NotSent,
    /// It was sent, wholly or partly, and no reply came: it may or may not have been carried out.
    MaybeApplied,
    /// The server refused it.
    Refused,
    /// It was carried out; only its reply could not be used.
    Applied,
}
