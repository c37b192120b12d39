//! Lists of pairs and longer records: `HSET key field value [field value ...]`, `GEOADD key lon lat member …`.

use std::collections::{BTreeMap, HashMap};

use super::arg::{ArgWriter, ToArg};
use super::args::Args;
use crate::error::ArgError;

/// A column that takes anything.
#[derive(Debug, Clone, Copy)]
pub enum Text {}

/// A column that takes numbers.
#[derive(Debug, Clone, Copy)]
pub enum Number {}

/// A column that takes whole numbers from `LOW` to `HIGH`. Others are refused before anything is sent.
#[derive(Debug, Clone, Copy)]
pub enum Within<const LOW: i64, const HIGH: i64> {}

/// A column of keys.
#[derive(Debug, Clone, Copy)]
pub enum Key {}

/// A type that fits a column of a record.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not fit here: the command wants a `{Column}` in this place of each record",
    note = "mind the order within a record: it is the one of the command's syntax, such as (score, member) for ZADD"
)]
pub trait Fits<Column>: ToArg {
    /// Writes the value as one argument.
    fn write(&self, out: &mut Args);
}

impl<T: ToArg> Fits<Text> for T {
    fn write(&self, out: &mut Args) {
        out.item(self);
    }
}

impl<T: ToArg> Fits<Key> for T {
    fn write(&self, out: &mut Args) {
        out.key_item(self);
    }
}

macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl Fits<Number> for $number {
            fn write(&self, out: &mut Args) {
                out.item(self);
            }
        }
    )*};
}

numbers!(i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize f32 f64);

macro_rules! whole_numbers {
    ($($number:ty)*) => {$(
        impl<const LOW: i64, const HIGH: i64> Fits<Within<LOW, HIGH>> for $number {
            fn write(&self, out: &mut Args) {
                match i64::try_from(*self) {
                    Ok(number) if (LOW..=HIGH).contains(&number) => out.item(self),
                    _ => out.item(&OutOfRange(format!("{self} is not from {LOW} to {HIGH}"))),
                }
            }
        }
    )*};
}

whole_numbers!(i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize);

/// A number that is not sent, and why.
struct OutOfRange(String);

impl ToArg for OutOfRange {
    fn write_arg(&self, _: &mut ArgWriter<'_>) -> Result<(), ArgError> {
        Err(ArgError::new(self.0.clone()))
    }
}

impl<T, const LOW: i64, const HIGH: i64> Fits<Within<LOW, HIGH>> for &T
where
    T: Fits<Within<LOW, HIGH>> + ?Sized,
{
    fn write(&self, out: &mut Args) {
        Fits::<Within<LOW, HIGH>>::write(*self, out);
    }
}

impl<T: Fits<Number> + ?Sized> Fits<Number> for &T {
    fn write(&self, out: &mut Args) {
        Fits::<Number>::write(*self, out);
    }
}

/// One record: a tuple whose members fit the columns `S`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a record of `{S}`",
    label = "expected a tuple of `{S}`",
    note = "each record is a tuple, even if there is only one: `[(\"field\", \"value\")]`; two lists are paired one by one: `[(\"stream-1\", \"$\"), (\"stream-2\", \"$\")]`"
)]
pub trait Record<S> {
    /// Writes its members in order.
    fn write_record(&self, out: &mut Args);
}

impl<A: Fits<X>, B: Fits<Y>, X, Y> Record<(X, Y)> for (A, B) {
    fn write_record(&self, out: &mut Args) {
        self.0.write(out);
        self.1.write(out);
    }
}

impl<A: Fits<X>, B: Fits<Y>, C: Fits<Z>, X, Y, Z> Record<(X, Y, Z)> for (A, B, C) {
    fn write_record(&self, out: &mut Args) {
        self.0.write(out);
        self.1.write(out);
        self.2.write(out);
    }
}

impl<S, R: Record<S> + ?Sized> Record<S> for &R {
    fn write_record(&self, out: &mut Args) {
        (**self).write_record(out);
    }
}

/// Any number of records: one tuple, an array, a slice or a `Vec` of tuples, a map, or a struct with
/// `#[derive(ToRedis)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a list of records `{S}`",
    label = "expected tuples of `{S}`",
    note = "what belongs together is one argument, a tuple: `(\"field\", \"value\")` in place of `\"field\", \"value\"`; the order is that of the command's syntax, such as (score, member) for ZADD",
    note = "several are an array, a slice or a `Vec` of tuples, a map, or a struct with `#[derive(ToRedis)]`"
)]
pub trait ToRecords<S> {
    /// Writes the records in order.
    fn write_records(&self, out: &mut Args);

    /// Whether there is something to send: `None` leaves out the option that it is an argument of.
    #[doc(hidden)]
    fn is_given(&self) -> bool {
        true
    }
}

/// `None` is no record.
impl<S, R: ToRecords<S>> ToRecords<S> for Option<R> {
    fn write_records(&self, out: &mut Args) {
        if let Some(records) = self {
            records.write_records(out);
        }
    }

    fn is_given(&self) -> bool {
        self.is_some()
    }
}

impl Args {
    /// Writes records, of which there must be at least one.
    pub fn records<S, A: ToRecords<S> + ?Sized>(&mut self, name: &'static str, records: &A) {
        self.at_least_one(name, |args| args.any_records(name, records));
    }

    /// Writes records that may be absent.
    pub fn any_records<S, A: ToRecords<S> + ?Sized>(&mut self, name: &'static str, records: &A) {
        self.named(name, |args| records.write_records(args));
    }

    /// Writes pairs as two lists of equal length: first all left values, then all right values.
    pub fn columns<S, A: ToRecords<S> + ?Sized>(&mut self, name: &'static str, pairs: &A) {
        let (byte, word) = self.end();
        self.in_place(|args| args.records(name, pairs));
        self.deinterleave(byte, word);
    }
}

impl<A: Fits<X>, B: Fits<Y>, X, Y> ToRecords<(X, Y)> for (A, B) {
    fn write_records(&self, out: &mut Args) {
        self.write_record(out);
    }
}

impl<A: Fits<X>, B: Fits<Y>, C: Fits<Z>, X, Y, Z> ToRecords<(X, Y, Z)> for (A, B, C) {
    fn write_records(&self, out: &mut Args) {
        self.write_record(out);
    }
}

impl<S, R: Record<S>> ToRecords<S> for [R] {
    fn write_records(&self, out: &mut Args) {
        self.iter().for_each(|record| record.write_record(out));
    }
}

impl<S, R: Record<S>, const N: usize> ToRecords<S> for [R; N] {
    fn write_records(&self, out: &mut Args) {
        self.as_slice().write_records(out);
    }
}

impl<S, R: Record<S>> ToRecords<S> for Vec<R> {
    fn write_records(&self, out: &mut Args) {
        self.as_slice().write_records(out);
    }
}

impl<S, R: ToRecords<S> + ?Sized> ToRecords<S> for &R {
    fn write_records(&self, out: &mut Args) {
        (**self).write_records(out);
    }

    fn is_given(&self) -> bool {
        (**self).is_given()
    }
}

impl<K: Fits<X>, V: Fits<Y>, X, Y, H> ToRecords<(X, Y)> for HashMap<K, V, H> {
    fn write_records(&self, out: &mut Args) {
        for (key, value) in self {
            key.write(out);
            value.write(out);
        }
    }
}

impl<K: Fits<X>, V: Fits<Y>, X, Y> ToRecords<(X, Y)> for BTreeMap<K, V> {
    fn write_records(&self, out: &mut Args) {
        for (key, value) in self {
            key.write(out);
            value.write(out);
        }
    }
}
