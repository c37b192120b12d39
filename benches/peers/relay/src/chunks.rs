//! A relay that hands replies on in pieces of 16 KiB.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use crate::{Result, announce};

const PIECE: usize = 16 * 1024;

/// A client has read a piece by then, and waits for the next one.
const PAUSE: Duration = Duration::from_micros(20);

pub(crate) fn run(upstream: &str) -> Result {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let upstream = upstream.to_owned();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(io::Result::ok) {
            let upstream = upstream.clone();
            std::thread::spawn(move || relay(client, &upstream));
        }
    });
    announce(address)
}

/// Two threads a connection: requests pass as they are.
fn relay(mut client: TcpStream, upstream: &str) -> io::Result<()> {
    let mut server = TcpStream::connect(upstream)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut requests, mut to_server) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || {
        let copied = io::copy(&mut requests, &mut to_server);
        // Whoever waits on the other side sees the end, too.
        let _ = to_server.shutdown(std::net::Shutdown::Both);
        copied
    });
    let mut piece = vec![0; PIECE];
    loop {
        let count = fill(&mut server, &mut piece)?;
        if count == 0 {
            return client.shutdown(std::net::Shutdown::Both);
        }
        client.write_all(piece.get(..count).unwrap_or_default())?;
        if count == PIECE {
            std::thread::sleep(PAUSE);
        }
    }
}

/// Reads a whole piece, or as much as is there when the server pauses.
fn fill(server: &mut TcpStream, piece: &mut [u8]) -> io::Result<usize> {
    let mut count = server.read(piece)?;
    server.set_nonblocking(true)?;
    let result = loop {
        let room = piece.get_mut(count..).unwrap_or_default();
        if count == 0 || room.is_empty() {
            break Ok(count);
        }
        match server.read(room) {
            Ok(0) => break Ok(count),
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Ok(count),
            Err(error) => break Err(error),
        }
    };
    server.set_nonblocking(false)?;
    result
}
