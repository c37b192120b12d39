//! How the rows of FT.AGGREGATE are fetched one page after another.

use typedis_core::{Args, FromRedis, IntoRequest, Name, Rows, cmd};

use crate::commands::traits::SearchCommands;
use crate::replies::AggregateResults;

impl<T: FromRedis> Rows for AggregateResults<T> {
    type Row = T;

    fn into_rows(self) -> (Vec<T>, Vec<Name>) {
        (self.rows, self.warnings)
    }

    fn read(first: &Args, cursor: u64) -> Option<Args> {
        let read = cmd().ft_cursor_read::<T>(index(first)?, cursor);
        Some(read.into_request().into_args())
    }

    fn delete(first: &Args, cursor: u64) -> Option<Args> {
        Some(cmd().ft_cursor_del(index(first)?, cursor).into_args())
    }
}

/// The index that a command names, which is its first argument; for raw words it is not known.
fn index(command: &Args) -> Option<Vec<u8>> {
    let name = command.info().words as usize;
    let index = command.to_words().into_iter().nth(name);
    index.filter(|_| name > 0)
}
