//! The floor: a blocking socket that writes bytes prepared beforehand and reads as many as the reply has, without any
//! client. What the kernel takes for the same bytes, for no client can do with less. On a cluster there is a socket to
//! each node: all are written to, and then read from in turn.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use peers_common::meter::{Latencies, Meter};
use peers_common::until::Until;
use peers_common::workload::{announce, channel_names};
use peers_common::{Arguments, Outcome, Result, Unsupported, outcome};

/// How long nothing comes after a complete reply.
const SILENCE: Duration = Duration::from_millis(80);

mod nodes;
mod socket;

use nodes::Owners;
use socket::Socket;

fn main() -> ExitCode {
    outcome::print(Arguments::parse().and_then(|arguments| run(&arguments)))
}

fn run(arguments: &Arguments) -> Result<Outcome> {
    match arguments.workload.as_str() {
        "connect" => connect(arguments),
        "receive" => receive(arguments),
        _ if arguments.cluster => exchange(arguments, &cluster_round(arguments)?),
        _ => exchange(arguments, &Round::of(arguments)?),
    }
}

/// What is done again and again.
struct Round {
    /// What is written to each server, and read from it.
    parts: Vec<Part>,
    /// How many operations it is.
    operations: u64,
}

/// What is written to a server, and how much is read for it.
#[derive(Default)]
struct Part {
    address: String,
    request: Vec<u8>,
    /// How many bytes the reply has.
    reply: usize,
}

/// Single commands on the nodes that have their keys. MGET is as many GETs: nodes refuse keys of several slots.
fn cluster_round(arguments: &Arguments) -> Result<Round> {
    let size = arguments.size;
    let (is_write, operations) = match arguments.workload.as_str() {
        "get" => (false, size),
        "set" => (true, size),
        "mget" | "pipeline" => (false, 1),
        _ => return Err(Unsupported.into()),
    };
    let mut owners = Owners::ask(arguments)?;
    let mut parts: BTreeMap<String, Part> = BTreeMap::new();
    for number in 0..size {
        let (key, request, reply) = if is_write {
            (numbered("set", number), set("set", number), OK)
        } else {
            (small(number), get(number), VALUE)
        };
        let address = owners.of(&key)?;
        let part = parts.entry(address.clone()).or_default();
        part.address = address;
        part.request.extend(request);
        part.reply += reply;
    }
    Ok(Round {
        parts: parts.into_values().collect(),
        operations: operations as u64,
    })
}

/// The bytes of a string of 16 bytes as a reply.
const VALUE: usize = "$16\r\n0123456789abcdef\r\n".len();
const OK: usize = "+OK\r\n".len();

impl Round {
    fn of(arguments: &Arguments) -> Result<Self> {
        let size = arguments.size;
        let one = |request: Vec<u8>, reply| Self {
            parts: vec![Part {
                address: arguments.address().to_owned(),
                request,
                reply,
            }],
            operations: 1,
        };
        Ok(match arguments.workload.as_str() {
            "get" | "lanes" | "burst" => Self {
                operations: size as u64,
                ..one(gets(size), size * VALUE)
            },
            "set" => Self {
                operations: size as u64,
                ..one(sets(size), size * OK)
            },
            "pipeline" => one(gets(size), size * VALUE),
            "transaction" => {
                let words = [command(&[b"MULTI"]), sets(size), command(&[b"EXEC"])];
                let queued = "+QUEUED\r\n".len() * size;
                one(words.concat(), OK + queued + array(size) + OK * size)
            }
            "get-bytes" => {
                let key = format!("bytes:{size}");
                let reply = format!("${size}\r\n").len() + size + 2;
                one(command(&[b"GET", key.as_bytes()]), reply)
            }
            "set-bytes" => one(command(&[b"SET", b"written", &vec![b'x'; size]]), OK),
            "lrange-strings" | "lrange-bytes" => {
                let key = format!("list:{size}");
                let words: [&[u8]; 4] = [b"LRANGE", key.as_bytes(), b"0", b"-1"];
                one(command(&words), array(size) + size * VALUE)
            }
            "hgetall-map" | "hgetall-struct" => {
                let names: usize = (0..100).map(|n| format!("$2\r\nf{n}\r\n").len()).sum();
                one(
                    command(&[b"HGETALL", b"hash"]),
                    array(200) + names + 100 * VALUE,
                )
            }
            "mget" => {
                let keys: Vec<String> = (0..size).map(small).collect();
                let words: Vec<&[u8]> = std::iter::once(b"MGET".as_slice())
                    .chain(keys.iter().map(String::as_bytes))
                    .collect();
                one(command(&words), array(size) + size * VALUE)
            }
            _ => return Err(Unsupported.into()),
        })
    }
}

/// The bytes of the head of an array.
fn array(elements: usize) -> usize {
    format!("*{elements}\r\n").len()
}

fn sets(count: usize) -> Vec<u8> {
    (0..count).flat_map(|number| set("set", number)).collect()
}

fn numbered(prefix: &str, number: usize) -> String {
    format!("{prefix}:{:04}", number % 1000)
}

fn small(number: usize) -> String {
    numbered("small", number)
}

fn gets(count: usize) -> Vec<u8> {
    (0..count).flat_map(get).collect()
}

fn get(number: usize) -> Vec<u8> {
    command(&[b"GET", small(number).as_bytes()])
}

