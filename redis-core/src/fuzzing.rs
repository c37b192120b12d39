//! What the fuzz targets need of the inside of this crate: `cargo xtask fuzz`. It exists with the feature `fuzzing` only, and
//! is no part of the public interface.

use crate::cluster::Topology;
use crate::config::Address;
use crate::error::DecodeError;
use crate::reply::Reply;
use crate::wire::Limits;
use crate::wire::scan::{Found, FrameKind, Scanner};

pub use crate::cluster::fuzzing::topology;

/// Where one frame ends, counted from the first byte of all, whether it is a push, and whether pushes are within it.
pub type End = (usize, bool, bool);
