//! The command line of the programs: [`Arguments`].

use std::time::Duration;

use lexopt::prelude::*;

use crate::Result;

/// What a program is to run.
#[derive(Debug, Clone)]
pub struct Arguments {
    /// The server, as `redis://host:port`, or `rediss://host:port` for TLS.
    pub url: String,
    /// Whether it is a node of a cluster, which is to be used as a whole.
    pub cluster: bool,
    /// The workload's name.
    pub workload: String,
    /// Its parameter: tasks, commands of a pipeline, bytes, elements.
    pub size: usize,
    /// How many threads the runtime has.
    pub flavour: Flavour,
    /// How long is measured at most, where the amount of work is not fixed by the workload.
    pub time: Duration,
    /// So much CPU time is enough.
    pub cpu: Duration,
    /// How many messages are received.
    pub count: u64,
}

/// Which runtime of tokio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// `current_thread`.
    OneThread,
    /// `multi_thread` with two workers.
    TwoThreads,
}

impl Arguments {
    /// Reads the command line.
    pub fn parse() -> Result<Self> {
        let mut arguments = Self {
            url: "redis://127.0.0.1:6379".to_owned(),
            cluster: false,
            workload: "get".to_owned(),
            size: 1,
            flavour: Flavour::OneThread,
            time: Duration::from_millis(900),
            cpu: Duration::from_millis(300),
            count: 100_000,
        };
        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("url") => arguments.url = parser.value()?.string()?,
                Long("cluster") => arguments.cluster = true,
                Long("workload") => arguments.workload = parser.value()?.string()?,
                Long("size") => arguments.size = parser.value()?.parse()?,
                Long("threads") => {
                    arguments.flavour = match parser.value()?.parse()? {
                        1 => Flavour::OneThread,
                        2 => Flavour::TwoThreads,
                        other => return Err(format!("--threads is 1 or 2, not {other}").into()),
                    }
                }
                Long("cpu-ms") => arguments.cpu = Duration::from_millis(parser.value()?.parse()?),
                Long("count") => arguments.count = parser.value()?.parse()?,
                Long("ms") => arguments.time = Duration::from_millis(parser.value()?.parse()?),
                other => return Err(other.unexpected().into()),
            }
        }
        Ok(arguments)
    }

    /// Whether the server speaks TLS.
    pub fn is_tls(&self) -> bool {
        self.url.starts_with("rediss://")
    }

    /// The host and port of the URL.
    pub fn address(&self) -> &str {
        self.url.rsplit("//").next().unwrap_or(&self.url)
    }
}

impl Flavour {
    /// Builds the runtime.
    pub fn runtime(self) -> std::io::Result<tokio::runtime::Runtime> {
        match self {
            Self::OneThread => tokio::runtime::Builder::new_current_thread(),
            Self::TwoThreads => {
                let mut builder = tokio::runtime::Builder::new_multi_thread();
                builder.worker_threads(2);
                builder
            }
        }
        .enable_all()
        .build()
    }
}
