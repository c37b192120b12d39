//! One expansion for each shape of the notation, as text that a reviewer can read. Each snapshot contains its row.

#![allow(clippy::panic, clippy::unwrap_used)]

use super::Facade;
use crate::commands::check;
use crate::places::Places;

/// The common tables of these tests.
const HEAD: &str = r#"
[types]
key = "key"
value = "value"
field = "value"
member = "value"
longitude = "f64"
latitude = "f64"
numkeys = "count"
count = "u64"
offset = "u64"
arg = "args"
id = "value"
seconds = "Seconds"
timeout = "Timeout"
[examples]
Seconds = "60"
Timeout = "0.5"
"#;

/// The expansion of a row, formatted.
fn expansion(row: &str) -> String {
    let (_, model) = check(&format!("{HEAD}{row}"), "commands.toml")
        .unwrap_or_else(|found| panic!("{found:#?}"));
    let tokens = super::groups(&model, &Facade::default(), &Places::default());
    let file = syn::parse2(tokens).unwrap();
    prettyplease::unparse(&file)
}

/// A text without comments and names for the search, and without what only formatting decides: blanks, braces, commas,
/// and the paths of names.
fn squeezed(text: &str) -> String {
    let is_left_out = |line: &&str| {
        ["//", "#[doc(alias"]
            .iter()
            .any(|start| line.trim().starts_with(start))
    };
    let lines = text.lines().filter(|line| !is_left_out(line));
    let mut text: String = lines.flat_map(str::split_whitespace).collect();
    let paths = [
        "rt::state::",
        "rt::",
        "::std::marker::",
        "::core::option::Option::",
        "::core::option::",
        "::core::convert::",
    ];
    for path in paths {
        text = text.replace(path, "");
    }
    text.replace(['{', '}', ';', ','], "")
}

#[test]
fn the_expansions_that_the_page_about_the_spec_prints_are_true() {
    let page = include_str!("../../../docs/spec.md");
    let rows = r#"
[string.incr]
doc = "Adds one to the integer at `key`, which counts as 0 when absent."
syntax = "INCR key"
reply = "i64"
[string.set]
doc = "Sets."
syntax = "SET key value [NX | XX] [GET] [EX seconds | PX px:u64]"
reply = "()"
replies = [["GET", "Option<T>"], ["NX | XX", "bool"]]
names = { GET = "return_old" }
"#;
    let expansion = squeezed(&expansion(rows));
    let blocks: Vec<&str> = page.split("```rust,ignore\n").skip(1).collect();
    assert_eq!(blocks.len(), 2);
    for block in blocks {
        let block = block.split("```").next().unwrap();
        // What is left out, and what has its rest left out, is compared up to there.
        for part in block.split("{ … }") {
            for part in part.split("\n\n") {
                let part = part.trim().trim_end_matches(['}', ' ', '\n']);
                let part = squeezed(part.trim_start_matches(['}', ' ', '\n']));
                assert!(expansion.contains(&part), "{part}\n\n{expansion}");
            }
        }
    }
}

