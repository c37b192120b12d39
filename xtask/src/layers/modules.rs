//! The modules of a crate, and which of its files a path leads to.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::source::{Mention, Source};
use crate::Result;

/// The steps from the crate's root to a module: `["engine", "link"]`.
pub(super) type ModulePath = Vec<String>;

/// One file imports another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Arrow {
    pub(super) from: ModulePath,
    pub(super) to: ModulePath,
    /// Its line in the file of `from`.
    pub(super) line: usize,
    /// The import as it is written.
    pub(super) text: String,
}

#[derive(Debug)]
struct Module {
    file: PathBuf,
    text: String,
    source: Source,
    children: BTreeSet<String>,
}

/// All modules of one crate.
#[derive(Debug)]
pub(super) struct Modules {
    modules: BTreeMap<ModulePath, Module>,
}

/// The most steps from one `use` to the next; more mean a circle of re-exports.
const MAX_REEXPORTS: usize = 16;

impl Modules {
    /// Reads the file at which the compiler begins, and all files that belong to it. Paths are relative to `folder`.
    pub(super) fn read(folder: &Path, root: &Path) -> Result<Self> {
        let mut modules = Self {
            modules: BTreeMap::new(),
        };
        let mut left = vec![(ModulePath::new(), root.to_owned())];
        while let Some((path, file)) = left.pop() {
            let text = fs::read_to_string(folder.join(&file))
                .map_err(|error| format!("{}: {error}", file.display()))?;
            let source =
                Source::read(&text).map_err(|error| format!("{}: {error}", file.display()))?;
            let below = folder_of(&file, path.is_empty());
            for child in &source.children {
                let mut path = path.clone();
                path.push(child.clone());
                left.push((path, file_of(folder, &below, child)));
            }
            modules.insert(path, file, text, source);
        }
        Ok(modules)
    }

    fn insert(&mut self, path: ModulePath, file: PathBuf, text: String, mut source: Source) {
        let inline = std::mem::take(&mut source.inline);
        let mut children: BTreeSet<String> = source.children.iter().cloned().collect();
        for (name, source) in inline {
            children.insert(name.clone());
            let mut path = path.clone();
            path.push(name);
            self.insert(path, file.clone(), String::new(), source);
        }
        let module = Module {
            file,
            text,
            source,
            children,
        };
        self.modules.insert(path, module);
    }

    /// The file of a module.
    pub(super) fn file(&self, path: &[String]) -> &Path {
        self.modules
            .get(path)
            .map_or(Path::new(""), |module| &module.file)
    }

    /// The text of a module's file.
    pub(super) fn text(&self, path: &[String]) -> Option<&str> {
        self.modules.get(path).map(|module| module.text.as_str())
    }

    /// The modules right below the crate's root that have a file or folder.
    pub(super) fn top(&self) -> BTreeSet<String> {
        let root = self.modules.get(&ModulePath::new());
        let children = root.map(|root| root.source.children.iter().cloned());
        children.into_iter().flatten().collect()
    }

    /// All imports between files of the crate. Names that come from the root do not count as imports of it.
    pub(super) fn arrows(&self) -> BTreeSet<Arrow> {
        let root = self.file(&[]);
        let inner = self.modules.iter();
        inner
            .filter(|(_, module)| module.file != root)
            .flat_map(|(path, module)| self.arrows_of(path, module))
            .collect()
    }

    fn arrows_of(&self, path: &[String], module: &Module) -> Vec<Arrow> {
        let uses = module.source.imports.iter().filter(|import| {
            // An entry file that re-exports a name from below does not depend on it.
            let below = self
                .absolute(path, &import.from.path)
                .is_some_and(|target| target.starts_with(path));
            !(import.public && below) || module.source.words.contains(&import.name)
        });
        let named = module.source.mentions.iter();
        uses.map(|import| &import.from)
            .chain(named)
            .filter_map(|mention| self.arrow(path, mention))
            .collect()
    }

    fn arrow(&self, path: &[String], mention: &Mention) -> Option<Arrow> {
        let to = self.resolve(&self.absolute(path, &mention.path)?, 0)?;
        (self.file(&to) != self.file(path) && !to.is_empty()).then(|| Arrow {
            from: path.to_vec(),
            to,
            line: mention.line,
            text: mention.path.join("::"),
        })
    }

    /// The path from the crate's root; `None` if it leads into another crate.
    fn absolute(&self, from: &[String], path: &[String]) -> Option<ModulePath> {
        let (first, rest) = path.split_first()?;
        let mut base = from.to_vec();
        match first.as_str() {
            "crate" => base.clear(),
            "self" => {}
            "super" => {
                base.pop();
                let supers = rest.iter().take_while(|step| *step == "super").count();
                base.truncate(base.len().saturating_sub(supers));
                base.extend(rest.iter().skip(supers).cloned());
                return Some(base);
            }
            child if self.modules.get(from)?.children.contains(child) => {
                base.push(child.to_owned());
            }
            _ => return None,
        }
        base.extend(rest.iter().cloned());
        Some(base)
    }

    /// The module that defines what an absolute path names: first through modules, then through `use`.
    fn resolve(&self, path: &[String], depth: usize) -> Option<ModulePath> {
        let known = (0..=path.len()).rev().find_map(|length| {
            let (module, rest) = path.split_at(length);
            self.modules
                .get(module)
                .map(|found| (module.to_vec(), found, rest))
        });
        let (at, module, rest) = known?;
        let Some((name, rest)) = rest.split_first() else {
            return Some(at);
        };
        if depth == MAX_REEXPORTS {
            return Some(at);
        }
        let through = module.source.imports.iter().find(|one| one.name == *name);
        if let Some(import) = through
            && let Some(mut next) = self.absolute(&at, &import.from.path)
        {
            next.extend(rest.iter().cloned());
            return self.resolve(&next, depth + 1);
        }
        Some(at)
    }
}

/// The folder with the modules of a file.
fn folder_of(file: &Path, is_root: bool) -> PathBuf {
    let parent = file.parent().unwrap_or(Path::new(""));
    if is_root || file.ends_with("mod.rs") {
        parent.to_owned()
    } else {
        parent.join(file.file_stem().unwrap_or_default())
    }
}

fn file_of(folder: &Path, below: &Path, child: &str) -> PathBuf {
    let own = below.join(format!("{child}.rs"));
    if folder.join(&own).exists() {
        own
    } else {
        below.join(child).join("mod.rs")
    }
}
