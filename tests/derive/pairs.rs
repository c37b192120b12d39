//! Structs as pairs.

use std::collections::HashMap;

use typedis::__core::{Key, Keys, Text};
use typedis::{ArgError, ArgWriter, Args, DecodeError, FromRedis, Reply, ToRedis};

use crate::{HSET, error, frame, there_and_back};

#[derive(Debug, Clone, PartialEq, FromRedis, ToRedis)]
#[redis(rename_all = "camelCase")]
struct User {
    full_name: String,
    age: u32,
    #[redis(rename = "mail")]
    email: Option<String>,
    #[redis(default)]
    logins: u64,
    #[redis(default = "Level::lowest")]
    level: Level,
    #[redis(json)]
    roles: Vec<String>,
    #[redis(json)]
    notes: Option<HashMap<String, f64>>,
    #[redis(with = "flag")]
    active: bool,
    #[redis(with = "flag")]
    hidden: Option<bool>,
    #[redis(flatten)]
    address: Address,
    #[redis(skip)]
    cached: Option<u8>,
    r#type: char,
}

#[derive(Debug, Clone, PartialEq, FromRedis, ToRedis)]
struct Address {
    street: String,
    zip: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRedis, ToRedis)]
#[redis(rename_all = "kebab-case")]
pub(crate) enum Level {
    VeryLow,
    #[redis(rename = "HIGH")]
    High,
}

impl Level {
    fn lowest() -> Self {
        Self::VeryLow
    }
}

/// A truth value as `yes` and `no`.
mod flag {
    use super::*;

    pub(super) fn from_redis(reply: Reply<'_>) -> Result<bool, DecodeError> {
        match reply.text().map(|text| text.as_bytes()) {
            Some(b"yes") => Ok(true),
            Some(b"no") => Ok(false),
            _ => Err(DecodeError::expected("yes or no", &reply)),
        }
    }

    pub(super) fn to_redis(flag: &bool, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
        out.text(if *flag { "yes" } else { "no" });
        Ok(())
    }
}

fn user() -> User {
    User {
        full_name: "Ann Lee".to_owned(),
        age: 44,
        email: None,
        logins: 3,
        level: Level::High,
        roles: vec!["admin".to_owned()],
        notes: None,
        active: true,
        hidden: None,
        address: Address {
            street: "Elm".to_owned(),
            zip: None,
        },
        cached: None,
        r#type: 'x',
    }
}

#[test]
fn a_struct_is_pairs() {
    there_and_back(
        &user(),
        &[
            "fullName",
            "Ann Lee",
            "age",
            "44",
            "logins",
            "3",
            "level",
            "HIGH",
            "roles",
            "[\"admin\"]",
            "active",
            "yes",
            "street",
            "Elm",
            "type",
            "x",
        ],
    );
    let full = User {
        email: Some("a@b".to_owned()),
        notes: Some(HashMap::from([("a".to_owned(), 0.5)])),
        hidden: Some(false),
        address: Address {
            street: "Oak".to_owned(),
            zip: Some(7),
        },
        ..user()
    };
    there_and_back(
        &full,
        &[
            "fullName",
            "Ann Lee",
            "age",
            "44",
            "mail",
            "a@b",
            "logins",
            "3",
            "level",
            "HIGH",
            "roles",
            "[\"admin\"]",
            "notes",
            "{\"a\":0.5}",
            "active",
            "yes",
            "hidden",
            "no",
            "street",
            "Oak",
            "zip",
            "7",
            "type",
            "x",
        ],
    );
}

