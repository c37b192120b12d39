//! The reply of CLIENT LIST and CLIENT INFO: [`ClientInfo`].

use std::collections::BTreeMap;

use typedis_core::{DecodeError, FromRedis, Reply};

use super::text::{fields, lines, parse, text};

/// A connection of a server.
///
/// Servers before 7.0 send fewer fields; a field that is missing is empty, 0 or `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ClientInfo {
    /// Its number, which is never given again.
    pub id: i64,
    /// The client's address and port, or the path of a Unix socket.
    pub addr: String,
    /// The server's address and port.
    pub laddr: String,
    /// The name that the client gave it; empty without one.
    pub name: String,
    /// How many seconds old it is.
    pub age: u64,
    /// For how many seconds it has been idle.
    pub idle: u64,
    /// Its properties, one letter for each: `N` nothing special, `b` waiting in a blocking command, `P` subscribed,
    /// `S` a replica and so on.
    pub flags: String,
    /// The database that it has selected.
    pub db: u32,
    /// To how many channels it is subscribed.
    pub sub: u64,
    /// To how many patterns it is subscribed.
    pub psub: u64,
    /// To how many shard channels it is subscribed.
    pub ssub: u64,
    /// How many commands are queued in its transaction; `None` outside of one.
    pub multi: Option<u64>,
    /// How many keys it watches.
    pub watch: u64,
    /// How many bytes of requests are waiting.
    pub qbuf: u64,
    /// How many replies wait to be fetched, besides those in the first buffer.
    pub oll: u64,
    /// How many bytes of memory the waiting replies take.
    pub omem: u64,
    /// How many bytes of memory it takes in all.
    pub tot_mem: u64,
    /// Its last command, such as `client|list`.
    pub cmd: String,
    /// The user that it is logged in as.
    pub user: String,
    /// Which connection gets its invalidation messages; `None` if it does not track keys.
    pub redir: Option<i64>,
    /// The protocol that it speaks, 2 or 3.
    pub resp: u8,
    /// The name of the client library.
    pub lib_name: String,
    /// The version of the client library.
    pub lib_ver: String,
    /// Everything else, by its name.
    pub other: BTreeMap<String, String>,
}

impl ClientInfo {
    /// Whether it has this flag, a letter.
    #[must_use]
    pub fn has_flag(&self, flag: char) -> bool {
        self.flags.contains(flag)
    }

    fn parse(line: &str) -> Result<Self, DecodeError> {
        let mut info = Self::default();
        for (name, value) in fields(line, ' ') {
            info.set(name, value)?;
        }
        Ok(info)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), DecodeError> {
        match name {
            "id" => self.id = parse(name, value)?,
            "addr" => self.addr = value.to_owned(),
            "laddr" => self.laddr = value.to_owned(),
            "name" => self.name = value.to_owned(),
            "age" => self.age = parse(name, value)?,
            "idle" => self.idle = parse(name, value)?,
            "flags" => self.flags = value.to_owned(),
            "db" => self.db = parse(name, value)?,
            "sub" => self.sub = parse(name, value)?,
            "psub" => self.psub = parse(name, value)?,
            "ssub" => self.ssub = parse(name, value)?,
            // -1 means that there is none.
            "multi" => self.multi = u64::try_from(parse::<i64>(name, value)?).ok(),
            "watch" => self.watch = parse(name, value)?,
            "qbuf" => self.qbuf = parse(name, value)?,
            "oll" => self.oll = parse(name, value)?,
            "omem" => self.omem = parse(name, value)?,
            "tot-mem" => self.tot_mem = parse(name, value)?,
            "cmd" => self.cmd = value.to_owned(),
            "user" => self.user = value.to_owned(),
            "redir" => self.redir = Some(parse(name, value)?).filter(|id| *id != -1),
            "resp" => self.resp = parse(name, value)?,
            "lib-name" => self.lib_name = value.to_owned(),
            "lib-ver" => self.lib_ver = value.to_owned(),
            _ => {
                self.other.insert(name.to_owned(), value.to_owned());
            }
        }
        Ok(())
    }
}

