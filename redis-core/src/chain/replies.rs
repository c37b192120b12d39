//! The list of a chain's reply types, `((((), A), B), C)`, and the tuple that it becomes.

use super::outcomes::Outcomes;
use crate::error::Result;
use crate::reply::FromRedis;

/// A list of reply types that becomes a tuple. Up to 16 replies the tuple is flat; with 17 to 32 replies, the first
/// 16 form a nested tuple.
#[diagnostic::on_unimplemented(
    message = "a chain of more than 32 commands has no tuple of replies",
    note = "up to 32 commands can be chained; collect more of them in a `Batch`, or use `pipeline_each`"
)]
pub trait Replies {
    /// What awaiting the chain returns.
    type Tuple;

    /// Takes the replies from the outcomes, in order.
    ///
    /// # Errors
    /// The first failure, with the name and position of its command.
    #[doc(hidden)]
    fn decode(outcomes: &mut Outcomes<'_>) -> Result<Self::Tuple>;
}

impl Replies for () {
    type Tuple = ();

    fn decode(_: &mut Outcomes<'_>) -> Result<()> {
        Ok(())
    }
}

macro_rules! list {
    ($list:ty;) => { $list };
    ($list:ty; $head:ident $($tail:ident)*) => { list!(($list, $head); $($tail)*) };
}

macro_rules! flat {
    ($($reply:ident)*) => {
        impl<$($reply: FromRedis),*> Replies for list!((); $($reply)*) {
            type Tuple = ($($reply,)*);

            fn decode(outcomes: &mut Outcomes<'_>) -> Result<Self::Tuple> {
                Ok(($(outcomes.next::<$reply>()?,)*))
            }
        }
    };
}

macro_rules! nested {
    ($($first:ident)*; $($reply:ident)*) => {
        impl<$($first: FromRedis,)* $($reply: FromRedis),*> Replies for list!((); $($first)* $($reply)*) {
            type Tuple = (($($first,)*), $($reply,)*);

            fn decode(outcomes: &mut Outcomes<'_>) -> Result<Self::Tuple> {
                Ok((($(outcomes.next::<$first>()?,)*), $(outcomes.next::<$reply>()?,)*))
            }
        }
    };
}

macro_rules! each_length {
    ($rule:ident: $($fixed:ident)*; $($done:ident)*;) => {};
    (flat: ; $($done:ident)*; $next:ident $($later:ident)*) => {
        flat!($($done)* $next);
        each_length!(flat: ; $($done)* $next; $($later)*);
    };
    (nested: $($fixed:ident)*; $($done:ident)*; $next:ident $($later:ident)*) => {
        nested!($($fixed)*; $($done)* $next);
        each_length!(nested: $($fixed)*; $($done)* $next; $($later)*);
    };
}

each_length!(flat: ; ; A B C D E F G H I J K L M N O P);
each_length!(nested: A B C D E F G H I J K L M N O P; ; A2 B2 C2 D2 E2 F2 G2 H2 I2 J2 K2 L2 M2 N2 O2 P2);
