//! The servers that the workloads run on: [`Servers`].

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use typedis_testkit::{Cluster, OwnTls, Server, ServerKind, servers};

use super::built::{Built, RELAY};
use super::data;
use super::plan::{Via, Workload};
use super::relay::Relay;
use crate::{Result, screen};

/// One server with data for almost everything; and, if a workload uses them, a relay that cuts its replies into pieces,
/// a cluster, and TLS if possible.
#[derive(Debug)]
pub(super) struct Servers {
    direct: Server,
    chunks: Option<Relay>,
    cluster: Option<Cluster>,
    tls: Option<Tls>,
    /// What they were started for, and with.
    workloads: Vec<Workload>,
    built: Built,
}

/// A server behind TLS.
#[derive(Debug)]
struct Tls {
    kind: TlsKind,
    authority: PathBuf,
}

#[derive(Debug)]
enum TlsKind {
    /// A server that speaks TLS itself.
    Own(Box<Server>),
    /// A relay in front of the plain server.
    Relayed(Relay),
}

impl Servers {
    /// Starts the servers of these workloads; TLS only if the programs support it.
    pub(super) fn start(workloads: &[Workload], built: &Built) -> Result<Self> {
        let uses = |via| workloads.iter().any(|one| one.via == via);
        let direct = start_plain(ServerKind::default())?;
        let chunks = uses(Via::Chunks)
            .then(|| start_chunks(&direct, built))
            .transpose()?;
        let cluster = uses(Via::Cluster).then(start_cluster).transpose()?;
        let tls = if built.with_tls {
            Tls::start(&direct, built)
                .map_err(|error| screen::failure(&format!("TLS is left out: {error}")))
                .ok()
        } else {
            None
        };
        Ok(Self {
            direct,
            chunks,
            cluster,
            tls,
            workloads: workloads.to_vec(),
            built: built.clone(),
        })
    }

    /// Starts them again if one of them ended during the last workload.
    pub(super) fn revive(&mut self) -> Result {
        if let Some(gone) = self.gone() {
            screen::failure(&format!("{gone} is gone: starting all servers again"));
            self.built.with_tls = self.tls.is_some();
            *self = Self::start(&self.workloads, &self.built)?;
        }
        Ok(())
    }

    /// What does not answer, or has ended.
    fn gone(&mut self) -> Option<&'static str> {
        if !answers(&self.direct) {
            return Some("The server");
        }
        if self
            .chunks
            .as_mut()
            .is_some_and(|relay| !relay.is_running())
        {
            return Some("The relay that cuts replies into pieces");
        }
        let nodes = self.cluster.iter().flat_map(Cluster::nodes);
        if !nodes.into_iter().all(|node| answers(node.server())) {
            return Some("A node of the cluster");
        }
        let (runs, name) = match &mut self.tls.as_mut()?.kind {
            TlsKind::Own(server) => (answers(server), "The server with TLS"),
            TlsKind::Relayed(relay) => (relay.is_running(), "The relay that speaks TLS"),
        };
        (!runs).then_some(name)
    }

    /// The server with the data of a workload; `None` if it cannot be run here.
    pub(super) fn server(&self, via: Via) -> Option<&Server> {
        match (via, &self.tls) {
            (Via::Direct | Via::Chunks | Via::Cluster, _) => Some(&self.direct),
            (Via::Tls, Some(tls)) => Some(tls.server().unwrap_or(&self.direct)),
            (Via::Tls, None) => None,
        }
    }

    /// The address that clients connect to; `None` if there is none.
    pub(super) fn url(&self, via: Via) -> Option<String> {
        match via {
            Via::Direct => Some(self.direct.url()),
            Via::Chunks => self
                .chunks
                .as_ref()
                .map(|relay| format!("redis://{}", relay.address)),
            Via::Cluster => {
                let address = self.cluster.as_ref()?.addrs().into_iter().next();
                address.map(|address| format!("redis://{address}"))
            }
            Via::Tls => self.tls.as_ref().and_then(Tls::url),
        }
    }

    /// The certificate that clients have to trust.
    pub(super) fn authority(&self) -> Option<&PathBuf> {
        self.tls.as_ref().map(|tls| &tls.authority)
    }

    /// How TLS is served, for the report.
    pub(super) fn tls_note(&self) -> &'static str {
        match self.tls.as_ref().map(|tls| &tls.kind) {
            Some(TlsKind::Own(_)) => {
                "Served by the installed redis-server, which speaks TLS itself."
            }
            Some(TlsKind::Relayed(_)) => {
                "Served by a relay of its own process in front of the server, which does not speak TLS."
            }
            None => {
                "Left out: there was no OpenSSL to build with (Debian: apt install libssl-dev pkg-config)."
            }
        }
    }
}

