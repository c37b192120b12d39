//! The floor: a blocking socket that writes bytes prepared beforehand and reads as many as the reply has, without any
//! client. What the kernel takes for the same bytes, for no client can do with less.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use peers_common::meter::{Latencies, Meter};
use peers_common::workload::{announce, channel_names, message_count};
use peers_common::{Arguments, Outcome, Result, Unsupported, outcome};

/// How long nothing comes after a complete reply, when its length is learned.
const SILENCE: Duration = Duration::from_millis(80);

fn main() -> ExitCode {
    outcome::print(Arguments::parse().and_then(|arguments| run(&arguments)))
}

fn run(arguments: &Arguments) -> Result<Outcome> {
    match arguments.workload.as_str() {
        "connect" => connect(arguments),
        "receive" => receive(arguments),
        "burst" => exchange(arguments, &gets(arguments.size), arguments.size as u64),
        _ => {
            let (request, operations) = request(arguments)?;
            exchange(arguments, &request, operations)
        }
    }
}

/// The bytes of a round, and how many operations they are.
fn request(arguments: &Arguments) -> Result<(Vec<u8>, u64)> {
    let size = arguments.size;
    let number = size.to_string();
    Ok(match arguments.workload.as_str() {
        "get" | "lanes" => (gets(size), size as u64),
        "set" => (
            (0..size).flat_map(|n| set("set", n)).collect(),
            size as u64,
        ),
        "pipeline" => (gets(size), 1),
        "transaction" => {
            let sets = (0..size).flat_map(|n| set("set", n));
            let bytes = command(&[b"MULTI"]).into_iter().chain(sets);
            (bytes.chain(command(&[b"EXEC"])).collect(), 1)
        }
        "get-bytes" => (
            command(&[b"GET", format!("bytes:{number}").as_bytes()]),
            1,
        ),
        "set-bytes" => (command(&[b"SET", b"written", &vec![b'x'; size]]), 1),
        "lrange-strings" | "lrange-bytes" => {
            let key = format!("list:{number}");
            (command(&[b"LRANGE", key.as_bytes(), b"0", b"-1"]), 1)
        }
        "hgetall-map" | "hgetall-struct" => (command(&[b"HGETALL", b"hash"]), 1),
        "mget" => {
            let keys: Vec<String> = (0..size).map(|n| small(n)).collect();
            let words: Vec<&[u8]> = std::iter::once(b"MGET".as_slice())
                .chain(keys.iter().map(String::as_bytes))
                .collect();
            (command(&words), 1)
        }
        _ => return Err(Unsupported.into()),
    })
}

fn small(number: usize) -> String {
    format!("small:{:04}", number % 1000)
}

fn gets(count: usize) -> Vec<u8> {
    (0..count)
        .flat_map(|number| command(&[b"GET", small(number).as_bytes()]))
        .collect()
}

fn set(prefix: &str, number: usize) -> Vec<u8> {
    let key = format!("{prefix}:{:04}", number % 1000);
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
fn exchange(arguments: &Arguments, request: &[u8], operations: u64) -> Result<Outcome> {
    let mut socket = open(arguments)?;
    let mut buffer = vec![0; 256 * 1024];
    let reply = learn_length(&mut socket, request, &mut buffer)?;
    round(&mut socket, request, reply, &mut buffer)?;
    let mut latencies = Latencies::default();
    let meter = Meter::start()?;
    let begin = Instant::now();
    let mut rounds = 0;
    while begin.elapsed() < arguments.time {
        let start = Instant::now();
        round(&mut socket, request, reply, &mut buffer)?;
        latencies.record(start.elapsed());
        rounds += 1;
    }
    let mut outcome = meter.stop(rounds * operations)?;
    outcome.p50 = latencies.quantile(0.5);
    outcome.p99 = latencies.quantile(0.99);
    Ok(outcome)
}

fn open(arguments: &Arguments) -> Result<TcpStream> {
    let socket = TcpStream::connect(arguments.address())?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

/// Writes and reads by turns where the kernel's buffers do not hold all of it.
fn round(socket: &mut TcpStream, request: &[u8], reply: usize, buffer: &mut [u8]) -> Result<()> {
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

fn receive_some(socket: &mut TcpStream, buffer: &mut [u8], wanted: usize) -> Result<usize> {
    let room = wanted.min(buffer.len());
    match socket.read(buffer.get_mut(..room).unwrap_or_default())? {
        0 => Err("the server closed the connection".into()),
        count => Ok(count),
    }
}

/// How many bytes the reply has: those that come until there is silence.
fn learn_length(socket: &mut TcpStream, request: &[u8], buffer: &mut [u8]) -> Result<usize> {
    let mut writer = socket.try_clone()?;
    let length = std::thread::scope(|scope| {
        let written = scope.spawn(move || writer.write_all(request));
        let length = read_until_silence(socket, buffer);
        match written.join() {
            Ok(result) => result?,
            Err(_) => return Err("the writer ended early".into()),
        }
        length
    })?;
    socket.set_read_timeout(None)?;
    Ok(length)
}

fn read_until_silence(socket: &mut TcpStream, buffer: &mut [u8]) -> Result<usize> {
    let mut length = 0;
    // The first byte may take as long as it likes.
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    loop {
        match socket.read(buffer) {
            Ok(0) => return Err("the server closed the connection".into()),
            Ok(count) => length += count,
            Err(error) if length > 0 && error.kind() == std::io::ErrorKind::WouldBlock => {
                return Ok(length);
            }
            Err(error) => return Err(error.into()),
        }
        socket.set_read_timeout(Some(SILENCE))?;
    }
}

fn connect(arguments: &Arguments) -> Result<Outcome> {
    let request = command(&[b"GET", b"small:0000"]);
    let mut buffer = vec![0; 1024];
    let reply = learn_length(&mut open(arguments)?, &request, &mut buffer)?;
    let mut latencies = Latencies::default();
    let meter = Meter::start()?;
    let begin = Instant::now();
    let mut count = 0;
    while begin.elapsed() < arguments.time {
        let start = Instant::now();
        round(&mut open(arguments)?, &request, reply, &mut buffer)?;
        latencies.record(start.elapsed());
        count += 1;
    }
    let mut outcome = meter.stop(count)?;
    outcome.p50 = latencies.quantile(0.5);
    outcome.p99 = latencies.quantile(0.99);
    Ok(outcome)
}

fn receive(arguments: &Arguments) -> Result<Outcome> {
    let mut socket = open(arguments)?;
    let mut buffer = vec![0; 256 * 1024];
    let channels = channel_names(arguments.size);
    let words: Vec<&[u8]> = std::iter::once(b"SUBSCRIBE".as_slice())
        .chain(channels.iter().map(String::as_bytes))
        .collect();
    learn_length(&mut socket, &command(&words), &mut buffer)?;
    let count = message_count(arguments);
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
