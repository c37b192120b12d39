//! What the derives do: types there and back again.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::HashMap;
use std::marker::PhantomData;

use typedis::__core::{Key, Keys, Text};
use typedis::{
    ArgError, ArgWriter, Args, CommandInfo, DecodeError, Frame, FromRedis, Reply, ToArgs,
    ToRecords, ToRedis,
};

static HSET: CommandInfo = CommandInfo::new("HSET", b"$4\r\nHSET\r\n", 1);

fn words(write: impl FnOnce(&mut Args)) -> Vec<String> {
    let mut args = Args::new(&HSET, Keys::Ignored);
    write(&mut args);
    args.to_words()
        .into_iter()
        .skip(1)
        .map(|word| String::from_utf8(word).unwrap())
        .collect()
}

fn records(records: &impl ToRecords<(Text, Text)>) -> Vec<String> {
    words(|out| out.records("records", records))
}

fn arguments(arguments: &impl ToArgs) -> Vec<String> {
    words(|out| out.args("arguments", arguments))
}

/// The words as a server gives them back: a flat array in RESP2, a map in RESP3.
fn replies(words: &[String]) -> [Frame; 2] {
    let bulks: String = words
        .iter()
        .map(|word| format!("${}\r\n{word}\r\n", word.len()))
        .collect();
    [
        format!("*{}\r\n{bulks}", words.len()),
        format!("%{}\r\n{bulks}", words.len() / 2),
    ]
    .map(|wire| Frame::parse(wire).unwrap())
}

fn frame(wire: &str) -> Frame {
    Frame::parse(wire.replace(' ', "\r\n") + "\r\n").unwrap()
}

fn error<T: FromRedis + std::fmt::Debug>(wire: &str) -> String {
    frame(wire)
        .decode::<T>()
        .unwrap_err()
        .to_string()
        .replace("the reply does not fit: ", "")
}

fn there_and_back<T: ToRecords<(Text, Text)> + FromRedis + PartialEq + std::fmt::Debug>(
    value: &T,
    sent: &[&str],
) {
    let words = records(value);
    assert_eq!(words, sent);
    for reply in replies(&words) {
        assert_eq!(reply.decode::<T>().unwrap(), *value);
    }
}

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
enum Level {
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

#[derive(Debug, Clone, Copy, PartialEq, FromRedis, ToRedis)]
struct Point(f64, f64);

#[derive(Debug, Clone, PartialEq, Eq, Hash, FromRedis, ToRedis)]
struct Id(u64);

#[test]
fn a_tuple_struct_is_an_array() {
    assert_eq!(arguments(&Point(1.5, -2.0)), ["1.5", "-2.0"]);
    assert_eq!(
        frame("*2 ,1.5 $2 -2").decode::<Point>().unwrap(),
        Point(1.5, -2.0)
    );
    assert_eq!(
        frame("*4 ,1 ,2 ,3 ,4").decode::<Vec<Point>>().unwrap(),
        [Point(1.0, 2.0), Point(3.0, 4.0)]
    );
    assert_eq!(
        frame("*2 *2 ,1 ,2 *2 ,3 ,4")
            .decode::<Vec<Point>>()
            .unwrap()[1],
        Point(3.0, 4.0)
    );
    assert_eq!(frame("*0").decode::<Option<Point>>().unwrap(), None);
    assert_eq!(
        error::<Point>("*1 ,1"),
        "expected an array of 2, got an array of 1"
    );
    assert_eq!(
        error::<Vec<Point>>("*2 ,1 +x"),
        "[0][1]: expected a number, got a simple string that is none, or too great"
    );
}

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

/// The fields of an array, by their places.
#[derive(FromRedis, Debug, PartialEq)]
#[redis(array)]
struct Visit<T> {
    page: T,
    #[redis(skip)]
    cached: bool,
    #[redis(json)]
    tags: Vec<String>,
    #[redis(default = "one")]
    count: u64,
    referrer: Option<String>,
}

fn one() -> u64 {
    1
}

fn visit(tags: &[&str], count: u64, referrer: Option<&str>) -> Visit<String> {
    Visit {
        page: "home".to_owned(),
        cached: false,
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        count,
        referrer: referrer.map(str::to_owned),
    }
}

#[test]
fn a_struct_is_decoded_from_an_array_whose_end_may_be_missing_or_unknown() {
    let whole = frame("*4 $4 home $5 [\"a\"] :3 $1 x");
    assert_eq!(
        whole.decode::<Visit<String>>().unwrap(),
        visit(&["a"], 3, Some("x"))
    );
    let nil = frame("*4 $4 home $2 [] $1 3 _");
    assert_eq!(nil.decode::<Visit<String>>().unwrap(), visit(&[], 3, None));
    let short = frame("*2 $4 home $2 []");
    assert_eq!(
        short.decode::<Visit<String>>().unwrap(),
        visit(&[], 1, None)
    );
    let newer = frame("*6 $4 home $2 [] :3 $1 x :7 :8");
    assert_eq!(
        newer.decode::<Visit<String>>().unwrap(),
        visit(&[], 3, Some("x"))
    );
    let list = frame("*2 *2 $4 home $2 [] *2 $4 home $2 []");
    assert_eq!(list.decode::<Vec<Visit<String>>>().unwrap().len(), 2);
}

#[test]
fn an_array_that_is_nil_or_empty_is_an_absent_struct() {
    for wire in ["_", "*-1", "*0"] {
        assert_eq!(frame(wire).decode::<Option<Visit<String>>>().unwrap(), None);
    }
}

#[test]
fn errors_in_an_array_name_the_field() {
    assert_eq!(
        error::<Visit<u64>>("*2 $1 x $2 []"),
        "page: expected an integer, got a string that is none"
    );
    assert_eq!(
        error::<Visit<String>>("*1 $4 home"),
        "the field `tags` is missing"
    );
    assert_eq!(
        error::<Visit<String>>("%1 $4 home $2 []"),
        "expected an array, got a map of 1"
    );
    assert_eq!(
        error::<Visit<String>>("$4 home"),
        "expected an array, got a string"
    );
}

/// The expansions name everything by its full path.
mod hygiene {
    #![no_implicit_prelude]
    #![allow(dead_code, non_camel_case_types)]

    /// These names mean other things here.
    struct Option;
    struct Result;
    struct String;
    struct Some;
    struct Ok;

    #[derive(::typedis::FromRedis, ::typedis::ToRedis)]
    struct Map {
        reply: u8,
        out: ::std::option::Option<u8>,
        #[redis(default)]
        value: u8,
        #[redis(json)]
        key: ::std::option::Option<u8>,
        #[redis(skip)]
        field: u8,
    }

    #[derive(::typedis::FromRedis)]
    #[redis(array)]
    struct Row {
        elements: u8,
        slots: ::std::option::Option<u8>,
        #[redis(json)]
        reply: u8,
    }

    #[derive(::typedis::FromRedis, ::typedis::ToRedis)]
    struct Array(u8, u8);

    #[derive(::typedis::FromRedis, ::typedis::ToRedis)]
    struct Newtype(u8);

    #[derive(::typedis::FromRedis, ::typedis::ToRedis)]
    enum Word {
        Ok,
        Some,
        None,
    }

    #[derive(::typedis::FromRedis, ::typedis::ToRedis)]
    struct OnlyFlat {
        #[redis(flatten)]
        map: Map,
    }
}
