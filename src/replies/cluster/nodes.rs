//! A node of a cluster, as the lines of CLUSTER NODES describe it: [`ClusterNode`].

use typedis_core::{DecodeError, FromRedis, Reply};

use crate::replies::text::{lines, parse, text, words};

/// A node of a cluster, as another node sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterNode {
    /// Its id.
    pub id: String,
    /// Its address.
    pub address: NodeAddress,
    /// Its role and its faults: `myself`, `master`, `slave`, `fail?`, `fail`, `handshake`, `noaddr` and so on.
    pub flags: Vec<String>,
    /// The id of its primary; `None` for primaries.
    pub primary: Option<String>,
    /// When the ping was sent that it has not answered yet, as a Unix time in milliseconds; 0 if there is none.
    pub ping_sent: u64,
    /// When it last answered a ping, as a Unix time in milliseconds.
    pub pong_received: u64,
    /// Its configuration epoch, or that of its primary.
    pub config_epoch: u64,
    /// Whether the link to it works.
    pub is_connected: bool,
    /// Its ranges of slots, with both ends.
    pub slots: Vec<(u16, u16)>,
    /// Slots that are being moved to another node, with its id.
    pub migrating: Vec<(u16, String)>,
    /// Slots that are being moved here from another node, with its id.
    pub importing: Vec<(u16, String)>,
}

/// The address of a node of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct NodeAddress {
    /// Its address; empty for a lone node that does not know its own.
    pub ip: String,
    /// Its port for clients.
    pub port: u16,
    /// Its port for other nodes.
    pub bus_port: Option<u16>,
    /// Its host name.
    pub hostname: Option<String>,
}

impl ClusterNode {
    /// Whether it has this flag.
    #[must_use]
    pub fn has_flag(&self, flag: &str) -> bool {
        self.flags.iter().any(|own| own == flag)
    }

    /// Whether it is a primary.
    #[must_use]
    pub fn is_primary(&self) -> bool {
        self.has_flag("master") || self.has_flag("primary")
    }

    fn parse(line: &str) -> Result<Self, DecodeError> {
        let mut parts = line.split(' ').filter(|part| !part.is_empty());
        let mut part = |name: &'static str| parts.next().ok_or_else(|| DecodeError::missing(name));
        let mut node = Self {
            id: part("id")?.to_owned(),
            address: NodeAddress::parse(part("address")?)?,
            flags: words(part("flags")?, ','),
            primary: Some(part("primary")?)
                .filter(|id| *id != "-")
                .map(str::to_owned),
            ping_sent: parse("ping_sent", part("ping_sent")?)?,
            pong_received: parse("pong_received", part("pong_received")?)?,
            config_epoch: parse("config_epoch", part("config_epoch")?)?,
            is_connected: part("link_state")? == "connected",
            slots: Vec::new(),
            migrating: Vec::new(),
            importing: Vec::new(),
        };
        parts.try_for_each(|slots| node.add_slots(slots))?;
        Ok(node)
    }

    /// `5`, `0-100`, `[93->-id]` or `[77-<-id]`.
    fn add_slots(&mut self, text: &str) -> Result<(), DecodeError> {
        let slot = |text: &str| parse("slots", text);
        if let Some(moved) = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            if let Some((number, node)) = moved.split_once("->-") {
                self.migrating.push((slot(number)?, node.to_owned()));
            } else if let Some((number, node)) = moved.split_once("-<-") {
                self.importing.push((slot(number)?, node.to_owned()));
            }
            return Ok(());
        }
        let (start, end) = text.split_once('-').unwrap_or((text, text));
        self.slots.push((slot(start)?, slot(end)?));
        Ok(())
    }
}

impl NodeAddress {
    /// `ip:port@bus-port,hostname,name=value`, of which everything from `@` on may be missing.
    fn parse(text: &str) -> Result<Self, DecodeError> {
        let mut parts = text.split(',');
        let (socket, bus_port) = match parts.next().unwrap_or_default().split_once('@') {
            Some((socket, bus_port)) => (socket, Some(parse("address", bus_port)?)),
            None => (text, None),
        };
        let (ip, port) = socket.rsplit_once(':').ok_or_else(|| {
            DecodeError::new("the text is no address and port").at_field("address")
        })?;
        let hostname = parts
            .next()
            .filter(|name| !name.is_empty() && !name.contains('='));
        Ok(Self {
            ip: ip.to_owned(),
            port: parse("address", port)?,
            bus_port,
            hostname: hostname.map(str::to_owned),
        })
    }
}

