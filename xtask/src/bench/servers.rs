//! The servers that the workloads run on: [`Servers`].

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::Command;

use typedis_testkit::{Cluster, Server, ServerKind, servers};

use super::plan::{Via, Workload};
use super::program::Built;
use super::relay::Relay;
use super::data;
use crate::{Result, screen};

/// The program of the relays.
pub(super) const RELAY: &str = "relay";

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
    /// A server that speaks TLS itself, and its TLS port.
    Own(Box<Server>, u16),
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

    /// Starts them again if the server ended during the last workload.
    pub(super) fn revive(&mut self) -> Result {
        let answer = self
            .direct
            .connect()
            .and_then(|mut raw| raw.call(&["PING"]));
        if answer.is_err() {
            screen::failure("The server is gone: starting another one");
            self.built.with_tls = self.tls.is_some();
            *self = Self::start(&self.workloads, &self.built)?;
        }
        Ok(())
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
            Via::Tls => self.tls.as_ref().map(Tls::url),
        }
    }

    /// The certificate that clients have to trust.
    pub(super) fn authority(&self) -> Option<&PathBuf> {
        self.tls.as_ref().map(|tls| &tls.authority)
    }

    /// How TLS is served, for the report.
    pub(super) fn tls_note(&self) -> &'static str {
        match self.tls.as_ref().map(|tls| &tls.kind) {
            Some(TlsKind::Own(..)) => {
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
            TlsKind::Own(server, _) => Some(server),
            TlsKind::Relayed(_) => None,
        }
    }

    fn url(&self) -> String {
        match &self.kind {
            TlsKind::Own(_, port) => format!("rediss://127.0.0.1:{port}"),
            TlsKind::Relayed(relay) => format!("rediss://{}", relay.address),
        }
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
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port();
    let file = |name| format!("\"{}\"", folder.join(name).display());
    let server = Server::builder(ServerKind::SystemRedis)
        .line(format!("tls-port {port}"))
        .line(format!("tls-cert-file {}", file("cert.pem")))
        .line(format!("tls-key-file {}", file("key.pem")))
        .line(format!("tls-ca-cert-file {}", file("ca.pem")))
        .line("tls-auth-clients no")
        .start()?;
    data::fill(&server)?;
    Ok(TlsKind::Own(Box::new(server), port))
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
