#![allow(clippy::unwrap_used)]

use super::super::spec::{self, Command, Param, Spec, Write};
use super::*;

fn rust(line: &str) -> String {
    translate(&spec::read().unwrap(), line).unwrap().rust
}

fn error(line: &str) -> String {
    translate(&spec::read().unwrap(), line).unwrap_err()
}

#[test]
fn lines_are_translated() {
    for (line, wanted) in [
        (
            "SET k v NX EX 10",
            r#"conn.set("k", "v").nx().ex(10).await?; // bool"#,
        ),
        // Options in any order, words in any case, the prompt of redis-cli.
        (
            "127.0.0.1:6379> set k v ex 10 nx",
            r#"conn.set("k", "v").nx().ex(10).await?; // bool"#,
        ),
        (
            r#"SET "a key" 'it' GET"#,
            r#"let reply: Option<String> = conn.set("a key", "it").return_old().await?;"#,
        ),
        (
            "GET k",
            r#"let reply: Option<String> = conn.get("k").await?;"#,
        ),
        (
            "HGETALL user:1",
            r#"let reply: HashMap<String, String> = conn.hgetall("user:1").await?;"#,
        ),
        (
            "MSET a 1 b 2",
            r#"conn.mset([("a", "1"), ("b", "2")]).await?; // ()"#,
        ),
        (
            "ZADD board NX 1.5 ada 2 bob",
            r#"conn.zadd("board", [(1.5, "ada"), (2, "bob")]).nx().await?; // u64"#,
        ),
        (
            "ZRANGE board 0 -1 REV WITHSCORES",
            r#"let reply: Vec<(String, f64)> = conn.zrange("board", 0, -1).rev().with_scores().await?;"#,
        ),
        (
            "BLPOP jobs 5",
            r#"let reply: Option<(Name, String)> = pool.blpop(["jobs"], 5).await?;"#,
        ),
        (
            "XREAD COUNT 2 STREAMS a b 0-0 5-1",
            r#"let reply: Option<Vec<(Name, Vec<StreamEntry<HashMap<String, String>>>)>> = conn.xread([("a", "0-0"), ("b", "5-1")]).count(2).await?;"#,
        ),
        (
            "ZINTERCARD 2 a b LIMIT 5",
            r#"conn.zintercard(["a", "b"]).limit(5).await?; // u64"#,
        ),
        (
            "GEOSEARCH places FROMLONLAT 13 38.1 BYRADIUS 200 km ASC",
            r#"let reply: Vec<String> = conn.geosearch("places").from_lonlat(13.0, 38.1).by_radius(200.0, GeoUnit::Km).asc().await?;"#,
        ),
        ("SELECT 1", "exclusive.select(1).await?; // ()"),
        // What subscribes has no row, but a method.
        (
            "subscribe news",
            r#"let mut channel = conn.subscribe("news").await?; // Channel"#,
        ),
        (
            "PSUBSCRIBE news.* chat.*",
            r#"let mut channels = conn.psubscribe(["news.*", "chat.*"]).await?; // [PatternChannel; 2]"#,
        ),
        // The program before a command says what to connect to.
        (
            "$ redis-cli --raw GET k",
            r#"let reply: Option<String> = conn.get("k").await?;"#,
        ),
        (
            "redis-cli -n 2 SUBSCRIBE news",
            "let conn = typedis::connect(\"redis://localhost/2\").await?;\nlet mut channel = conn.subscribe(\"news\").await?; // Channel",
        ),
        (
            "/usr/bin/valkey-cli -c --tls -h node-1 -p 7000 --user ada -a secret INCR n",
            "let conn = typedis::cluster(\"rediss://ada:PASSWORD@node-1:7000\").await?;\nconn.incr(\"n\").await?; // i64",
        ),
        (
            "redis-cli -u redis://ada:secret@host:6379/1 BLPOP jobs 5",
            "let pool = typedis::pool(\"redis://ada:PASSWORD@host:6379/1\").await?;\nlet reply: Option<(Name, String)> = pool.blpop([\"jobs\"], 5).await?;",
        ),
        (
            "redis-cli -s /run/redis.sock -n 5 INCR n",
            "let conn = typedis::connect(\"unix:///run/redis.sock?database=5\").await?;\nconn.incr(\"n\").await?; // i64",
        ),
        (
            "CONFIG GET maxmemory",
            r#"conn.config_get(["maxmemory"]).await?; // HashMap<Name, Name>"#,
        ),
    ] {
        let found = rust(line);
        assert_eq!(found, wanted, "{line}");
    }
}

#[test]
fn options_of_the_program_are_a_url() {
    for (line, url) in [
        ("redis-cli -h ::1 -n 3 PING", "redis://[::1]/3"),
        (
            "redis-cli -s /run/redis.sock -n 5 PING",
            "unix:///run/redis.sock?database=5",
        ),
        (
            "redis-cli --user ada --pass x -p 7000 PING",
            "redis://ada:PASSWORD@localhost:7000",
        ),
        ("redis-cli -a x PING", "redis://:PASSWORD@localhost"),
    ] {
        let found = rust(line);
        assert!(found.contains(&format!("({url:?})")), "{line}: {found}");
    }
}

