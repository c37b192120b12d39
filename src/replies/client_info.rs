//! The reply of CLIENT LIST and CLIENT INFO: [`ClientInfo`].

use std::collections::BTreeMap;
use std::str::FromStr;

use typedis_core::{DecodeError, FromRedis, Name, Reply};

use super::text::bytes;

/// A connection of a server.
///
/// Servers before 7.0 send fewer fields; a field that is missing is empty, 0 or `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ClientInfo {
    /// Its number, which is never given again.
    pub id: i64,
    /// The client's address and port, or the path of a Unix socket.
    pub addr: Name,
    /// The server's address and port.
    pub laddr: Name,
    /// The name that the client gave it; empty without one.
    pub name: Name,
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
    /// How many of them are not its alone; since Redis 8.10.
    pub omem_shared: Option<u64>,
    /// How many of them are its alone; since Redis 8.10.
    pub omem_unshared: Option<u64>,
    /// How many bytes of memory it takes in all.
    pub tot_mem: u64,
    /// Its last command, such as `client|list`.
    pub cmd: Name,
    /// The user that it is logged in as.
    pub user: Name,
    /// Which connection gets its invalidation messages; `None` if it does not track keys.
    pub redir: Option<i64>,
    /// The protocol that it speaks, 2 or 3.
    pub resp: u8,
    /// The name of the client library.
    pub lib_name: Name,
    /// The version of the client library.
    pub lib_ver: Name,
    /// How many bytes it has sent; `None` on older servers.
    pub tot_net_in: Option<u64>,
    /// How many bytes it was sent; `None` on older servers.
    pub tot_net_out: Option<u64>,
    /// How many commands it has sent; `None` on older servers.
    pub tot_cmds: Option<u64>,
    /// How often the server has read from it; since Redis 8.10.
    pub read_events: Option<u64>,
    /// The lengths of its pipelines, summed up; since Redis 8.10.
    pub avg_pipeline_len_sum: Option<u64>,
    /// How many lengths were summed up; since Redis 8.10.
    pub avg_pipeline_len_cnt: Option<u64>,
    /// Everything else by its name, and values that do not have the expected form.
    pub other: BTreeMap<String, Name>,
}

impl ClientInfo {
    /// Whether it has this flag, a letter.
    #[must_use]
    pub fn has_flag(&self, flag: char) -> bool {
        self.flags.contains(flag)
    }

    /// Reads a line. One unexpected value does not hide the others.
    fn parse(line: &[u8]) -> Self {
        let mut info = Self::default();
        for (name, value) in fields(line) {
            if info.set(name, value).is_none() {
                let name = String::from_utf8_lossy(name).into_owned();
                info.other.insert(name, value.into());
            }
        }
        info
    }

    /// `None` if there is no field for it.
    fn set(&mut self, name: &[u8], value: &[u8]) -> Option<()> {
        match name {
            b"id" => self.id = number(value)?,
            b"addr" => self.addr = value.into(),
            b"laddr" => self.laddr = value.into(),
            b"name" => self.name = value.into(),
            b"age" => self.age = number(value)?,
            b"idle" => self.idle = number(value)?,
            b"flags" => self.flags = std::str::from_utf8(value).ok()?.to_owned(),
            b"db" => self.db = number(value)?,
            b"sub" => self.sub = number(value)?,
            b"psub" => self.psub = number(value)?,
            b"ssub" => self.ssub = number(value)?,
            // -1 says that there is none.
            b"multi" => self.multi = u64::try_from(number::<i64>(value)?).ok(),
            b"watch" => self.watch = number(value)?,
            b"qbuf" => self.qbuf = number(value)?,
            b"oll" => self.oll = number(value)?,
            b"omem" => self.omem = number(value)?,
            b"omem-shared" => self.omem_shared = Some(number(value)?),
            b"omem-unshared" => self.omem_unshared = Some(number(value)?),
            b"tot-mem" => self.tot_mem = number(value)?,
            b"cmd" => self.cmd = value.into(),
            b"user" => self.user = value.into(),
            b"redir" => self.redir = Some(number(value)?).filter(|id| *id != -1),
            b"resp" => self.resp = number(value)?,
            b"lib-name" => self.lib_name = value.into(),
            b"lib-ver" => self.lib_ver = value.into(),
            b"tot-net-in" => self.tot_net_in = Some(number(value)?),
            b"tot-net-out" => self.tot_net_out = Some(number(value)?),
            b"tot-cmds" => self.tot_cmds = Some(number(value)?),
            b"read-events" => self.read_events = Some(number(value)?),
            b"avg-pipeline-len-sum" => self.avg_pipeline_len_sum = Some(number(value)?),
            b"avg-pipeline-len-cnt" => self.avg_pipeline_len_cnt = Some(number(value)?),
            _ => return None,
        }
        Some(())
    }
}

fn number<T: FromStr>(value: &[u8]) -> Option<T> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// The fields that may follow the path of a Unix socket.
const BEHIND_A_PATH: [&[u8]; 4] = [b"laddr", b"fd", b"name", b"age"];