/// One connection in one line, as in CLIENT INFO and ACL LOG.
impl FromRedis for ClientInfo {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        Self::parse(text(&reply, "a line of fields")?.trim_end())
    }

    /// A list of connections is a text of lines.
    fn decode_all(
        reply: &Reply<'_>,
        put: &mut impl FnMut(Self) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        for (index, line) in lines(text(reply, "lines of fields")?).enumerate() {
            Self::parse(line)
                .and_then(&mut *put)
                .map_err(|error| error.at_index(index))?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::replies::wire::decode;

    const REDIS: &str = "id=82 addr=127.0.0.1:53120 laddr=127.0.0.1:7812 fd=19 name=myname age=3 idle=0 flags=N db=1 sub=0 psub=0 ssub=0 \
                         multi=-1 watch=0 qbuf=26 qbuf-free=20448 argv-mem=10 multi-mem=0 rbs=16384 rbp=16384 obl=0 oll=0 omem=0 \
                         tot-mem=37786 events=r cmd=client|info user=default redir=-1 resp=2 lib-name= lib-ver= io-thread=0 \
                         tot-net-in=394 tot-net-out=362 tot-cmds=13\n";

    const VALKEY: &str = "id=77 addr=127.0.0.1:48662 laddr=127.0.0.1:7814 fd=12 name= age=0 idle=0 flags=xN capa=r db=0 sub=1 psub=2 ssub=3 \
                          multi=2 watch=1 qbuf=0 qbuf-free=0 argv-mem=10 multi-mem=0 rbs=16392 rbp=16392 obl=0 oll=0 omem=0 \
                          tot-mem=17002 events=r cmd=client|info user=default redir=0 resp=3 lib-name=typedis lib-ver=0.1.0 \
                          tot-net-in=416 tot-net-out=575 tot-cmds=14\n";

    #[test]
    fn a_connection_is_a_line_in_both_protocols() {
        let two = format!("${}\r\n{REDIS}\r\n", REDIS.len());
        let info: ClientInfo = decode(&two).unwrap();
        assert_eq!((info.id, info.name.as_str(), info.db), (82, "myname", 1));
        assert_eq!((info.multi, info.redir, info.resp), (None, None, 2));
        assert_eq!((info.cmd.as_str(), info.tot_mem), ("client|info", 37786));
        assert_eq!(info.other.get("io-thread").map(String::as_str), Some("0"));
        let three = format!("={}\r\ntxt:{VALKEY}\r\n", VALKEY.len() + 4);
        let info: ClientInfo = decode(&three).unwrap();
        assert_eq!((info.sub, info.psub, info.ssub), (1, 2, 3));
        assert_eq!((info.multi, info.redir, info.resp), (Some(2), Some(0), 3));
        assert_eq!(info.lib_name, "typedis");
        assert!(info.has_flag('x') && !info.has_flag('P'));
    }

    #[test]
    fn connections_are_lines() {
        let text = format!("{REDIS}{VALKEY}");
        let list: Vec<ClientInfo> = decode(&format!("${}\r\n{text}\r\n", text.len())).unwrap();
        assert_eq!(
            list.iter().map(|client| client.id).collect::<Vec<_>>(),
            [82, 77]
        );
        assert_eq!(decode::<Vec<ClientInfo>>("$0\r\n\r\n").unwrap(), []);
        assert_eq!(decode::<Vec<ClientInfo>>("=4\r\ntxt:\r\n").unwrap(), []);
    }

    #[test]
    fn a_field_that_is_no_number_is_named() {
        let error = decode::<ClientInfo>("+id=x\r\n").unwrap_err();
        assert!(error.to_string().contains("id"), "{error}");
    }
}
