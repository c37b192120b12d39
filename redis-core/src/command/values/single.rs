//! Single arguments: text, bytes, numbers, and pointers to them.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZero;
use std::rc::Rc;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::command::arg::{ArgWriter, ToArg};
use crate::command::args::{Args, ToArgs};
use crate::error::ArgError;

/// Implements [`ToArgs`] for types that are one argument.
macro_rules! one_argument {
    ($($arg:ty)*) => {$(
        impl ToArgs for $arg {
            fn write_args(&self, out: &mut Args) {
                out.item(self);
            }
        }
    )*};
}

macro_rules! written_as {
    ($write:ident: $($arg:ty)*) => {
        $(impl ToArg for $arg {
            #[inline]
            fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
                out.$write(self);
                Ok(())
            }
        })*
        one_argument!($($arg)*);
    };
}

macro_rules! integers {
    ($($int:ty)*) => {
        $(impl ToArg for $int {
            fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
                out.integer(*self);
                Ok(())
            }
        })*
        one_argument!($($int)*);
        non_zero!($($int)*);
    };
}

macro_rules! non_zero {
    ($($int:ty)*) => {
        $(impl ToArg for NonZero<$int> {
            fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
                out.integer(self.get());
                Ok(())
            }
        })*
        one_argument!($(NonZero<$int>)*);
    };
}

written_as!(text: String);
one_argument!(str);
written_as!(shared: Bytes);
written_as!(bytes: BytesMut);
integers!(i8 i16 i32 i64 i128 isize u16 u32 u64 u128 usize);
non_zero!(u8);
one_argument!(char f32 f64 u8 fmt::Arguments<'_>);

impl ToArg for u8 {
    fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
        out.integer(*self);
        Ok(())
    }

    #[inline]
    fn slice_as_bytes(slice: &[Self]) -> Option<&[u8]> {
        Some(slice)
    }
}

impl ToArg for char {
    fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
        out.text(self.encode_utf8(&mut [0; 4]));
        Ok(())
    }
}

impl ToArg for f64 {
    fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
        out.float(*self)
    }
}

/// Written with as many digits as the `f32` needs: 0.1 is sent as `0.1`.
impl ToArg for f32 {
    fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
        if !self.is_finite() {
            return out.float(f64::from(*self));
        }
        out.text(zmij::Buffer::new().format_finite(*self));
        Ok(())
    }
}

/// Written without a `String` in between: `conn.get(format_args!("user:{id}"))`. A future that holds it is not `Send`: for a
/// task use `arg!` of the crate `typedis`, or `format!`.
impl ToArg for fmt::Arguments<'_> {
    fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
        struct Pieces<'a, 'b>(&'a mut ArgWriter<'b>);
        impl fmt::Write for Pieces<'_, '_> {
            fn write_str(&mut self, piece: &str) -> fmt::Result {
                self.0.text(piece);
                Ok(())
            }
        }
        fmt::write(&mut Pieces(out), *self)
            .map_err(|_| ArgError::new("a value in it could not be formatted"))
    }
}

impl ToArg for [u8] {
    fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
        out.bytes(self);
        Ok(())
    }
}

impl<const N: usize> ToArg for [u8; N] {
    fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
        out.bytes(self);
        Ok(())
    }
}

impl ToArg for Vec<u8> {
    fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
        out.bytes(self);
        Ok(())
    }
}

/// A pointer to a value is sent like the value.
macro_rules! pointers {
    ($($pointer:ty;)*) => {$(
        impl<T: ToArg + ?Sized> ToArg for $pointer {
            #[inline]
            fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
                (**self).write_arg(out)
            }

            #[inline]
            fn once_only(&self) -> bool {
                (**self).once_only()
            }
        }

        pointers_to_lists!($pointer;);
    )*};
}

macro_rules! pointers_to_lists {
    ($($pointer:ty;)*) => {$(
        impl<T: ToArgs + ?Sized> ToArgs for $pointer {
            fn write_args(&self, out: &mut Args) {
                (**self).write_args(out);
            }

            fn is_given(&self) -> bool {
                (**self).is_given()
            }
        }
    )*};
}

pointers! {
    &mut T;
    Box<T>;
    Rc<T>;
    Arc<T>;
}
pointers_to_lists!(&T;);

impl<T: ToArg + ToOwned + ?Sized> ToArg for Cow<'_, T> {
    fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
        (**self).write_arg(out)
    }

    fn once_only(&self) -> bool {
        (**self).once_only()
    }
}

impl<T: ToArgs + ToOwned + ?Sized> ToArgs for Cow<'_, T> {
    fn write_args(&self, out: &mut Args) {
        (**self).write_args(out);
    }

    fn is_given(&self) -> bool {
        (**self).is_given()
    }
}
