//! Against recorded replies.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::replies::wire::decode;

const GET_2: &str = "*2\r\n*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n*3\r\n+@read\r\n\
    +@string\r\n+@fast\r\n*0\r\n*1\r\n*6\r\n$5\r\nflags\r\n*2\r\n+RO\r\n+access\r\n$12\r\nbegin_search\r\n\
    *4\r\n$4\r\ntype\r\n$5\r\nindex\r\n$4\r\nspec\r\n*2\r\n$5\r\nindex\r\n:1\r\n$9\r\nfind_keys\r\n*4\r\n\
    $4\r\ntype\r\n$5\r\nrange\r\n$4\r\nspec\r\n*6\r\n$7\r\nlastkey\r\n:0\r\n$7\r\nkeystep\r\n:1\r\n$5\r\n\
    limit\r\n:0\r\n*0\r\n$-1\r\n";

const GET_3: &str = "*2\r\n*10\r\n$3\r\nget\r\n:2\r\n~2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n~3\r\n+@read\r\n\
    +@string\r\n+@fast\r\n~0\r\n~1\r\n%3\r\n$5\r\nflags\r\n~2\r\n+RO\r\n+access\r\n$12\r\nbegin_search\r\n\
    %2\r\n$4\r\ntype\r\n$5\r\nindex\r\n$4\r\nspec\r\n%1\r\n$5\r\nindex\r\n:1\r\n$9\r\nfind_keys\r\n%2\r\n\
    $4\r\ntype\r\n$5\r\nrange\r\n$4\r\nspec\r\n%3\r\n$7\r\nlastkey\r\n:0\r\n$7\r\nkeystep\r\n:1\r\n$5\r\n\
    limit\r\n:0\r\n~0\r\n_\r\n";

const GET_6: &str = "*2\r\n*7\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n*3\r\n+@read\r\n+@string\r\n\
    +@fast\r\n$-1\r\n";

const CONFIG_2: &str = "*1\r\n*10\r\n$6\r\nconfig\r\n:-2\r\n*0\r\n:0\r\n:0\r\n:0\r\n*1\r\n+@slow\r\n*0\r\n*0\r\n*5\r\n*10\r\n\
    $10\r\nconfig|get\r\n:-3\r\n*4\r\n+admin\r\n+noscript\r\n+loading\r\n+stale\r\n:0\r\n:0\r\n:0\r\n*3\r\n\
    +@admin\r\n+@slow\r\n+@dangerous\r\n*0\r\n*0\r\n*0\r\n*10\r\n$11\r\nconfig|help\r\n:2\r\n*2\r\n\
    +loading\r\n+stale\r\n:0\r\n:0\r\n:0\r\n*1\r\n+@slow\r\n*0\r\n*0\r\n*0\r\n*10\r\n$16\r\n\
    config|resetstat\r\n:2\r\n*4\r\n+admin\r\n+noscript\r\n+loading\r\n+stale\r\n:0\r\n:0\r\n:0\r\n*3\r\n\
    +@admin\r\n+@slow\r\n+@dangerous\r\n*2\r\n$24\r\nrequest_policy:all_nodes\r\n$29\r\n\
    response_policy:all_succeeded\r\n*0\r\n*0\r\n*10\r\n$14\r\nconfig|rewrite\r\n:2\r\n*4\r\n+admin\r\n\
    +noscript\r\n+loading\r\n+stale\r\n:0\r\n:0\r\n:0\r\n*3\r\n+@admin\r\n+@slow\r\n+@dangerous\r\n*2\r\n\
    $24\r\nrequest_policy:all_nodes\r\n$29\r\nresponse_policy:all_succeeded\r\n*0\r\n*0\r\n*10\r\n$10\r\n\
    config|set\r\n:-4\r\n*4\r\n+admin\r\n+noscript\r\n+loading\r\n+stale\r\n:0\r\n:0\r\n:0\r\n*3\r\n\
    +@admin\r\n+@slow\r\n+@dangerous\r\n*2\r\n$24\r\nrequest_policy:all_nodes\r\n$29\r\n\
    response_policy:all_succeeded\r\n*0\r\n*0\r\n";

