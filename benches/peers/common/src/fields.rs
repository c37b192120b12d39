//! The struct of 100 fields that HGETALL is read into, declared once for whatever derive a client has, or has not.

/// Declares a struct of 100 strings, `f0` to `f99`, with the attributes given.
///
/// After `by hand` it has a function to set a field of a name besides, as users of a client without a derive write it.
#[macro_export]
macro_rules! hundred_fields {
    ($(#[$attribute:meta])* $name:ident) => {
        $crate::hundred_fields! { @struct [$(#[$attribute])* $name]
            f0 f1 f2 f3 f4 f5 f6 f7 f8 f9 f10 f11 f12 f13 f14 f15 f16 f17 f18 f19 f20 f21 f22 f23 f24
            f25 f26 f27 f28 f29 f30 f31 f32 f33 f34 f35 f36 f37 f38 f39 f40 f41 f42 f43 f44 f45 f46
            f47 f48 f49 f50 f51 f52 f53 f54 f55 f56 f57 f58 f59 f60 f61 f62 f63 f64 f65 f66 f67 f68
            f69 f70 f71 f72 f73 f74 f75 f76 f77 f78 f79 f80 f81 f82 f83 f84 f85 f86 f87 f88 f89 f90
            f91 f92 f93 f94 f95 f96 f97 f98 f99
        }
    };
    (by hand: $(#[$attribute:meta])* $name:ident) => {
        $crate::hundred_fields! { $(#[$attribute])* #[derive(Default)] $name }
        $crate::hundred_fields! { @set $name
            f0 f1 f2 f3 f4 f5 f6 f7 f8 f9 f10 f11 f12 f13 f14 f15 f16 f17 f18 f19 f20 f21 f22 f23 f24
            f25 f26 f27 f28 f29 f30 f31 f32 f33 f34 f35 f36 f37 f38 f39 f40 f41 f42 f43 f44 f45 f46
            f47 f48 f49 f50 f51 f52 f53 f54 f55 f56 f57 f58 f59 f60 f61 f62 f63 f64 f65 f66 f67 f68
            f69 f70 f71 f72 f73 f74 f75 f76 f77 f78 f79 f80 f81 f82 f83 f84 f85 f86 f87 f88 f89 f90
            f91 f92 f93 f94 f95 f96 f97 f98 f99
        }
    };
    (@struct [$(#[$attribute:meta])* $name:ident] $($field:ident)*) => {
        $(#[$attribute])*
        pub struct $name {
            $(pub $field: String,)*
        }
    };
    (@set $name:ident $($field:ident)*) => {
        impl $name {
            fn set(&mut self, name: &str, value: String) {
                match name {
                    $(stringify!($field) => self.$field = value,)*
                    _ => {}
                }
            }
        }
    };
}
