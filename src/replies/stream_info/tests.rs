//! Against recorded replies.