#[test]
fn unknown_fields_are_ignored_and_missing_ones_are_defaults_or_errors() {
    let wire =
        "%8 +extra *1 :1 :5 :6 +fullName +Bo +age :5 +roles $2 [] +active +no +street +s +type +t";
    let user: User = frame(wire).decode().unwrap();
    assert_eq!(
        (user.logins, user.level, user.email, user.cached),
        (0, Level::VeryLow, None, None)
    );
    assert_eq!(
        error::<User>("%1 +fullName +Bo"),
        "the field `age` is missing"
    );
    assert_eq!(
        error::<User>("%2 +fullName +Bo +age +old"),
        "age: expected an integer, got a simple string that is none"
    );
    assert_eq!(
        error::<User>("%2 +age :1 +age :2"),
        "age: the field comes twice"
    );
    assert_eq!(
        error::<User>("%1 +level +medium"),
        "level: expected one of `very-low`, `HIGH`, got another word"
    );
    assert_eq!(
        error::<User>("%1 +roles $1 ["),
        "roles: the JSON is cut short (line 1, column 1)"
    );
    assert_eq!(
        error::<Vec<Address>>("*2 %1 +street +a %1 +street _"),
        "[1].street: expected a string, got nil"
    );
    assert_eq!(
        error::<Address>("*3 +street +a +zip"),
        "expected a map, or pairs in a flat array, got an array of 3"
    );
    assert_eq!(error::<Address>(":5"), "expected a map, got an integer");
}

#[test]
fn a_missing_key_is_none() {
    for wire in ["*0", "%0", "_", "$-1", "*-1"] {
        assert_eq!(
            frame(wire).decode::<Option<Address>>().unwrap(),
            None,
            "{wire}"
        );
    }
    assert_eq!(error::<Address>("%0"), "the field `street` is missing");
    let list: Vec<Option<Address>> = frame("*2 %0 *2 +street +a").decode().unwrap();
    assert_eq!(
        list.iter().map(Option::is_some).collect::<Vec<_>>(),
        [false, true]
    );
}

#[test]
fn a_struct_can_be_several_keys() {
    let mut args = Args::new(&HSET, Keys::Noted);
    args.records::<(Key, Text), _>(
        "pairs",
        &Address {
            street: "Elm".to_owned(),
            zip: Some(1),
        },
    );
    assert_eq!(args.key_positions(), [1, 3]);
}

/// A struct whose type of a field is an argument of a macro.
macro_rules! with_json {
    ($name:ident: $ty:ty) => {
        #[derive(Debug, PartialEq, FromRedis, ToRedis)]
        struct $name {
            #[redis(json)]
            list: $ty,
        }
    };
}

with_json!(FromMacro: Option<Vec<u8>>);

#[test]
fn an_optional_field_is_known_as_one_wherever_its_type_is_written() {
    there_and_back(&FromMacro { list: None }, &[]);
    let some = FromMacro {
        list: Some(vec![1]),
    };
    there_and_back(&some, &["list", "[1]"]);
}

#[derive(Debug, PartialEq, FromRedis, ToRedis)]
struct Tagged<T> {
    tag: u8,
    #[redis(flatten)]
    inner: T,
}

#[derive(Debug, PartialEq, FromRedis, ToRedis)]
struct Twice<T> {
    #[redis(flatten)]
    tagged: Tagged<T>,
}

#[test]
fn the_fields_of_a_generic_type_are_part_of_the_struct() {
    let inner = FromMacro {
        list: Some(vec![1]),
    };
    let tagged = Tagged { tag: 7, inner };
    there_and_back(&tagged, &["tag", "7", "list", "[1]"]);
    there_and_back(&Twice { tagged }, &["tag", "7", "list", "[1]"]);
}

/// Has the name of what an expansion calls the reply.
fn reply() -> u8 {
    7
}

#[derive(Debug, PartialEq, FromRedis, ToRedis)]
struct WithDefaults {
    #[redis(default = "reply")]
    first: u8,
    #[redis(skip, default = "reply")]
    second: u8,
}

#[test]
fn a_default_may_have_any_name() {
    let decoded = frame("%0").decode::<WithDefaults>().unwrap();
    let defaults = WithDefaults {
        first: 7,
        second: 7,
    };
    assert_eq!(decoded, defaults);
}

/// All of its fields may be missing.
#[derive(Debug, Clone, Default, PartialEq, FromRedis, ToRedis)]
struct Contact {
    phone: Option<String>,
    #[redis(rename = "mail")]
    email: Option<String>,
}

