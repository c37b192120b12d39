//! Cargo's target folder, where the cache of servers is.

use std::env;
use std::path::{Path, PathBuf};

/// What cargo puts into its target folder.
const TAG: &str = "CACHEDIR.TAG";

/// The target folder of whoever runs the tests: `CARGO_TARGET_DIR`; otherwise the one that holds the running program; otherwise `target` beside the
/// `Cargo.lock` of the package that is tested.
///
/// The current folder would not do: it differs between `cargo run`, unit tests and doc tests. A doc test runs in a folder of its own, but cargo tells it
/// its package.
pub(super) fn folder() -> PathBuf {
    let variable = env::var_os("CARGO_TARGET_DIR").filter(|value| !value.is_empty());
    if let Some(variable) = variable {
        return named(variable.into(), package());
    }
    let program = env::current_exe().unwrap_or_default();
    let mut folders = program.ancestors();
    if let Some(target) = folders.find(|folder| folder.join(TAG).is_file()) {
        return target.to_owned();
    }
    let package = package().unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    workspace(&package).join("target")
}

/// A folder that is named: cargo, which is called in the workspace's folder, counts from there.
fn named(folder: PathBuf, package: Option<PathBuf>) -> PathBuf {
    match package {
        Some(package) => workspace(&package).join(folder),
        None => folder,
    }
}

/// The folder of the package that is tested.
fn package() -> Option<PathBuf> {
    env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from)
}

/// The folder of the workspace that a package is in: the nearest with a `Cargo.lock`.
fn workspace(package: &Path) -> PathBuf {
    let mut folders = package.ancestors();
    let found = folders.find(|folder| folder.join("Cargo.lock").is_file());
    found.unwrap_or(package).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_the_one_that_holds_this_program() {
        let program = env::current_exe().unwrap_or_default();
        assert!(
            program.starts_with(folder()),
            "{program:?} is not in {:?}",
            folder()
        );
        assert!(folder().join(TAG).is_file());
    }

    #[test]
    fn a_name_counts_from_the_workspace_unless_it_is_absolute() {
        let package = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let workspace = workspace(&package);
        let named = |name: &str| named(name.into(), Some(package.clone()));
        assert_eq!(named("other/target"), workspace.join("other/target"));
        assert_eq!(named("/other/target"), PathBuf::from("/other/target"));
    }

    #[test]
    fn the_workspace_of_a_package_has_the_lock_file() {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert_eq!(Some(&*workspace(package)), package.parent());
    }
}