impl Tls {
    /// By the installed server if it speaks TLS, otherwise by a relay.
    fn start(direct: &Server, built: &Built) -> Result<Self> {
        let folder = direct.folder().join("tls");
        fs::create_dir_all(&folder)?;
        let authority = folder.join("ca.pem");
        let kind = match own(&folder, built) {
            Ok(kind) => kind,
            Err(_) => {
                let upstream = direct.addr().to_string();
                let words = ["tls", &upstream, &folder.to_string_lossy()];
                TlsKind::Relayed(Relay::start(built.path(RELAY)?, &words)?)
            }
        };
        Ok(Self { kind, authority })
    }

    fn server(&self) -> Option<&Server> {
        match &self.kind {
            TlsKind::Own(server) => Some(server),
            TlsKind::Relayed(_) => None,
        }
    }

    /// `None` if it has no address, as a server that was not asked to speak TLS.
    fn url(&self) -> Option<String> {
        let address = match &self.kind {
            TlsKind::Own(server) => server.tls_addr()?.to_string(),
            TlsKind::Relayed(relay) => relay.address.clone(),
        };
        Some(format!("rediss://{address}"))
    }
}

/// The installed server, with certificates, which this writes first.
fn own(folder: &std::path::Path, built: &Built) -> Result<TlsKind> {
    if servers::find_present(ServerKind::SystemRedis)?.is_none() {
        return Err("there is no redis-server here".into());
    }
    let status = Command::new(built.path(RELAY)?)
        .arg("certificates")
        .arg(folder)
        .status()?;
    if !status.success() {
        return Err("no certificates".into());
    }
    let read = |name| fs::read_to_string(folder.join(name));
    let tls = OwnTls {
        cert: read("cert.pem")?,
        key: read("key.pem")?,
        authority: read("ca.pem")?,
    };
    let server = Server::builder(ServerKind::SystemRedis)
        .own_tls(tls)
        .start()?;
    data::fill(&server)?;
    Ok(TlsKind::Own(Box::new(server)))
}

/// Whether a server answers.
fn answers(server: &Server) -> bool {
    let answer = server.connect().and_then(|mut raw| raw.call(&["PING"]));
    answer.is_ok()
}

fn start_chunks(direct: &Server, built: &Built) -> Result<Relay> {
    let words = ["chunks", &direct.addr().to_string()];
    Relay::start(built.path(RELAY)?, &words)
}

fn start_cluster() -> Result<Cluster> {
    let cluster = Cluster::start(ServerKind::default())?;
    data::fill_cluster(&cluster)?;
    Ok(cluster)
}

fn start_plain(kind: ServerKind) -> Result<Server> {
    let server = Server::builder(kind)
        .line("client-output-buffer-limit pubsub 0 0 0")
        .line("maxclients 12000")
        .start()?;
    data::fill(&server)?;
    Ok(server)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_server_that_ended_is_started_again_with_the_others() {
        let plan = super::super::plan::workloads();
        let uses = |via| plan.iter().copied().find(|one| one.via == via);
        let workloads: Vec<Workload> = [Via::Direct, Via::Cluster]
            .into_iter()
            .filter_map(uses)
            .collect();
        let mut servers = Servers::start(&workloads, &Built::default()).unwrap();
        assert_eq!(servers.gone(), None);
        let nodes = servers.cluster.as_ref().unwrap().nodes();
        nodes.first().unwrap().server().kill().unwrap();
        assert_eq!(servers.gone(), Some("A node of the cluster"));
        servers.revive().unwrap();
        assert_eq!(servers.gone(), None);
        servers.direct.kill().unwrap();
        assert_eq!(servers.gone(), Some("The server"));
    }
}
