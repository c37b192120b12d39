//! What a server holds before a call. The names are those of `[examples]` in the spec.

use crate::cases::Case;

/// What a call finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// Keys of the right type that hold what the call asks for.
    Hit,
    /// No key at all.
    Miss,
    /// Keys of the right type that hold nothing of what the call asks for.
    Empty,
    /// Keys of another type.
    WrongType,
}

impl Found {
    /// The states that a call is made in.
    pub(crate) fn states(case: &Case) -> &'static [Self] {
        match case {
            // It would go to whatever listens at the example's port.
            case if case.keys.is_empty() || case.is("MIGRATE") => {
                &[Self::Hit, Self::Miss, Self::Empty]
            }
            _ => &[Self::Hit, Self::Miss, Self::Empty, Self::WrongType],
        }
    }
}

/// The commands that prepare the keys for a call.
pub(crate) fn seeds(case: &Case, found: Found) -> Vec<Vec<String>> {
    if found == Found::WrongType {
        return of_another_type(case);
    }
    let seed = SEEDS.iter().find(|(calls, ..)| case.is(calls));
    let Some((_, hit, empty)) = seed else {
        return Vec::new();
    };
    match found {
        Found::Hit => commands(hit),
        Found::Empty => commands(empty),
        Found::Miss | Found::WrongType => Vec::new(),
    }
}

/// The commands that make each key of a call a list where it should be a string, and a string where it should not;
/// scripts are there, which take keys of any type.
fn of_another_type(case: &Case) -> Vec<Vec<String>> {
    let words = case.text();
    let command = match case.group {
        "string" | "bitmap" | "hyperloglog" => "RPUSH",
        _ => "SET",
    };
    let make = |key: &usize| [command, &words[*key], "other"].map(str::to_owned).to_vec();
    let mut seeds = match case.group {
        "scripting" => seeds(case, Found::Hit),
        _ => Vec::new(),
    };
    seeds.extend(case.keys.iter().map(make));
    seeds.dedup();
    seeds
}

/// What the connection of a call does before it, and after it.
pub(crate) fn around(case: &Case) -> [Vec<Vec<String>>; 2] {
    let around = AROUND.iter().find(|(calls, ..)| case.is(calls));
    around.map_or([Vec::new(), Vec::new()], |(_, before, after)| {
        [commands(before), commands(after)]
    })
}

/// What a command of a seed begins with if it may be refused.
pub(crate) const MAY_FAIL: char = '?';

/// Commands divided by semicolons, in words divided by blanks; `""` is an empty word, `%20` a blank in a word.
fn commands(text: &str) -> Vec<Vec<String>> {
    let word = |word: &str| match word {
        "\"\"" => String::new(),
        word => word.replace("%20", " ").replace("%0A", "\n"),
    };
    text.split("; ")
        .filter(|line| !line.is_empty())
        .map(|line| line.split(' ').map(word).collect())
        .collect()
}

