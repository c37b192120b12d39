//! What fuzzing begins with: replies that were recorded from real servers, and URLs of the documentation.

use std::fs;

use serde::Deserialize;

use crate::{Result, cargo};

/// Recorded replies: of all commands, and to CLUSTER SLOTS.
const RECORDED: [&str; 2] = [
    "tests/data/replies.json",
    "redis-core/tests/data/cluster-slots.json",
];

/// URLs with everything that a URL can have.
const URLS: [&str; 8] = [
    "redis://localhost",
    "redis://user:p%40ss@[::1]:6380/5?command_timeout=2s&liveness=off",
    "rediss://example.com?tls_ca=/etc/ca.pem&tls_server_name=cache",
    "redis+unix:///run/redis.sock?db=3",
    "redis-cluster://node-1,node-2:7000/3?read_from=zone:eu-1a",
    "redis+sentinel://s1,s2/mymaster?sentinel_password=secret",
    "valkey://localhost?lanes=4&leases=8&idle_timeout=30s",
    "redis://localhost?maint_notifications=auto&max_bulk=1MiB",
];

/// A record of either file; the bytes are escaped.
#[derive(Deserialize)]
struct Record {
    resp2: Option<String>,
    resp3: Option<String>,
    reply: Option<String>,
}

/// Writes the inputs for a target.
pub(super) fn write(target: &str) -> Result {
    let folder = cargo::workspace().join("fuzz/corpus").join(target);
    fs::create_dir_all(&folder)?;
    for (number, input) in inputs(target)?.into_iter().enumerate() {
        fs::write(folder.join(format!("recorded-{number}")), input)?;
    }
    Ok(())
}

fn inputs(target: &str) -> Result<Vec<Vec<u8>>> {
    if target == "url" {
        return Ok(URLS.iter().map(|url| url.as_bytes().to_vec()).collect());
    }
    let mut replies = Vec::new();
    for file in RECORDED {
        let text = fs::read_to_string(cargo::workspace().join(file))?;
        let records: Vec<Record> = serde_json::from_str(&text)?;
        for record in records {
            let escaped = [record.resp2, record.resp3, record.reply];
            replies.extend(escaped.into_iter().flatten().map(|text| unescape(&text)));
        }
    }
    // These begin with the number of pieces.
    if matches!(target, "scan" | "session") {
        for reply in &mut replies {
            reply.insert(0, 0);
        }
    }
    replies.sort();
    replies.dedup();
    Ok(replies)
}

/// The bytes of an escaped text: `\r`, `\n`, `\t`, `\\`, `\"`, `\'` and `\xff`.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        match rest.next() {
            Some(b'r') => bytes.push(b'\r'),
            Some(b'n') => bytes.push(b'\n'),
            Some(b't') => bytes.push(b'\t'),
            Some(b'x') => {
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                let number = str::from_utf8(&digits).ok();
                bytes.extend(number.and_then(|text| u8::from_str_radix(text, 16).ok()));
            }
            other => bytes.extend(other),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn escapes_become_bytes() {
        assert_eq!(unescape(r#"$1\r\n\xff\\\""#), b"$1\r\n\xff\\\"");
    }

    #[test]
    fn there_are_a_thousand_replies_to_begin_with() {
        let plain = inputs("decode").unwrap();
        assert!(plain.len() > 1_000, "{}", plain.len());
        assert!(plain.iter().any(|reply| reply == b"+OK\r\n"));
        assert!(
            inputs("scan")
                .unwrap()
                .iter()
                .any(|input| input == b"\0+OK\r\n")
        );
        assert_eq!(inputs("url").unwrap().len(), URLS.len());
    }
}