fn set(prefix: &str, number: usize) -> Vec<u8> {
    let key = numbered(prefix, number);
    command(&[b"SET", key.as_bytes(), b"0123456789abcdef"])
}

fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// Repeats a round until the time is over.
fn exchange(arguments: &Arguments, work: &Round) -> Result<Outcome> {
    let mut sockets = Vec::new();
    for part in &work.parts {
        sockets.push(Socket::to(&part.address, arguments)?);
    }
    let mut buffer = vec![0; 256 * 1024];
    round_of_all(&mut sockets, &work.parts, &mut buffer)?;
    for socket in &mut sockets {
        expect_silence(socket)?;
    }
    let mut latencies = Latencies::default();
    let until = Until::measured(arguments)?;
    let meter = Meter::start()?;
    let mut rounds = 0;
    while !until.holds(rounds) {
        let start = Instant::now();
        round_of_all(&mut sockets, &work.parts, &mut buffer)?;
        latencies.record(start.elapsed());
        rounds += 1;
    }
    let mut outcome = meter.stop(rounds * work.operations)?;
    outcome.p50 = latencies.quantile(0.5);
    outcome.p99 = latencies.quantile(0.99);
    Ok(outcome)
}

/// Writes to each server, and then reads what each replies.
fn round_of_all(sockets: &mut [Socket], parts: &[Part], buffer: &mut [u8]) -> Result<()> {
    if let ([socket], [part]) = (&mut *sockets, parts) {
        return round(socket, &part.request, part.reply, buffer);
    }
    for (socket, part) in sockets.iter_mut().zip(parts) {
        socket.write_all(&part.request)?;
    }
    for (socket, part) in sockets.iter_mut().zip(parts) {
        let mut missing = part.reply;
        while missing > 0 {
            missing -= receive_some(socket, buffer, missing)?;
        }
    }
    Ok(())
}

/// A reply longer than was thought would be read with the next one, and so seem cheaper than it is.
fn expect_silence(socket: &mut Socket) -> Result<()> {
    socket.tcp().set_read_timeout(Some(SILENCE))?;
    let more = socket.read(&mut [0]);
    socket.tcp().set_read_timeout(None)?;
    match more {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => Err("the reply is longer than was thought".into()),
    }
}

/// Writes and reads by turns where the kernel's buffers do not hold all of it.
fn round(socket: &mut Socket, request: &[u8], reply: usize, buffer: &mut [u8]) -> Result<()> {
    const PIECE: usize = 1 << 20;
    let mut missing = reply;
    // A large request with small replies is written whole; many small ones go in pieces that the kernel holds.
    if request.len() <= PIECE || reply < PIECE / 8 {
        socket.write_all(request)?;
    } else {
        let pieces = request.chunks(PIECE / 8);
        let share = reply / pieces.len().max(1);
        for piece in pieces {
            socket.write_all(piece)?;
            let mut wanted = share.saturating_sub(64 * 1024).min(missing);
            while wanted > 0 {
                let count = receive_some(socket, buffer, wanted)?;
                wanted -= count;
                missing -= count;
            }
        }
    }
    while missing > 0 {
        missing -= receive_some(socket, buffer, missing)?;
    }
    Ok(())
}

fn receive_some(socket: &mut Socket, buffer: &mut [u8], wanted: usize) -> Result<usize> {
    let room = wanted.min(buffer.len());
    match socket.read(buffer.get_mut(..room).unwrap_or_default())? {
        0 => Err("the server closed the connection".into()),
        count => Ok(count),
    }
}

fn connect(arguments: &Arguments) -> Result<Outcome> {
    let request = command(&[b"GET", b"small:0000"]);
    let mut buffer = vec![0; 1024];
    let mut latencies = Latencies::default();
    let until = Until::measured(arguments)?;
    let meter = Meter::start()?;
    let mut count = 0;
    while !until.holds(count) {
        let start = Instant::now();
        round(&mut Socket::open(arguments)?, &request, VALUE, &mut buffer)?;
        latencies.record(start.elapsed());
        count += 1;
    }
    let mut outcome = meter.stop(count)?;
    outcome.p50 = latencies.quantile(0.5);
    outcome.p99 = latencies.quantile(0.99);
    Ok(outcome)
}

fn receive(arguments: &Arguments) -> Result<Outcome> {
    let mut socket = Socket::open(arguments)?;
    let mut buffer = vec![0; 256 * 1024];
    let channels = channel_names(arguments.size);
    let words: Vec<&[u8]> = std::iter::once(b"SUBSCRIBE".as_slice())
        .chain(channels.iter().map(String::as_bytes))
        .collect();
    let confirmations: usize = (1..=channels.len())
        .zip(&channels)
        .map(|(number, channel)| {
            command(&[b"subscribe", channel.as_bytes()]).len() + format!(":{number}\r\n").len()
        })
        .sum();
    round(&mut socket, &command(&words), confirmations, &mut buffer)?;
    let count = arguments.count;
    let channel = channels.first().map_or("", String::as_str);
    let message = command(&[b"message", channel.as_bytes(), b"0123456789abcdef"]).len();
    announce();
    let meter = Meter::start()?;
    let mut missing = message * usize::try_from(count)?;
    while missing > 0 {
        missing -= receive_some(&mut socket, &mut buffer, missing)?;
    }
    meter.stop(count)
}