/// Calls, what makes a hit, what makes an empty reply. The first entry that names the call counts.
const SEEDS: &[(&str, &str, &str)] = &[
    (
        "SET | DELIFEQ | DELEX IFEQ | DELEX IFDEQ",
        "SET key value",
        "SET key \"\"",
    ),
    (
        "LCS | STRALGO LCS",
        "SET key ohmytext; SET other mynewtext",
        "SET key \"\"; SET other \"\"",
    ),
    (
        "@string",
        "SET key 5; SET key2 6",
        "SET key \"\"; SET key2 \"\"",
    ),
    ("KEYS | SCAN", "SET user:1 5", "SET other 5"),
    (
        "EXPIRE XX | EXPIRE GT | EXPIREAT XX | EXPIREAT GT | PEXPIRE XX | PEXPIRE GT | PEXPIREAT XX | PEXPIREAT GT | \
         TTL | PTTL | EXPIRETIME | PEXPIRETIME | PERSIST",
        "SET key 5 EX 10",
        "SET key 5",
    ),
    (
        "SORT | SORT_RO",
        "RPUSH key 3 1 2; MSET weight:1 9 weight:2 8 weight:3 7 name:1 one name:2 two name:3 three",
        "RPUSH key 1",
    ),
    (
        "OBJECT FREQ",
        "CONFIG SET maxmemory-policy allkeys-lfu; SET key value",
        "",
    ),
    (
        "OBJECT IDLETIME",
        "RESTORE key 0 \0\u{4}afsm\t\0^FRLwI~l IDLETIME 60",
        "SET key 5",
    ),
    // A test of its own moves a key between two servers.
    ("MIGRATE", "", ""),
    ("@generic", "SET key 5; SET key2 6", "SET key \"\""),
    (
        "HEXPIRE XX | HEXPIRE GT | HEXPIREAT XX | HEXPIREAT GT | HPEXPIRE XX | HPEXPIRE GT | HPEXPIREAT XX | \
         HPEXPIREAT GT | HTTL | HPTTL | HEXPIRETIME | HPEXPIRETIME | HPERSIST",
        "HSET key field 5 field2 6; HEXPIRE key 10 FIELDS 2 field field2",
        "HSET key field 5",
    ),
    ("@hash", "HSET key field 5 field2 6", "HSET key none none"),
    (
        "@list",
        "RPUSH key first element element2; RPUSH key2 element",
        "RPUSH key none; RPUSH key2 none",
    ),
    (
        "@set",
        "SADD key member member2; SADD key2 member2",
        "SADD key none; SADD key2 nothing",
    ),
    (
        "ZRANGE BYLEX | ZRANGESTORE BYLEX | ZRANGEBYLEX | ZREVRANGEBYLEX | ZLEXCOUNT | ZREMRANGEBYLEX",
        "ZADD key 0 a 0 b",
        "ZADD key 0 none",
    ),
    (
        "@sorted_set",
        "ZADD key 0.5 first 1 member 1.5 a 3 member2; ZADD key2 2 member2",
        "ZADD key 99 none; ZADD key2 99 nothing",
    ),
    ("GETBIT | SETBIT", "SETBIT key 0 1", "SET key \"\""),
    ("@bitmap", "SET key abcd; SET key2 b", "SET key \"\""),
    (
        "@hyperloglog",
        "PFADD key element; PFADD key2 other",
        "PFADD key",
    ),
    (
        "GEOADD",
        "GEOADD key 1 1 member 2 2 member2",
        "GEOADD key -100 -50 none",
    ),
    (
        "@geo",
        "GEOADD key 13.361389 38.115556 Palermo 15.087269 37.502669 Catania 13.3 38.1 member",
        "GEOADD key -100 -50 none",
    ),
    (
        "XGROUP CREATE",
        "XADD key 1-1 field value",
        "XADD key 1-1 field value; XDEL key 1-1",
    ),
    (
        "XGROUP CREATECONSUMER",
        "XADD key 1-1 field value; XGROUP CREATE key workers 0",
        "XADD key 1-1 field value; XGROUP CREATE key workers 0; XGROUP CREATECONSUMER key workers worker-1",
    ),
    // Read by every group, and nothing pending.
    (
        "XTRIM ACKED",
        "XADD key 1-1 field value; XADD key 2-1 field value; XGROUP CREATE key workers 2-1",
        "XADD key 1-1 field value; XDEL key 1-1",
    ),
    (
        "@stream",
        "XADD key 1-1 field value; XADD key 2-1 field value; XGROUP CREATE key workers 0; \
         XREADGROUP GROUP workers worker-1 COUNT 1 STREAMS key >; XCLAIM key workers worker-1 0 1-1 IDLE 100000 JUSTID",
        // What is pending is no longer there.
        "XADD key 1-1 field value; XGROUP CREATE key workers 0; XREADGROUP GROUP workers worker-1 STREAMS key >; \
         XCLAIM key workers worker-1 0 1-1 IDLE 100000 JUSTID; XDEL key 1-1",
    ),
    ("AROP MATCH", "ARSET key 2 value", "ARSET key 90 none"),
    ("AROP", "ARSET key 2 5", "ARSET key 90 none"),
    // ARINSERT sets the cursor, which ARNEXT and ARLASTITEMS go by.
    (
        "@array",
        "ARINSERT key user:1 user:2 user:3 user:4",
        "ARSET key 90 none",
    ),
    (
        "EVALSHA | EVALSHA_RO | SCRIPT EXISTS | SCRIPT SHOW",
        "SCRIPT LOAD return%20ARGV[1]",
        "",
    ),
    ("FUNCTION LOAD", "FUNCTION FLUSH", ""),
    (
        "FCALL | FCALL_RO | FUNCTION DELETE | FUNCTION DUMP | FUNCTION LIST",
        "FUNCTION LOAD REPLACE #!lua%20name=mylib%0Aredis.register_function{function_name='f',callback=function(keys,args)%20\
         return%20args[1]%20end,flags={'no-writes'}}",
        "FUNCTION FLUSH",
    ),
    ("ACL DELUSER", "ACL SETUSER alice; ACL SETUSER bob", ""),
    ("ACL LOG", "?AUTH nobody wrong", ""),
    (
        "LATENCY DOCTOR | LATENCY GRAPH | LATENCY HISTORY | LATENCY LATEST | LATENCY RESET",
        "CONFIG SET latency-monitor-threshold 1; DEBUG SLEEP 0.002",
        "",
    ),
    (
        "BGSAVE CANCEL",
        "CONFIG SET rdb-key-save-delay 1000000; MSET key 5 other 5; BGSAVE",
        "",
    ),
    // A key of slot 100.
    (
        "CLUSTER COUNTKEYSINSLOT | CLUSTER GETKEYSINSLOT | CLUSTER FLUSHSLOT | CLUSTERSCAN",
        "SET user:6980 5",
        "",
    ),
    (
        "CLUSTER GETSLOTMIGRATIONS | CLUSTER CANCELSLOTMIGRATIONS",
        "CLUSTER MIGRATESLOTS SLOTSRANGE 0 5 NODE 07c37dfeb235213a872192d90877d0cd55635b91",
        "",
    ),
    (
        "SENTINEL REMOVE",
        "SENTINEL MONITOR other 127.0.0.1 6379 1",
        "",
    ),
    ("MEMORY USAGE", "SET key 5", "SET key \"\""),
    ("DBSIZE", "SET key 5", ""),
    ("FT.CREATE", "", ""),
    (
        "FT.ALIASDEL | FT.ALIASUPDATE",
        "FT.CREATE idx SCHEMA title TEXT; FT.ALIASADD name idx",
        "FT.CREATE idx SCHEMA title TEXT",
    ),
    (
        "FT.DICTDEL | FT.DICTDUMP",
        "FT.DICTADD dict hello hello2",
        "FT.DICTADD dict other",
    ),
    (
        "FT.SPELLCHECK",
        "FT.CREATE idx SCHEMA title TEXT; HSET doc:1 title hello; FT.DICTADD dict help",
        "FT.CREATE idx SCHEMA title TEXT; FT.DICTADD dict help",
    ),
    (
        "FT.SUGADD | FT.SUGDEL | FT.SUGGET | FT.SUGLEN",
        "FT.SUGADD key hello 1 PAYLOAD payload; FT.SUGADD key help 2",
        "FT.SUGADD key other 1",
    ),
    (
        "FT.SYNDUMP",
        "FT.CREATE idx SCHEMA title TEXT; FT.SYNUPDATE idx greeting hello",
        "FT.CREATE idx SCHEMA title TEXT",
    ),
    (
        "FT.TAGVALS",
        "FT.CREATE idx SCHEMA tag TAG; HSET doc:1 tag red,blue",
        "FT.CREATE idx SCHEMA tag TAG",
    ),
    (
        "FT.SEARCH EXPAND",
        "FT.CREATE idx ON JSON PREFIX 1 doc: SCHEMA $.title AS title TEXT; JSON.SET doc:1 $ {\"title\":\"hello\"}; \
         FT.CONFIG SET DEFAULT_DIALECT 3",
        "FT.CREATE idx ON JSON PREFIX 1 doc: SCHEMA $.title AS title TEXT",
    ),
    (
        "@search",
        "FT.CREATE idx ON HASH PREFIX 1 doc: PAYLOAD_FIELD payload SCHEMA title TEXT price NUMERIC SORTABLE location GEO; \
         HSET doc:1 title hello price 5 location 13.3,38.1 payload payload",
        "FT.CREATE idx ON HASH PREFIX 1 doc: SCHEMA title TEXT price NUMERIC SORTABLE location GEO",
    ),
    (
        "JSON.ARRAPPEND | JSON.ARRINDEX | JSON.ARRINSERT | JSON.ARRLEN | JSON.ARRPOP | JSON.ARRTRIM",
        "JSON.SET key $ [1,2,3]",
        "JSON.SET key $ []",
    ),
    (
        "JSON.NUMINCRBY | JSON.NUMMULTBY | JSON.NUMPOWBY",
        "JSON.SET key $ 5",
        "JSON.SET key $ []",
    ),
    (
        "JSON.STRAPPEND | JSON.STRLEN",
        "JSON.SET key $ \"text\"",
        "JSON.SET key $ []",
    ),
    ("JSON.TOGGLE", "JSON.SET key $ false", "JSON.SET key $ []"),
    (
        "@json",
        "JSON.SET key $ {\"name\":\"Eve\"}",
        "JSON.SET key $ {}",
    ),
    ("TS.CREATE", "", ""),
    (
        "TS.CREATERULE",
        "TS.CREATE key; TS.CREATE other",
        "TS.CREATE key; TS.CREATE other",
    ),
    (
        "TS.DELETERULE",
        "TS.CREATE key; TS.CREATE other; TS.CREATERULE key other AGGREGATION AVG 1000",
        "TS.CREATE key; TS.CREATE other",
    ),
    ("TS.MADD", "TS.CREATE key; TS.CREATE key2", "TS.CREATE key"),
    (
        "@timeseries",
        "TS.CREATE key LABELS area north area2 south; TS.ADD key 1000 1; TS.ADD key 1500 1.5",
        "TS.CREATE key LABELS area north",
    ),
    (
        "@vector_set",
        "VADD key VALUES 2 1.0 0.5 element SETATTR {\"year\":1990}; VADD key VALUES 2 1.0 0.4 near SETATTR {\"year\":1990}",
        "VADD key VALUES 2 9 9 none",
    ),
    ("BF.RESERVE", "", ""),
    ("@bloom", "BF.MADD key item item2", "BF.RESERVE key 0.01 10"),
    ("CF.RESERVE", "", ""),
    (
        "@cuckoo",
        "CF.INSERT key ITEMS item item2",
        "CF.RESERVE key 10",
    ),
    ("CMS.INITBYDIM | CMS.INITBYPROB", "", ""),
    (
        "@count_min",
        "CMS.INITBYDIM key 8 7; CMS.INITBYDIM key2 8 7; CMS.INITBYDIM other 8 7; CMS.INCRBY key item 1 item2 2",
        "CMS.INITBYDIM key 8 7",
    ),
    ("TOPK.RESERVE", "", ""),
    (
        "TOPK.ADD | TOPK.INCRBY",
        "TOPK.RESERVE key 1; TOPK.ADD key driven",
        "TOPK.RESERVE key 3",
    ),
    (
        "@top_k",
        "TOPK.RESERVE key 3; TOPK.ADD key item item2",
        "TOPK.RESERVE key 3",
    ),
    ("TDIGEST.CREATE", "", ""),
    (
        "@tdigest",
        "TDIGEST.CREATE key; TDIGEST.ADD key 1 1.5 2.5 4; TDIGEST.CREATE key2",
        "TDIGEST.CREATE key; TDIGEST.CREATE key2",
    ),
];