const CONFIG_3: &str = "*1\r\n*10\r\n$6\r\nconfig\r\n:-2\r\n~0\r\n:0\r\n:0\r\n:0\r\n~1\r\n+@slow\r\n~0\r\n~0\r\n*5\r\n*10\r\n\
    $10\r\nconfig|get\r\n:-3\r\n~4\r\n+admin\r\n+noscript\r\n+loading\r\n+stale\r\n:0\r\n:0\r\n:0\r\n~3\r\n\
    +@admin\r\n+@slow\r\n+@dangerous\r\n~0\r\n~0\r\n*0\r\n*10\r\n$11\r\nconfig|help\r\n:2\r\n~2\r\n\
    +loading\r\n+stale\r\n:0\r\n:0\r\n:0\r\n~1\r\n+@slow\r\n~0\r\n~0\r\n*0\r\n*10\r\n$16\r\n\
    config|resetstat\r\n:2\r\n~4\r\n+admin\r\n+noscript\r\n+loading\r\n+stale\r\n:0\r\n:0\r\n:0\r\n~3\r\n\
    +@admin\r\n+@slow\r\n+@dangerous\r\n~2\r\n$24\r\nrequest_policy:all_nodes\r\n$29\r\n\
    response_policy:all_succeeded\r\n~0\r\n*0\r\n*10\r\n$14\r\nconfig|rewrite\r\n:2\r\n~4\r\n+admin\r\n\
    +noscript\r\n+loading\r\n+stale\r\n:0\r\n:0\r\n:0\r\n~3\r\n+@admin\r\n+@slow\r\n+@dangerous\r\n~2\r\n\
    $24\r\nrequest_policy:all_nodes\r\n$29\r\nresponse_policy:all_succeeded\r\n~0\r\n*0\r\n*10\r\n$10\r\n\
    config|set\r\n:-4\r\n~4\r\n+admin\r\n+noscript\r\n+loading\r\n+stale\r\n:0\r\n:0\r\n:0\r\n~3\r\n\
    +@admin\r\n+@slow\r\n+@dangerous\r\n~2\r\n$24\r\nrequest_policy:all_nodes\r\n$29\r\n\
    response_policy:all_succeeded\r\n~0\r\n*0\r\n";

type Commands = Vec<Option<CommandDetails>>;

#[test]
fn commands_have_flags_and_keys_and_unknown_ones_are_none() {
    for reply in [GET_2, GET_3] {
        let commands: Commands = decode(reply).unwrap();
        assert_eq!(commands.get(1), Some(&None));
        let get = commands.into_iter().next().flatten().unwrap();
        assert_eq!((get.name.as_str(), get.arity), ("get", 2));
        assert!(get.has_flag("readonly") && !get.has_flag("write"));
        assert_eq!((get.first_key, get.last_key, get.step), (1, 1, 1));
        let [spec] = get.key_specs.try_into().unwrap();
        assert_eq!(spec.begin_search, KeySearch::Index(1));
        let range = FindKeys::Range {
            last_key: 0,
            step: 1,
            limit: 0,
        };
        assert_eq!(
            (spec.find_keys, spec.flags),
            (range, vec!["RO".to_owned(), "access".to_owned()])
        );
    }
}

#[test]
fn old_servers_tell_less() {
    let commands: Commands = decode(GET_6).unwrap();
    let get = commands.into_iter().next().flatten().unwrap();
    assert_eq!(get.acl_categories, ["@read", "@string", "@fast"]);
    assert_eq!((get.key_specs.len(), get.subcommands.len()), (0, 0));
}

#[test]
fn subcommands_are_commands() {
    for reply in [CONFIG_2, CONFIG_3] {
        let commands: Vec<CommandDetails> = decode(reply).unwrap();
        let [config] = commands.try_into().unwrap();
        let set = config
            .subcommands
            .iter()
            .find(|command| command.name == "config|set")
            .unwrap();
        assert_eq!(set.arity, -4);
        assert!(set.tips.contains(&"request_policy:all_nodes".to_owned()));
    }
}

#[test]
fn keys_are_found_by_a_word_or_a_number() {
    let spec = "*6\r\n$5\r\nflags\r\n*0\r\n$12\r\nbegin_search\r\n*4\r\n$4\r\ntype\r\n$7\r\nkeyword\r\n$4\r\nspec\r\n*4\r\n\
                $7\r\nkeyword\r\n$7\r\nSTREAMS\r\n$9\r\nstartfrom\r\n:1\r\n$9\r\nfind_keys\r\n*4\r\n$4\r\ntype\r\n$6\r\nkeynum\r\n\
                $4\r\nspec\r\n*6\r\n$9\r\nkeynumidx\r\n:0\r\n$8\r\nfirstkey\r\n:1\r\n$7\r\nkeystep\r\n:1\r\n";
    let spec: KeySpec = decode(spec).unwrap();
    let keyword = KeySearch::Keyword {
        keyword: "STREAMS".to_owned(),
        start_from: 1,
    };
    assert_eq!(spec.begin_search, keyword);
    let keys = FindKeys::KeyNum {
        key_num_index: 0,
        first_key: 1,
        step: 1,
    };
    assert_eq!(spec.find_keys, keys);
}
