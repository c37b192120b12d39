//! The page in a real browser: Chromium without a window. Where there is none the tests say so and pass.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use std::{fs, thread};

use super::{page, spec, translate};
use crate::lacking::chromium;

/// What a page that ran to its end says in its title.
const DONE: &str = "DONE ";

/// Loads the page with a script at its end, and gives what that puts into `window.result`.
fn run(script: &str) -> Option<String> {
    let Some(chromium) = chromium() else {
        println!("skipped: there is no Chromium here (Debian: apt install chromium)");
        return None;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.html");
    let end = format!(
        "<script>{script}\ndocument.title = '{DONE}' + JSON.stringify(window.result);</script></body>"
    );
    let text = page(&BTreeMap::new()).unwrap().replace("</body>", &end);
    fs::write(&path, text).unwrap();
    let html = dump(&chromium, folder.path(), &path);
    let title = html
        .split_once(DONE)
        .unwrap_or_else(|| panic!("the script failed: {html:.2000}"))
        .1;
    let title = title.split("</title>").next().unwrap();
    Some(
        title
            .replace("&quot;", "\"")
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&"),
    )
}

/// The document as it is after its scripts. A browser that hangs is ended, which fails the test.
fn dump(chromium: &Path, folder: &Path, page: &Path) -> String {
    let out = folder.join("dom.html");
    let mut child = Command::new(chromium)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
        .arg(format!(
            "--user-data-dir={}",
            folder.join("profile").display()
        ))
        .arg(format!("file://{}", page.display()))
        .stdout(fs::File::create(&out).unwrap())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    for _ in 0..1200 {
        if child.try_wait().unwrap().is_some() {
            return fs::read_to_string(&out).unwrap();
        }
        thread::sleep(Duration::from_millis(100));
    }
    child.kill().unwrap();
    panic!("the browser does not come to its end");
}

/// Every line that the spec's examples make, and lines that are wrong, give the same in the browser as in Rust.
#[test]
fn the_page_translates_as_the_command_line_does() {
    let spec = spec::read().unwrap();
    let mut lines: Vec<String> = translate::examples(&spec)
        .into_iter()
        .map(|(line, _)| line)
        .collect();
    let more = [
        "",
        "STE k v",
        "SET k",
        "SET k v EX",
        "SET k v EX ten",
        "SET k v EX 1 PX 5",
        "SET k v NXX",
        "GEOSEARCH places",
        "GEOSEARCH p FROMMEMBER a BYRADIUS 1 km ANY",
        "SET \"k",
        "INCR k 5",
        "CONFIG",
        "ZADD b 1 a 2.5 b -inf c",
        "ZRANGEBYSCORE b (1 +inf",
        "XADD s MAXLEN 5 * f v",
        "127.0.0.1:6379> set 'a b' \"c\\n\" get",
        "SET k 007",
        "SET k 9223372036854775808",
        "EVAL 'return 1' 0",
        "ZINTERCARD 3 a b",
        "GEORADIUS k 1 2 3 furlong",
        "XREAD STREAMS a b 0 0",
        "MSET a 1 b",
        "subscribe news",
        "PSUBSCRIBE news.* chat.*",
        "SUBSCRIBE",
        "UNSUBSCRIBE news",
        "client reply off",
        "$ redis-cli --raw GET k",
        "redis-cli -n 2 SUBSCRIBE news",
        "/usr/bin/valkey-cli -c --tls -h node-1 -p 7000 --user ada -a secret INCR n",
        "redis-cli -u redis://ada:se@cret@host:6379/1 BLPOP jobs 5",
        "redis-cli -u redis://host BLPOP jobs 5",
        "redis-cli -s /run/redis.sock -n 5 SELECT 1",
        "redis-cli -h ::1 -n 0 PING",
        "redis-cli",
        "redis-cli -n",
        "redis-cli --bigkeys",
    ];
    lines.extend(more.map(str::to_owned));
    let script = format!(
        "const lines = {};\nwindow.result = lines.map((line) => {{ const t = translate(SPEC, line); return t.error ?? [t.rust, ...t.notes].join('\\n'); }});",
        serde_json::to_string(&lines).unwrap().replace("</", "<\\/")
    );
    let Some(result) = run(&script) else { return };
    let found: Vec<String> = serde_json::from_str(&result).unwrap();
    assert_eq!(found.len(), lines.len());
    for (line, found) in lines.iter().zip(found) {
        let wanted = match translate::translate(&spec, line) {
            Ok(translation) => [vec![translation.rust], translation.notes]
                .concat()
                .join("\n"),
            Err(error) => error,
        };
        assert_eq!(found, wanted, "{line}");
    }
}

#[test]
fn a_visitor_searches_opens_an_entry_and_translates_a_line() {
    let script = r"
        const type = (id, text) => { const box = document.getElementById(id); box.value = text; box.dispatchEvent(new Event('input')); };
        const shown = () => [...document.querySelectorAll('details')].filter((entry) => !entry.hidden).map((entry) => entry.id);
        const all = shown().length;
        type('search', 'hset_multiple');
        const foreign = shown();
        type('search', 'subscribe');
        const refused = document.getElementById('refused').textContent;
        type('search', 'withscores zrange');
        const found = shown();
        const entry = document.getElementById('sorted_set.zrange');
        entry.open = true;
        entry.dispatchEvent(new Event('toggle'));
        type('line', 'SET k v NX EX 10');
        const rust = document.querySelector('#answer code').textContent;
        type('line', 'SET k v EX 1 PX 1');
        const wrong = document.querySelector('#answer.wrong').textContent;
        window.result = { all, foreign, refused, found, details: entry.textContent, rust, wrong };
    ";
    let Some(result) = run(script) else { return };
    let result: serde_json::Value = serde_json::from_str(&result).unwrap();
    let spec = spec::read().unwrap();
    assert_eq!(result["all"], spec.commands.len());
    assert_eq!(
        result["foreign"],
        serde_json::json!(["hash.hset"]),
        "a name of another client"
    );
    let refused = result["refused"].as_str().unwrap();
    assert!(
        refused.starts_with("SUBSCRIBE has no method: "),
        "{refused}"
    );
    let found: Vec<String> = serde_json::from_value(result["found"].clone()).unwrap();
    assert!(found.contains(&"sorted_set.zrange".to_owned()), "{found:?}");
    assert!(found.len() < 10, "{found:?}");
    let details = result["details"].as_str().unwrap();
    for part in [
        ".with_scores()",
        "Vec<(T, f64)>",
        "BYSCORE",
        "by the slot of its keys",
    ] {
        assert!(details.contains(part), "{part}: {details}");
    }
    assert_eq!(
        result["rust"],
        r#"conn.set("k", "v").nx().ex(10).await?; // bool"#
    );
    assert!(
        result["wrong"]
            .as_str()
            .unwrap()
            .contains("EX and PX exclude each other")
    );
}
