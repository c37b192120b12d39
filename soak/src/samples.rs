//! What the program itself uses, looked at each second: [`Samples`].

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle as Runtime;
use tokio::task::JoinHandle;

use crate::tally::Tally;

/// How often it is looked.
const EACH: Duration = Duration::from_secs(1);

/// The head of the file. `xtask` reads it.
const HEAD: &str = "second,memory_bytes,descriptors,tasks,commands,faults";

/// Samples that are written into a file as they are taken.
#[derive(Debug)]
pub(crate) struct Samples(JoinHandle<()>);

/// What was used at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) memory: u64,
    pub(crate) descriptors: usize,
    pub(crate) tasks: usize,
}

impl Usage {
    /// Of this process; the tasks are those of the clients' runtime.
    pub(crate) fn now(clients: &Runtime) -> io::Result<Self> {
        Ok(Self {
            memory: resident()?,
            descriptors: fs::read_dir("/proc/self/fd")?.count(),
            tasks: clients.metrics().num_alive_tasks(),
        })
    }
}

/// The memory of this process that is in RAM, in bytes.
fn resident() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line
        .and_then(|line| line.split_whitespace().next())
        .and_then(|number| number.parse::<u64>().ok());
    let kibibytes = kibibytes.ok_or_else(|| io::Error::other("no VmRSS in /proc/self/status"))?;
    Ok(kibibytes * 1024)
}

impl Samples {
    /// Begins to sample; runs on `runtime`.
    pub(crate) fn start(
        file: &Path,
        runtime: &Runtime,
        clients: &Runtime,
        tally: &Arc<Tally>,
    ) -> io::Result<Self> {
        let mut file = BufWriter::new(File::create(file)?);
        writeln!(file, "{HEAD}")?;
        let (clients, tally) = (clients.clone(), Arc::clone(tally));
        Ok(Self(runtime.spawn(async move {
            let begin = Instant::now();
            let mut ticks = tokio::time::interval(EACH);
            loop {
                ticks.tick().await;
                if let Err(error) = sample(&mut file, begin, &clients, &tally) {
                    eprintln!("no sample: {error}");
                }
            }
        })))
    }

    /// Ends it.
    pub(crate) fn stop(self) {
        self.0.abort();
    }
}

fn sample(
    file: &mut BufWriter<File>,
    begin: Instant,
    clients: &Runtime,
    tally: &Tally,
) -> io::Result<()> {
    let Usage {
        memory,
        descriptors,
        tasks,
    } = Usage::now(clients)?;
    let counts = tally.now();
    let faults: u64 = counts.faults.values().sum();
    let (second, commands) = (begin.elapsed().as_secs(), counts.commands());
    writeln!(
        file,
        "{second},{memory},{descriptors},{tasks},{commands},{faults}"
    )?;
    file.flush()
}