/// The fields of a line, `name=value` with a space between them. A path may contain spaces, and ends at the next
/// field that can follow it.
fn fields(mut line: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || {
        let (name, rest) = loop {
            let (name, rest) = name(line)?;
            if !name.is_empty() {
                break (name, rest);
            }
            // No field begins here.
            line = behind_blank(line)?;
        };
        let is_path = rest.starts_with(b"/") || rest.starts_with(b"[/");
        let ends = |at: &usize| {
            let next = rest.get(at + 1..).and_then(self::name);
            next.is_some_and(|(name, _)| {
                if is_path {
                    BEHIND_A_PATH.contains(&name)
                } else {
                    !name.is_empty()
                }
            })
        };
        let blanks = rest.iter().enumerate().filter(|(_, byte)| **byte == b' ');
        let end = blanks.map(|(at, _)| at).find(ends).unwrap_or(rest.len());
        line = rest.get(end + 1..).unwrap_or_default();
        Some((name, rest.get(..end).unwrap_or_default()))
    })
}

/// The name of the field that begins here, and the text after its `=`; an empty name if no field begins here.
fn name(line: &[u8]) -> Option<(&[u8], &[u8])> {
    if line.is_empty() {
        return None;
    }
    let is_letter = |byte: &&u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || **byte == b'-' || **byte == b'_'
    };
    let len = line.iter().take_while(is_letter).count();
    let (name, rest) = line.split_at(len);
    match rest.strip_prefix(b"=") {
        Some(rest) => Some((name, rest)),
        None => Some((b"", line)),
    }
}

fn behind_blank(line: &[u8]) -> Option<&[u8]> {
    let at = line.iter().position(|byte| *byte == b' ')?;
    line.get(at + 1..)
}

/// One connection in one line, as in CLIENT INFO and ACL LOG.
impl FromRedis for ClientInfo {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        Ok(Self::parse(
            bytes(&reply, "a line of fields")?.trim_ascii_end(),
        ))
    }

    /// A list of connections is a text of lines.
    fn decode_all(
        reply: &Reply<'_>,
        put: &mut impl FnMut(Self) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let lines = bytes(reply, "lines of fields")?.split(|byte| *byte == b'\n');
        let lines = lines
            .map(<[u8]>::trim_ascii_end)
            .filter(|line| !line.is_empty());
        for (index, line) in lines.enumerate() {
            put(Self::parse(line)).map_err(|error| error.at_index(index))?;
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
        assert_eq!((info.tot_net_in, info.tot_cmds), (Some(394), Some(13)));
        assert_eq!((info.omem_shared, info.read_events), (None, None));
        assert_eq!(info.other.get("io-thread").map(Name::as_str), Some("0"));
        let three = format!("={}\r\ntxt:{VALKEY}\r\n", VALKEY.len() + 4);
        let info: ClientInfo = decode(&three).unwrap();
        assert_eq!((info.sub, info.psub, info.ssub), (1, 2, 3));
        assert_eq!((info.multi, info.redir, info.resp), (Some(2), Some(0), 3));
        assert_eq!(info.lib_name, "typedis");
        assert!(info.has_flag('x') && !info.has_flag('P'));
    }

    #[test]
    fn newer_servers_tell_of_shared_memory_and_of_pipelines() {
        let line = "id=3 omem=8 omem-shared=5 omem-unshared=3 tot-mem=9 read-events=4 avg-pipeline-len-sum=12 \
                    avg-pipeline-len-cnt=2";
        let info: ClientInfo = decode(&format!("${}\r\n{line}\r\n", line.len())).unwrap();
        assert_eq!(
            (info.omem, info.omem_shared, info.omem_unshared),
            (8, Some(5), Some(3))
        );
        let pipelines = (info.avg_pipeline_len_sum, info.avg_pipeline_len_cnt);
        assert_eq!(
            (info.read_events, pipelines),
            (Some(4), (Some(12), Some(2)))
        );
        assert_eq!(info.other.len(), 0);
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

    /// A client of a Unix socket, as a server shows it.
    #[test]
    fn the_path_of_a_socket_is_whole() {
        let line = "id=4 addr=/tmp/my sock/x=1 y.sock:0 laddr=/tmp/my sock/x=1 y.sock:0 fd=8 name=web age=1";
        let info: ClientInfo = decode(&format!("${}\r\n{line}\r\n", line.len())).unwrap();
        assert_eq!(
            (&*info.addr, &*info.laddr),
            ("/tmp/my sock/x=1 y.sock:0", "/tmp/my sock/x=1 y.sock:0")
        );
        assert_eq!((&*info.name, info.age), ("web", 1));
        let line = "id=4 addr=/tmp/a b fd=8 name= age=1 user=x y lib-name=";
        let info: ClientInfo = decode(&format!("${}\r\n{line}\r\n", line.len())).unwrap();
        assert_eq!((&*info.addr, info.age, &*info.user), ("/tmp/a b", 1, "x y"));
    }

    #[test]
    fn one_odd_value_hides_neither_the_others_nor_the_other_clients() {
        let text = "id=1 db=many age=3 multi=x fd no =1 name=a\nid=2\n";
        let list: Vec<ClientInfo> = decode(&format!("${}\r\n{text}\r\n", text.len())).unwrap();
        let [first, second] = list.try_into().unwrap();
        assert_eq!(
            (first.id, first.age, &*first.name, second.id),
            (1, 3, "a", 2)
        );
        assert_eq!(first.other.get("db").map(Name::as_str), Some("many"));
    }

    #[test]
    fn values_of_any_bytes_are_kept() {
        let line = b"id=1 user=\xff\xfe name=web";
        let reply = [format!("${}\r\n", line.len()).as_bytes(), line, b"\r\n"].concat();
        let frame = typedis_core::Frame::parse(reply).unwrap();
        let info: ClientInfo = frame.decode().unwrap();
        assert_eq!(info.user, b"\xff\xfe"[..]);
        assert_eq!(info.name, "web");
    }
}
