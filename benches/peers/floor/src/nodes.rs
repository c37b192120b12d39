//! The owners of keys in a cluster: [`Owners`].

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use peers_common::{Arguments, Result};

use super::command;

/// Asks a node which node has a key. It is the node that is asked, if it does not say MOVED.
pub struct Owners {
    address: String,
    node: BufReader<TcpStream>,
    known: HashMap<String, String>,
}

impl Owners {
    pub fn ask(arguments: &Arguments) -> Result<Self> {
        let address = arguments.address().to_owned();
        Ok(Self {
            node: BufReader::new(TcpStream::connect(&address)?),
            address,
            known: HashMap::new(),
        })
    }

    /// The address of the owner of this key.
    pub fn of(&mut self, key: &str) -> Result<String> {
        if let Some(owner) = self.known.get(key) {
            return Ok(owner.clone());
        }
        let question = command(&[b"EXISTS", key.as_bytes()]);
        self.node.get_mut().write_all(&question)?;
        let mut reply = String::new();
        self.node.read_line(&mut reply)?;
        let owner = match reply.strip_prefix("-MOVED ") {
            Some(moved) => moved.split_whitespace().nth(1).unwrap_or_default(),
            None if reply.starts_with(':') => &self.address,
            None => return Err(format!("{key}: {reply}").into()),
        };
        self.known.insert(key.to_owned(), owner.to_owned());
        Ok(owner.to_owned())
    }
}
