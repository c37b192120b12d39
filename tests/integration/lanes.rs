//! Streams over a pool whose lanes lead to different servers, as they do where lanes are spread over replicas.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::TcpStream;
use typedis::args::AggregateSteps;
use typedis::prelude::*;
use typedis::{Config, Protocol, Result};
use typedis_testkit::fake::{Fake, Words};

/// How many pages each server has.
const PAGES: usize = 20;

/// Two servers, and a pool with a lane to each.
struct Two {
    servers: [Fake; 2],
    pool: Pool,
}

impl Two {
    /// Cursors of one server mean nothing to the other.
    async fn start() -> Result<Self> {
        let servers = [serve('a').await, serve('b').await];
        let addresses = [servers[0].addr(), servers[1].addr()];
        let next = Arc::new(AtomicUsize::new(0));
        let config = Config::tcp("replicas", 6379)
            .protocol(Protocol::Resp2)
            .lanes(2)
            .transport(move |_| {
                TcpStream::connect(addresses[next.fetch_add(1, Ordering::Relaxed) % 2])
            });
        let pool = typedis::pool(config).await?;
        Ok(Self { servers, pool })
    }

    /// How often each server has received a command that begins with these words.
    fn received(&self, name: &str, word: &str) -> [usize; 2] {
        self.servers.each_ref().map(|server| {
            let all = (0..server.connections()).flat_map(|number| server.received(number));
            all.filter(|words| words.name() == name && words.text(1).starts_with(word))
                .count()
        })
    }
}

/// A server with its own elements. It gives out each cursor once, and has nothing for one that it has not given.
async fn serve(name: char) -> Fake {
    let given = Mutex::new(HashMap::new());
    let answer = move |words: &Words| {
        let (cursor, page): (usize, fn(String, usize) -> String) = match words.name().as_str() {
            "SCAN" => (number(&words.text(1)), scanned),
            "FT.AGGREGATE" => (0, aggregated),
            "FT.CURSOR" if words.text(1) == "READ" => (number(&words.text(3)), aggregated),
            _ => return b"+OK\r\n".to_vec(),
        };
        let mut given = given.lock().expect("nothing panics here");
        let at = match cursor {
            0 => Some(0),
            _ => given.remove(&cursor),
        };
        let Some(at) = at else {
            return page(String::new(), 0).into_bytes();
        };
        let next = match at + 1 {
            PAGES => 0,
            after => {
                let next = name as usize * 1_000 + after;
                given.insert(next, after);
                next
            }
        };
        page(format!("{name}{at}"), next).into_bytes()
    };
    Fake::answering(answer).await.expect("a port is free")
}

fn number(text: &str) -> usize {
    text.parse().expect("cursors are numbers")
}

/// A page of SCAN with one element, or with none.
fn scanned(element: String, next: usize) -> String {
    let count = usize::from(!element.is_empty());
    let element = match count {
        0 => String::new(),
        _ => format!("+app:{element}\r\n"),
    };
    format!("*2\r\n+{next}\r\n*{count}\r\n{element}")
}

/// A page of FT.AGGREGATE with one row, or with none.
fn aggregated(name: String, next: usize) -> String {
    let row = match name.as_str() {
        "" => String::new(),
        name => format!("*2\r\n+name\r\n+{name}\r\n"),
    };
    let rows = 1 + usize::from(!row.is_empty());
    format!("*2\r\n*{rows}\r\n:1\r\n{row}:{next}\r\n")
}

/// Everything that one server has: that of the server whose element came first.
fn all_of(first: &str) -> Vec<String> {
    let name = &first[..1];
    (0..PAGES).map(|page| format!("{name}{page}")).collect()
}

#[tokio::test]
async fn a_scan_of_a_pool_reads_all_pages_of_one_server() -> Result<()> {
    let two = Two::start().await?;
    let keys: Vec<String> = two.pool.scan(0).stream().try_collect().await?;
    let names: Vec<&str> = keys.iter().map(|key| &key["app:".len()..]).collect();
    assert_eq!(names, all_of(names[0]));
    let app = two.pool.with_prefix("app:");
    let names: Vec<String> = app.scan(0).stream().try_collect().await?;
    assert_eq!(names, all_of(&names[0]));
    Ok(())
}

#[derive(Debug, FromRedis)]
struct Product {
    name: String,
}

#[tokio::test]
async fn the_rows_of_a_pool_come_from_one_server_which_is_told_to_delete_its_cursor() -> Result<()>
{
    let two = Two::start().await?;
    let stream = || {
        let rows = two
            .pool
            .ft_aggregate::<Product>("shop", "*", AggregateSteps::new());
        rows.with_cursor().count(1).stream()
    };
    let rows: Vec<Product> = stream().try_collect().await?;
    let names: Vec<String> = rows.into_iter().map(|row| row.name).collect();
    assert_eq!(names, all_of(&names[0]));

    let mut rows = stream();
    let first = rows.try_next().await?.expect("there are rows").name;
    drop(rows);
    // Behind what was sent before, on each lane.
    for _ in 0..10_000 {
        if two.received("FT.CURSOR", "DEL") != [0, 0] {
            break;
        }
        two.pool.ping().await?;
    }
    let expected = [usize::from(first == "a0"), usize::from(first == "b0")];
    assert_eq!(two.received("FT.CURSOR", "DEL"), expected);
    Ok(())
}