/// Calls, what is done on their connection before, and after.
const AROUND: &[(&str, &str, &str)] = &[
    ("EXEC | DISCARD", "MULTI; INCR n", ""),
    ("CLIENT CACHING YES", "CLIENT TRACKING ON OPTIN", ""),
    ("CLIENT CACHING NO", "CLIENT TRACKING ON OPTOUT", ""),
    (
        "CLIENT IMPORT-SOURCE",
        "CONFIG SET import-mode yes",
        "CONFIG SET import-mode no",
    ),
    (
        "AUTH",
        "ACL SETUSER default >secret",
        "ACL SETUSER default nopass",
    ),
    ("OBJECT FREQ", "", "CONFIG SET maxmemory-policy noeviction"),
    (
        "SLOWLOG GET | SLOWLOG LEN | COMMANDLOG GET | COMMANDLOG LEN",
        "CONFIG SET slowlog-log-slower-than 0; PING",
        "CONFIG SET slowlog-log-slower-than 10000",
    ),
    ("SENTINEL MONITOR", "", "SENTINEL REMOVE other"),
    ("HOTKEYS START", "", "?HOTKEYS STOP; HOTKEYS RESET"),
    (
        "HOTKEYS GET",
        "HOTKEYS START METRICS 2 CPU NET; GET key; HOTKEYS STOP",
        "HOTKEYS RESET",
    ),
    ("HOTKEYS STOP", "HOTKEYS START METRICS 1 CPU", ""),
    (
        "HIMPORT SET | HIMPORT DISCARD | HIMPORT DISCARDALL",
        "HIMPORT PREPARE fields field field2",
        "",
    ),
];