/// One node in one line.
impl FromRedis for ClusterNode {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        Self::parse(text(&reply, "a line on a node")?.trim_end())
    }

    /// A list of nodes is a text of lines (CLUSTER NODES) or an array of them (CLUSTER REPLICAS).
    fn decode_all(
        reply: &Reply<'_>,
        put: &mut impl FnMut(Self) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let mut add = |(index, node): (usize, Result<Self, DecodeError>)| {
            node.and_then(&mut *put)
                .map_err(|error| error.at_index(index))
        };
        match reply.elements() {
            Some(elements) => elements
                .map(Self::from_redis)
                .enumerate()
                .try_for_each(&mut add),
            None => lines(text(reply, "lines on nodes")?)
                .map(Self::parse)
                .enumerate()
                .try_for_each(&mut add),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::replies::wire::decode;

    fn node(line: &str) -> ClusterNode {
        decode(&format!("${}\r\n{line}\r\n", line.len())).unwrap()
    }

    #[test]
    fn nodes_are_lines_in_both_protocols() {
        let text = "5d66fe64d29d76ab6bd9924fa5e0ef0f78589c9b 127.0.0.1:7818@7828 master - 0 1795336027475 0 connected 8192-16383\n\
                    781687f555729c554a13844536a5be67a59cc540 127.0.0.1:7815@7825 myself,master - 0 0 1 connected 0-8191\n\
                    c58fc0da1d0241e42de8da377b35e2cd50326449 127.0.0.1:7818@7828 handshake - 0 0 0 disconnected\n";
        let two: Vec<ClusterNode> = decode(&format!("${}\r\n{text}\r\n", text.len())).unwrap();
        let three: Vec<ClusterNode> =
            decode(&format!("={}\r\ntxt:{text}\r\n", text.len() + 4)).unwrap();
        assert_eq!(two, three);
        let slots: Vec<_> = two.iter().map(|node| node.slots.as_slice()).collect();
        assert_eq!(slots, [&[(8192, 16383)][..], &[(0, 8191)][..], &[][..]]);
        let own = two.iter().find(|node| node.has_flag("myself")).unwrap();
        assert!(own.is_primary() && own.is_connected);
        assert_eq!(
            (own.address.ip.as_str(), own.address.port),
            ("127.0.0.1", 7815)
        );
        assert!(two.iter().any(|node| !node.is_connected));
    }

    #[test]
    fn replicas_are_an_array_of_lines() {
        let line = "5d66fe64d29d76ab6bd9924fa5e0ef0f78589c9b 127.0.0.1:7818@7828 slave 781687f555729c554a13844536a5be67a59cc540 0 1795336033504 1 connected";
        let replicas: Vec<ClusterNode> =
            decode(&format!("*1\r\n${}\r\n{line}\r\n", line.len())).unwrap();
        assert_eq!(replicas, [node(line)]);
        let primary = replicas.first().unwrap().primary.as_deref();
        assert_eq!(primary, Some("781687f555729c554a13844536a5be67a59cc540"));
        assert_eq!(decode::<Vec<ClusterNode>>("*0\r\n").unwrap(), []);
    }

    #[test]
    fn slots_that_are_moved_name_the_other_node() {
        let node = node(
            "aa ::1:7000@17000,db1.example,shard-id=5 master,fail? - 5 6 7 connected 5 7-9 [93->-bb] [77-<-cc]",
        );
        assert_eq!(node.slots, [(5, 5), (7, 9)]);
        assert_eq!(node.migrating, [(93, "bb".to_owned())]);
        assert_eq!(node.importing, [(77, "cc".to_owned())]);
        assert_eq!(node.flags, ["master", "fail?"]);
        let address = NodeAddress {
            ip: "::1".to_owned(),
            port: 7000,
            bus_port: Some(17000),
            hostname: Some("db1.example".to_owned()),
        };
        assert_eq!(node.address, address);
    }

    #[test]
    fn an_address_may_have_no_host_and_no_bus_port() {
        assert_eq!(
            node("aa :7000@17000 myself,master - 0 0 0 connected")
                .address
                .ip,
            ""
        );
        assert_eq!(
            node("aa 10.0.0.1:7000 master - 0 0 0 connected")
                .address
                .bus_port,
            None
        );
        assert!(decode::<ClusterNode>("+aa nowhere master - 0 0 0 connected\r\n").is_err());
    }
}
