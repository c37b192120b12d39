//! Replies of the commands on arrays.

use crate::FromRedis;

/// The reply of ARINFO.
#[derive(Debug, Clone, PartialEq, FromRedis)]
#[redis(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct ArrayInfo {
    /// How many elements are not empty.
    pub count: u64,
    /// The highest index plus one.
    pub len: u64,
    /// The index at which ARINSERT goes on.
    pub next_insert_index: u64,
    /// How many slices it is made of.
    pub slices: u64,
    /// For how many slices there is room in its directory.
    pub directory_size: u64,
    /// How many entries the directory of directories has, 0 if there is none.
    pub super_dir_entries: u64,
    /// How many elements a slice holds.
    pub slice_size: u64,
    /// How many slices are dense, with `full`.
    pub dense_slices: Option<u64>,
    /// How many slices are sparse, with `full`.
    pub sparse_slices: Option<u64>,
    /// The average room in a dense slice, with `full`.
    pub avg_dense_size: Option<f64>,
    /// How much of this room is used on average, with `full`.
    pub avg_dense_fill: Option<f64>,
    /// The average room in a sparse slice, with `full`.
    pub avg_sparse_size: Option<f64>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::replies::wire::decode;

    #[test]
    fn slices_are_described_on_demand() {
        let reply = "%7\r\n+count\r\n:2\r\n+len\r\n:6\r\n+next-insert-index\r\n:6\r\n+slices\r\n:1\r\n\
                     +directory-size\r\n:8\r\n+super-dir-entries\r\n:0\r\n+slice-size\r\n:256\r\n";
        let info: ArrayInfo = decode(reply).unwrap();
        assert_eq!((info.count, info.len, info.slice_size), (2, 6, 256));
        assert_eq!(info.dense_slices, None);
    }
}
