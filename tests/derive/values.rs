//! One value: newtypes and enums; and generic items.

use std::collections::HashMap;
use std::marker::PhantomData;

use typedis::{FromRedis, ToRedis};

use crate::pairs::Level;
use crate::{arguments, error, frame, records, there_and_back};

#[derive(Debug, Clone, PartialEq, Eq, Hash, FromRedis, ToRedis)]
struct Id(u64);

#[test]
fn a_newtype_is_what_it_holds() {
    assert_eq!(arguments(&Id(7)), ["7"]);
    assert_eq!(arguments(&vec![Id(7), Id(8)]), ["7", "8"]);
    assert_eq!(records(&(Id(7), Id(8))), ["7", "8"]);
    assert_eq!(frame("$1 7").decode::<Id>().unwrap(), Id(7));
    assert_eq!(
        frame("%1 $1 7 +a").decode::<HashMap<Id, String>>().unwrap()[&Id(7)],
        "a"
    );
    assert_eq!(error::<Id>("_"), "expected an integer, got nil");

    #[derive(Debug, PartialEq, FromRedis)]
    struct Done(bool);
    assert_eq!(frame("+OK").decode::<Done>().unwrap(), Done(true));

    #[derive(Debug, PartialEq, FromRedis)]
    struct Maybe(Option<i64>);
    #[derive(Debug, PartialEq, FromRedis)]
    struct Holder {
        maybe: Maybe,
    }
    assert_eq!(
        frame("%0").decode::<Holder>().unwrap(),
        Holder { maybe: Maybe(None) }
    );
}

#[test]
fn an_enum_is_a_word() {
    assert_eq!(
        arguments(&[Level::VeryLow, Level::High]),
        ["very-low", "HIGH"]
    );
    assert_eq!(
        frame("*2 +very-low $4 HIGH")
            .decode::<Vec<Level>>()
            .unwrap(),
        [Level::VeryLow, Level::High]
    );
    assert_eq!(
        error::<Level>("+high"),
        "expected one of `very-low`, `HIGH`, got another word"
    );
    assert_eq!(error::<Level>(":1"), "expected a word, got an integer");
}

#[derive(Debug, PartialEq, FromRedis, ToRedis)]
struct Entry<T, J, const N: usize, M = ()>
where
    T: Clone,
{
    value: T,
    #[redis(json)]
    list: Vec<J>,
    #[redis(skip)]
    mark: PhantomData<M>,
    digits: Digits<N>,
}

#[derive(Debug, PartialEq, FromRedis, ToRedis)]
struct Digits<const N: usize>([u8; N]);

/// Borrowed fields are sent; nobody decodes into them.
#[derive(ToRedis)]
struct Borrowed<'a> {
    name: &'a str,
    note: Option<&'a [u8]>,
}

#[test]
fn items_may_be_generic() {
    let entry = Entry {
        value: 5_i64,
        list: vec!["a".to_owned()],
        mark: PhantomData::<Vec<()>>,
        digits: Digits(*b"123"),
    };
    there_and_back(&entry, &["value", "5", "list", "[\"a\"]", "digits", "123"]);
    assert_eq!(
        records(&Borrowed {
            name: "a",
            note: Some(b"b")
        }),
        ["name", "a", "note", "b"]
    );
}