macro_rules! shapes {
    ($($(#[doc = $doc:literal])* $name:ident: $row:literal;)*) => {$(
        $(#[doc = $doc])*
        #[test]
        fn $name() {
            insta::with_settings!({ description => $row.trim(), omit_expression => true, prepend_module_to_snapshot => false }, {
                insta::assert_snapshot!(stringify!($name), expansion($row));
            });
        }
    )*};
}

shapes! {
    plain: r#"
[string.incr]
doc = "Adds one to the integer at `key`."
syntax = "INCR key"
reply = "i64"
flags = "write fast"
since = "1.0.0"
"#;
    /// The table in which raw commands are looked up: the rows that a shared connection does not accept, and commands
    /// without a row.
    known: r#"
[list.blpop]
doc = "Waits for an element."
syntax = "BLPOP key [key ...] timeout"
reply = "Option<T>"
blocking = "timeout"
[list.blmpop]
doc = "Waits for elements."
syntax = "BLMPOP timeout numkeys key [key ...] [COUNT count]"
reply = "Option<T>"
blocking = "timeout"
[stream.xread]
doc = "Reads entries."
syntax = "XREAD [BLOCK timeout] STREAMS key id"
reply = "Option<T>"
blocking = "BLOCK"
[connection.client_setname]
doc = "Names the connection."
syntax = "CLIENT SETNAME value"
reply = "()"
state = "name"
[string.get]
doc = "Reads the string at `key`."
syntax = "GET key"
reply = "Option<T>"
[refused]
SUBSCRIBE = "its replies are pushed"
"CLIENT REPLY" = "nothing can be awaited"
"#;
    choice_of_reply: r#"
[string.get]
doc = "Reads the string at `key`."
syntax = "GET key"
reply = "Option<T>"
flags = "readonly fast"
"#;
    key_list: r#"
[generic.del]
doc = "Deletes keys."
syntax = "DEL key [key ...]"
reply = "u64"
request_policy = "multi_shard"
response_policy = "agg_sum"
"#;
    counted_keys: r#"
[sorted_set.zintercard]
doc = "Counts what is in all of them."
syntax = "ZINTERCARD numkeys key [key ...] [LIMIT count]"
reply = "u64"
flags = "readonly"
"#;
    counted_keys_that_may_be_none: r#"
[scripting.fcall]
doc = "Calls a function."
syntax = "FCALL function:value numkeys [key [key ...]] arg"
reply = "T"
"#;
    records: r#"
[geo.geoadd]
doc = "Adds members with their positions."
syntax = "GEOADD key longitude latitude member [longitude latitude member ...]"
reply = "u64"
"#;
    records_of_a_range: r#"
[top_k.topk_incrby]
doc = "Counts items."
syntax = "TOPK.INCRBY key field increment:0..=100000 [field increment ...] [PAIRS member weight:-5..=5 [member weight ...]]"
reply = "()"
options.PAIRS = { doc = "Further ones." }
"#;
    columns: r#"
[stream.xread]
doc = "Reads entries of streams."
syntax = "XREAD STREAMS key [key ...] id [id ...]"
reply = "Option<T>"
flags = "readonly"
"#;
    flag_option: r#"
[generic.copy]
doc = "Copies a key."
syntax = "COPY source:key destination:key [REPLACE]"
reply = "bool"
options.REPLACE = { doc = "Replaces what is there." }
"#;
    option_with_arguments: r#"
[sorted_set.zrangebylex]
doc = "Members between two names."
syntax = "ZRANGEBYLEX key min:value max:value [LIMIT offset count]"
reply = "Vec<T>"
"#;
    exclusive_group: r#"
[string.getex]
doc = "Reads the string at `key` and changes its expiry."
syntax = "GETEX key [EX seconds | PERSIST]"
reply = "Option<T>"
"#;
    required_choice: r#"
[geo.geosearch]
doc = "Finds members near a place."
syntax = "GEOSEARCH key <FROMMEMBER member | FROMLONLAT longitude latitude> [ASC | DESC]"
reply = "Vec<T>"
"#;
    nested_option: r#"
[geo.georadius_ro]
doc = "Finds members near a place."
syntax = "GEORADIUS_RO key [COUNT count [ANY]]"
reply = "Vec<T>"
"#;
    repeatable_option: r#"
[generic.sort_ro]
doc = "Sorts."
syntax = "SORT_RO key [GET pattern:value [GET pattern ...]]"
reply = "Vec<T>"
replies = [["GET", "Vec<Option<T>>"]]
names = { GET = "get_pattern" }
"#;
    reply_changing_options: r#"
[string.set]
doc = "Sets `key` to `value`."
syntax = "SET key value [NX | XX] [GET]"
reply = "()"
replies = [["GET", "Option<T>"], ["NX | XX", "bool"]]
names = { GET = "return_old" }
idempotent = true
options.NX = { doc = "Only if it does not exist.", idempotent = false }
"#;
    option_that_drops_the_choice_of_reply: r#"
[generic.sort]
doc = "Sorts."
syntax = "SORT key [STORE destination:key]"
reply = "Vec<T>"
replies = [["STORE", "u64"]]
"#;
    requires_and_conflicts: r#"
[sorted_set.zrange]
doc = "Members in a range."
syntax = "ZRANGE key start:value stop:value [BYSCORE | BYLEX] [LIMIT offset count] [WITHSCORES]"
reply = "Vec<T>"
requires = { LIMIT = "BYSCORE | BYLEX" }
conflicts = [["WITHSCORES", "BYLEX"]]
"#;
    blocking: r#"
[list.blpop]
doc = "Takes the first element, and waits for one."
syntax = "BLPOP key [key ...] timeout"
reply = "Option<(K, V)>"
blocking = "timeout"
"#;
    blocking_by_option: r#"
[stream.xread]
doc = "Reads entries of streams."
syntax = "XREAD [BLOCK timeout] STREAMS key [key ...] id [id ...]"
reply = "Option<T>"
blocking = "BLOCK"
"#;
    state: r#"
[connection.select]
doc = "Selects a database."
syntax = "SELECT index:u32"
reply = "()"
state = "database"
"#;
    bare_option: r#"
[list.lpop]
doc = "Takes the first element."
syntax = "LPOP key [count]"
reply = "Option<T>"
replies = [["count", "Option<Vec<T>>"]]
"#;
    option_before_required: r#"
[hash.hexpire]
doc = "Lets fields expire."
syntax = "HEXPIRE key seconds [NX | XX] FIELDS numkeys field [field ...]"
reply = "Vec<i64>"
"#;
    deprecated: r#"
[string.setex]
doc = "Sets `key` to `value` for this many seconds."
syntax = "SETEX key seconds value"
reply = "()"
since = { redis = "2.0.0" }
deprecated = "`set` with `ex`"
complexity = "O(1)"
"#;
    enum_parameter: r#"
[enums]
ListEnd = ["LEFT", "RIGHT"]
[list.lmove]
doc = "Moves an element."
syntax = "LMOVE source:key destination:key from:<LEFT | RIGHT> to:<LEFT | RIGHT>"
reply = "Option<T>"
"#;
    named_type: r#"
[generic.expire]
doc = "Lets a key expire."
syntax = "EXPIRE key seconds"
reply = "bool"
"#;
    raw_tail: r#"
[server.command_getkeys]
doc = "The keys of a command."
syntax = "COMMAND GETKEYS command:value arg"
reply = "Vec<T>"
"#;
}

/// The same commands as one trait: a module, with the enums in it.
#[test]
fn one_trait() {
    let row = r#"
[enums]
ListEnd = ["LEFT", "RIGHT"]
[shop.reserve]
doc = "Reserves an item."
syntax = "SHOP.RESERVE key end:<LEFT | RIGHT>"
reply = "bool"
[stock.count]
doc = "Counts the items."
syntax = "SHOP.COUNT key [ALL]"
reply = "u64"
"#;
    let (_, model) =
        check(&format!("{HEAD}{row}"), "shop.toml").unwrap_or_else(|found| panic!("{found:#?}"));
    let tokens = super::one_trait(
        &model,
        &Facade::default(),
        &Places::default(),
        &syn::parse_quote!(pub),
        &syn::parse_quote!(ShopCommands),
    );
    let text = prettyplease::unparse(&syn::parse2(tokens).unwrap());
    insta::with_settings!({ description => row.trim(), omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("one_trait", text);
    });
}

#[test]
fn an_expansion_names_the_facade_where_the_input_says_that_it_is() {
    let row = r#"
[enums]
ListEnd = ["LEFT", "RIGHT"]
[shop.reserve]
doc = "Reserves an item."
syntax = "SHOP.RESERVE key end:<LEFT | RIGHT> <ALL | ONE value> [EX seconds | PX px:u64]"
reply = "bool"
"#;
    let (_, model) = check(&format!("{HEAD}{row}"), "shop.toml").unwrap();
    let facade = Facade::new(syn::parse_quote!(self::kv));
    let (places, vis) = (Places::default(), syn::parse_quote!(pub));
    let expansion = super::one_trait(
        &model,
        &facade,
        &places,
        &vis,
        &syn::parse_quote!(ShopCommands),
    );
    let text = expansion.to_string();
    assert!(!text.contains("typedis"), "{text}");
    assert!(text.contains("use super :: kv :: __core as rt"), "{text}");
    let text = super::groups(&model, &facade, &places).to_string();
    assert!(!text.contains(":: typedis"), "{text}");
}

/// The engine decides by the types of times what is sent again; the documentation says so of each of them.
#[test]
fn the_documentation_names_the_times_with_which_nothing_is_sent_again() {
    let row = r#"
[generic.expireat]
doc = "Lets a key expire."
syntax = "EXPIREAT key moment:UnixSeconds"
reply = "bool"
idempotent = true
[string.set]
doc = "Sets `key` to `value`."
syntax = "SET key value [EX seconds]"
reply = "()"
idempotent = true
[generic.restore]
doc = "Makes a key of what DUMP replied."
syntax = "RESTORE key seconds value"
reply = "()"
"#;
    // It continues the table of examples.
    let text = expansion(&format!("UnixSeconds = \"60\"\n{row}"));
    let count = |part: &str| text.matches(part).count();
    assert_eq!(count("does no harm. Not with a moment that"), 1);
    assert_eq!(count("does no harm.\n"), 1);
    assert_eq!(count("With a time of 0 or less, it keeps"), 1);
}