#[test]
fn what_is_wrong_is_said() {
    for (line, part) in [
        ("", "the line is empty"),
        ("STE k v", "there is no command STE; did you mean SET?"),
        ("CONFIG", "CONFIG needs one of these words next: "),
        ("SET k", "SET is not complete: expected `value`"),
        ("SET k v EX", "SET is not complete: expected `seconds`"),
        ("SET k v EX ten", "a number for `seconds`"),
        (
            "SET k v EX 1 PX 5",
            "EX and PX exclude each other: only one of them can be given",
        ),
        ("SET k v NXX", "`NXX` does not fit; did you mean NX?"),
        ("GEOSEARCH places", "GEOSEARCH is not complete"),
        (
            "GEOSEARCH p FROMMEMBER a BYRADIUS 1 km ANY",
            "ANY is only possible after COUNT",
        ),
        ("SET \"k", "a quotation has no end"),
        ("INCR k 5", "expected the end of the line"),
        ("SUBSCRIBE", "SUBSCRIBE is not complete: expected a name"),
        (
            "UNSUBSCRIBE news",
            "UNSUBSCRIBE has no method: it has no reply, only pushes; drop the `Channel`",
        ),
        ("MONITOR", "MONITOR has no method: "),
        ("client reply off", "CLIENT REPLY has no method: "),
        ("redis-cli", "the line is empty"),
        ("redis-cli -n", "a value is missing after `-n`"),
        (
            "redis-cli --bigkeys",
            "nothing is known of the option `--bigkeys`",
        ),
    ] {
        let found = error(line);
        let found = found.replace("Expected", "expected");
        assert!(found.contains(part), "{line}: {found}");
    }
}

/// What a part of a row is sent as, with the examples.
fn words_of(writes: &[Write], words: &mut Vec<String>) {
    for write in writes {
        words.extend(write.word.clone());
        if let Some(param) = &write.param {
            words.extend(
                write
                    .per
                    .map(|per| (param.wire.len() / per.max(1)).to_string()),
            );
            words.extend(sent(param));
        }
    }
}

/// Pairs that are written as two lists.
fn sent(param: &Param) -> Vec<String> {
    if param.kind != spec::Kind::Columns {
        return param.wire.clone();
    }
    let halves = [0, 1].map(|half| param.wire.iter().skip(half).step_by(2).cloned());
    halves.into_iter().flatten().collect()
}

/// The line of a command with some options, and the call that it stands for.
fn example(row: &Command, options: &[usize]) -> (Vec<String>, String) {
    let mut words: Vec<String> = row.name.split(' ').map(str::to_owned).collect();
    let own = row.body.iter().map(|run| (run.order, &run.writes));
    let chosen = options.iter().filter_map(|id| row.options.get(*id));
    let theirs = chosen
        .clone()
        .flat_map(|option| option.body.iter().map(|run| (run.order, &run.writes)));
    let mut runs: Vec<_> = own.chain(theirs).collect();
    runs.sort_by_key(|(order, _)| *order);
    runs.iter()
        .for_each(|(_, writes)| words_of(writes, &mut words));
    let arguments = |body: &[spec::Run]| {
        let params = body.iter().flat_map(|run| &run.writes);
        let params = params.filter_map(|write| write.param.as_ref());
        params
            .map(|param| param.rust.clone())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut call = format!(".{}({})", row.method, arguments(&row.body));
    for option in chosen {
        call.push_str(&format!(".{}({})", option.method, arguments(&option.body)));
    }
    (words, call)
}

/// The options that a call needs, with this one.
fn needed(row: &Command, wanted: Option<usize>) -> Vec<usize> {
    let mut options: Vec<usize> = wanted.into_iter().collect();
    let mut parent = wanted.and_then(|id| row.options.get(id)?.parent);
    while let Some(id) = parent {
        options.push(id);
        parent = row.options.get(id).and_then(|option| option.parent);
    }
    for choice in row.choices.iter().filter(|choice| choice.required) {
        if !choice.options.iter().any(|id| options.contains(id)) {
            options.extend(choice.options.first());
        }
    }
    options.sort_unstable();
    options
}

/// A word as redis-cli takes it back.
fn quoted(word: &str) -> String {
    let escaped = word.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", escaped.replace('\n', "\\n"))
}

/// All lines that the spec's examples make, with the calls that they stand for.
pub(in super::super) fn examples(spec: &Spec) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for row in &spec.commands {
        let each = (0..row.options.len()).map(Some);
        for wanted in [None].into_iter().chain(each) {
            let (words, call) = example(row, &needed(row, wanted));
            let line: Vec<String> = words.iter().map(|word| quoted(word)).collect();
            all.push((line.join(" "), call));
        }
    }
    all
}

#[test]
fn every_command_with_every_option_is_translated_back() {
    let spec = spec::read().unwrap();
    let mut wrong = Vec::new();
    let all = examples(&spec);
    for (line, call) in &all {
        match translate(&spec, line) {
            Ok(translation) if translation.rust.contains(call.as_str()) => {}
            Ok(translation) => wrong.push(format!(
                "{line}\n  wanted {call}\n  found  {}",
                translation.rust
            )),
            Err(error) => wrong.push(format!("{line}\n  wanted {call}\n  error  {error}")),
        }
    }
    assert!(all.len() > 1_100, "{}", all.len());
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        all.len(),
        wrong.join("\n")
    );
}