#[derive(Debug, Clone, PartialEq, FromRedis, ToRedis)]
struct Customer {
    name: String,
    #[redis(flatten)]
    address: Option<Address>,
    #[redis(flatten)]
    contact: Option<Contact>,
}

fn customer() -> Customer {
    Customer {
        name: "Ann".to_owned(),
        address: None,
        contact: None,
    }
}

#[test]
fn a_struct_within_another_may_be_absent() {
    there_and_back(&customer(), &["name", "Ann"]);
    let address = Address {
        street: "Elm".to_owned(),
        zip: None,
    };
    let at_home = Customer {
        address: Some(address),
        ..customer()
    };
    there_and_back(&at_home, &["name", "Ann", "street", "Elm"]);
    let email = Some("a@b".to_owned());
    let contact = Contact { phone: None, email };
    let written_to = Customer {
        contact: Some(contact),
        ..customer()
    };
    there_and_back(&written_to, &["name", "Ann", "mail", "a@b"]);
    // A part of it is there, so it is not absent.
    assert_eq!(
        error::<Customer>("%2 +name +Ann +zip :7"),
        "the field `street` is missing"
    );
    // Nothing is sent for it, so nothing comes back.
    let unknown = Customer {
        contact: Some(Contact::default()),
        ..customer()
    };
    assert_eq!(crate::records(&unknown), ["name", "Ann"]);
    let decoded = frame("%1 +name +Ann").decode::<Customer>();
    assert_eq!(decoded.unwrap(), customer());
}

#[test]
fn a_struct_that_is_absent_may_be_of_others_itself() {
    there_and_back(
        &Tagged {
            tag: 7,
            inner: None::<Customer>,
        },
        &["tag", "7"],
    );
    let tagged = |inner| Twice {
        tagged: Tagged { tag: 7, inner },
    };
    there_and_back(&tagged(None), &["tag", "7"]);
    let inner = Some(Customer {
        contact: Some(Contact {
            phone: Some("1".to_owned()),
            email: None,
        }),
        ..customer()
    });
    there_and_back(&tagged(inner), &["tag", "7", "name", "Ann", "phone", "1"]);
}

#[derive(Debug, PartialEq, FromRedis)]
struct Place(Address);

#[derive(Debug, PartialEq, FromRedis)]
struct Boxed {
    #[redis(flatten)]
    one: Option<Box<Address>>,
    #[redis(flatten)]
    other: Box<Option<Place>>,
}

#[test]
fn a_struct_in_a_box_may_be_absent_too() {
    let none: Boxed = frame("%1 +name +Ann").decode().unwrap();
    assert_eq!((none.one, *none.other), (None, None));
    let some: Boxed = frame("%1 +street +Elm").decode().unwrap();
    assert!(some.one.is_some() && some.other.is_some());
}

/// What is left of the fields.
#[derive(Debug, PartialEq, FromRedis)]
struct Open {
    name: String,
    #[redis(flatten)]
    all: Option<HashMap<String, String>>,
}

#[test]
fn a_map_within_a_struct_takes_what_there_is() {
    let open: Open = frame("%2 +name +Ann +x +y").decode().unwrap();
    assert_eq!(open.all.unwrap().len(), 2);
}

#[derive(Debug, PartialEq, FromRedis)]
struct Home(Option<Address>);

#[derive(Debug, PartialEq, FromRedis)]
struct Guest {
    name: String,
    #[redis(flatten)]
    home: Home,
}

#[test]
fn a_struct_in_a_newtype_may_be_absent_too() {
    let none: Guest = frame("%1 +name +Ann").decode().unwrap();
    assert_eq!(none.home, Home(None));
    let some: Guest = frame("%2 +name +Ann +street +Elm").decode().unwrap();
    assert!(some.home.0.is_some());
    assert_eq!(
        error::<Guest>("%2 +name +Ann +zip :7"),
        "the field `street` is missing"
    );
}
