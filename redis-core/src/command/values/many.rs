//! Several arguments: lists, sets, tuples, options and iterators.

use std::collections::{BTreeSet, HashSet, VecDeque};

use crate::command::ToArg;
use crate::command::args::{Args, ToArgs};
use crate::command::records::{Record, ToRecords};

/// A slice of bytes is one argument; any other slice is one argument for each element.
impl<T: ToArg> ToArgs for [T] {
    fn write_args(&self, out: &mut Args) {
        match T::slice_as_bytes(self) {
            Some(bytes) => out.item(bytes),
            None => self.iter().for_each(|item| out.item(item)),
        }
    }
}

impl<T: ToArg, const N: usize> ToArgs for [T; N] {
    fn write_args(&self, out: &mut Args) {
        self.as_slice().write_args(out);
    }
}

impl<T: ToArg> ToArgs for Vec<T> {
    fn write_args(&self, out: &mut Args) {
        self.as_slice().write_args(out);
    }
}

impl<T: ToArg> ToArgs for VecDeque<T> {
    fn write_args(&self, out: &mut Args) {
        self.iter().for_each(|item| out.item(item));
    }
}

impl<T: ToArg, S> ToArgs for HashSet<T, S> {
    fn write_args(&self, out: &mut Args) {
        self.iter().for_each(|item| out.item(item));
    }
}

impl<T: ToArg> ToArgs for BTreeSet<T> {
    fn write_args(&self, out: &mut Args) {
        self.iter().for_each(|item| out.item(item));
    }
}

/// Nothing is sent.
impl ToArgs for () {
    fn write_args(&self, _: &mut Args) {}
}

/// `None` sends nothing.
impl<T: ToArgs> ToArgs for Option<T> {
    fn write_args(&self, out: &mut Args) {
        if let Some(value) = self {
            value.write_args(out);
        }
    }

    fn is_given(&self) -> bool {
        self.is_some()
    }
}

/// The items of an iterator as arguments or records; what [`each`] returns.
#[derive(Debug, Clone)]
pub struct Each<I>(I);

/// Sends the items of an iterator, without collecting them first.
///
/// ```
/// # extern crate typedis_core as typedis;
/// use typedis::each;
///
/// let ids = [3, 5, 8];
/// let keys = each(ids.iter().map(|id| format!("user:{id}")));
/// # fn takes_args(_: impl typedis::ToArgs) {}
/// # takes_args(keys);
/// ```
///
/// The iterator is cloned for each use, because a command may have to be built again.
pub fn each<I: IntoIterator<IntoIter: Clone>>(items: I) -> Each<I::IntoIter> {
    Each(items.into_iter())
}

impl<I: Iterator<Item: ToArg> + Clone> ToArgs for Each<I> {
    fn write_args(&self, out: &mut Args) {
        self.0.clone().for_each(|item| out.item(&item));
    }
}

impl<S, I: Iterator<Item: Record<S>> + Clone> ToRecords<S> for Each<I> {
    fn write_records(&self, out: &mut Args) {
        self.0.clone().for_each(|record| record.write_record(out));
    }
}

/// The members one after another, each with its own number of arguments.
macro_rules! tuples {
    ($($($T:ident $index:tt),+;)+) => {$(
        impl<$($T: ToArgs),+> ToArgs for ($($T,)+) {
            fn write_args(&self, out: &mut Args) {
                $(self.$index.write_args(out);)+
            }
        }
    )+};
}

tuples! {
    A 0;
    A 0, B 1;
    A 0, B 1, C 2;
    A 0, B 1, C 2, D 3;
    A 0, B 1, C 2, D 3, E 4;
    A 0, B 1, C 2, D 3, E 4, F 5;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11;
}
