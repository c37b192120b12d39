//! The data on the server. Scripts on the server write it, which is faster than any client.

use typedis_testkit::raw::RawConnection;
use typedis_testkit::{Cluster, Server};

use crate::Result;

/// How many messages one script publishes.
const MESSAGES: u64 = 1000;

/// Fills a server for all workloads but SCAN and the long lists.
pub(super) fn fill(server: &Server) -> Result {
    let mut connection = server.connect()?;
    let scripts = [
        "for i=0,999 do local n=string.format('%04d',i) redis.call('SET','small:'..n,'0123456789abcdef') \
         redis.call('SET','mixed:'..n,string.rep('x',100+(i*4)%3997)) end",
        "for _,n in ipairs({65536,1048576,16777216}) do redis.call('SET','bytes:'..n,string.rep('x',n)) end",
        "for i=0,99 do redis.call('HSET','hash','f'..i,'0123456789abcdef') end",
    ];
    for script in scripts {
        evaluate(&mut connection, &["EVAL", script, "0"])?;
    }
    list(&mut connection, 10_000)
}

/// Fills a cluster for its workloads: small values, each on the node that has its slot.
pub(super) fn fill_cluster(cluster: &Cluster) -> Result {
    let primaries = cluster.primaries()?;
    let connections = primaries.iter().map(|node| node.connect());
    let mut connections: Vec<RawConnection> = connections.collect::<std::result::Result<_, _>>()?;
    for number in 0..1000 {
        let key = format!("small:{number:04}");
        let words = ["SET", &key, "0123456789abcdef"];
        // The nodes that do not have the slot answer with an error.
        let answers = connections.iter_mut().map(|node| node.call(&words));
        if answers.filter(std::result::Result::is_ok).count() != 1 {
            return Err(format!("no single node of the cluster took {key}").into());
        }
    }
    Ok(())
}

/// Writes the other data that a workload needs.
pub(super) fn prepare(server: &Server, name: &str, size: usize) -> Result {
    let mut connection = server.connect()?;
    match name {
        "lrange-strings" | "lrange-bytes" => list(&mut connection, size),
        "scan" => {
            let script = "for i=1,ARGV[1] do redis.call('SET','scan:'..i,'') end";
            evaluate(&mut connection, &["EVAL", script, "0", &size.to_string()])
        }
        _ => Ok(()),
    }
}

/// Removes what `prepare` wrote for a scan: it would make the server slower for all others.
pub(super) fn clear(server: &Server, name: &str, size: usize) -> Result {
    if name != "scan" {
        return Ok(());
    }
    let script = "for i=1,ARGV[1] do redis.call('DEL','scan:'..i) end";
    let mut connection = server.connect()?;
    evaluate(&mut connection, &["EVAL", script, "0", &size.to_string()])
}

/// Publishes messages to the channels in turn.
pub(super) fn publish(server: &Server, channels: usize, count: u64) -> Result {
    let script =
        "for i=0,ARGV[2]-1 do redis.call('PUBLISH','news:'..(i%ARGV[1]),'0123456789abcdef') end";
    let mut connection = server.connect()?;
    let channels = channels.to_string();
    let mut left = count;
    while left > 0 {
        let now = left.min(MESSAGES);
        let words = ["EVAL", script, "0", &channels, &now.to_string()];
        evaluate(&mut connection, &words)?;
        left -= now;
    }
    Ok(())
}

/// A list of `elements` strings of 16 bytes.
fn list(connection: &mut RawConnection, elements: usize) -> Result {
    let script = "if redis.call('LLEN',KEYS[1])==tonumber(ARGV[1]) then return end redis.call('DEL',KEYS[1]) \
                  for i=1,ARGV[1] do redis.call('RPUSH',KEYS[1],string.format('element%09d',i)) end";
    let count = elements.to_string();
    let words = ["EVAL", script, "1", &format!("list:{elements}"), &count];
    evaluate(connection, &words)
}

fn evaluate(connection: &mut RawConnection, words: &[&str]) -> Result {
    connection.call(words)?;
    Ok(())
}
