//! What a program may take of the machine: all the sockets that there are, and not all of the memory.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::Result;

/// Raises the number of sockets to what is allowed, and has allocations fail in time where a client needs more memory
/// than there is, in place of having the system end something.
pub fn set() -> Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    if let Some(free) = free_memory() {
        let limit = free / 4 * 3;
        let (_, most) = getrlimit(Resource::RLIMIT_DATA)?;
        setrlimit(Resource::RLIMIT_DATA, limit.min(most), most)?;
    }
    Ok(())
}

/// The bytes of memory that are free or can be freed, where the system tells.
fn free_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
