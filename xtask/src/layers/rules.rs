//! The rules: imports point down, and there are no circles.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::House;
use super::modules::{Arrow, ModulePath, Modules};

/// What breaks a rule.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The file, and the line if it is known.
    pub(super) place: String,
    /// What breaks the rule, as it is written.
    pub(super) text: String,
    pub(super) rule: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: `{}` {}", self.place, self.text, self.rule)
    }
}

/// All faults of a crate. Without floors only circles are looked for.
pub(super) fn check(modules: &Modules, house: &House) -> Vec<Fault> {
    let floors = &house.floors;
    let mut arrows = modules.arrows();
    let mut faults = Vec::new();
    if !floors.is_empty() {
        faults.extend(unlisted(modules, floors));
        faults.extend(upward(modules, floors, &arrows));
    }
    if house.entries_may_circle {
        arrows.retain(|arrow| {
            let ((_, from_entry), (_, to_entry)) = ends(arrow);
            !from_entry && !to_entry
        });
    }
    faults.extend(circles(modules, &arrows));
    faults
}

/// Modules that have no floor, and floors that have no module.
fn unlisted(modules: &Modules, floors: &[Vec<String>]) -> Vec<Fault> {
    let listed: BTreeSet<&String> = floors.iter().flatten().collect();
    let top = modules.top();
    let homeless = top.iter().filter(|name| !listed.contains(name));
    let empty = listed.iter().filter(|name| !top.contains(**name));
    let fault = |name: &String, rule: &str| Fault {
        place: "layers.toml".to_owned(),
        text: name.clone(),
        rule: rule.to_owned(),
    };
    homeless
        .map(|name| fault(name, "has no floor: add it to the list"))
        .chain(empty.map(|name| fault(name, "has a floor, but there is no such module")))
        .collect()
}

/// Imports from the same floor or a higher one.
fn upward(modules: &Modules, floors: &[Vec<String>], arrows: &BTreeSet<Arrow>) -> Vec<Fault> {
    let floor = |path: &ModulePath| {
        let name = path.first()?;
        floors.iter().position(|floor| floor.contains(name))
    };
    let breaks = |arrow: &&Arrow| {
        arrow.from.first() != arrow.to.first() && floor(&arrow.from) <= floor(&arrow.to)
    };
    let fault = |arrow: &Arrow| {
        let (from, to) = (name(arrow.from.first()), name(arrow.to.first()));
        let rule = format!("imports upward: `{from}` must not need `{to}`");
        fault(modules, arrow, rule)
    };
    arrows.iter().filter(breaks).map(fault).collect()
}

fn name(step: Option<&String>) -> &str {
    step.map_or("", String::as_str)
}

fn fault(modules: &Modules, arrow: &Arrow, rule: String) -> Fault {
    Fault {
        place: format!("{}:{}", modules.file(&arrow.from).display(), arrow.line),
        text: arrow.text.clone(),
        rule,
    }
}

/// A folder or a file, seen from the folder that contains both ends of an arrow.
type Node = (ModulePath, bool);

/// Imports that close a circle: between folders side by side, or of a folder's entry file and a file in it.
fn circles(modules: &Modules, arrows: &BTreeSet<Arrow>) -> Vec<Fault> {
    let mut between: BTreeMap<(Node, Node), Vec<&Arrow>> = BTreeMap::new();
    for arrow in arrows {
        between.entry(ends(arrow)).or_default().push(arrow);
    }
    let edges: BTreeMap<Node, BTreeSet<Node>> =
        between
            .keys()
            .fold(BTreeMap::new(), |mut edges, (from, to)| {
                edges
                    .entry(from.clone())
                    .or_insert_with(BTreeSet::new)
                    .insert(to.clone());
                edges
            });
    let mut faults = Vec::new();
    for ((from, to), arrows) in &between {
        let Some(back) = way(&edges, to, from) else {
            continue;
        };
        let through: Vec<String> = back.iter().map(show).collect();
        for arrow in arrows {
            let rule = format!("closes a circle: {} → {}", show(from), through.join(" → "));
            faults.push(fault(modules, arrow, rule));
        }
    }
    faults
}

fn show((path, entry): &Node) -> String {
    let path = path.join("::");
    if *entry {
        format!("{path} (its entry file)")
    } else {
        path
    }
}

/// The two ends, seen from the deepest folder that contains both.
fn ends(arrow: &Arrow) -> (Node, Node) {
    let shared = arrow
        .from
        .iter()
        .zip(&arrow.to)
        .take_while(|(from, to)| from == to)
        .count();
    let node = |path: &ModulePath| {
        let entry = path.len() == shared;
        let length = if entry { shared } else { shared + 1 };
        (path.iter().take(length).cloned().collect(), entry)
    };
    (node(&arrow.from), node(&arrow.to))
}

/// The shortest path from one node to another along the edges.
fn way(edges: &BTreeMap<Node, BTreeSet<Node>>, from: &Node, to: &Node) -> Option<Vec<Node>> {
    let mut came_from: BTreeMap<Node, Option<Node>> = BTreeMap::from([(from.clone(), None)]);
    let mut left = std::collections::VecDeque::from([from.clone()]);
    while let Some(node) = left.pop_front() {
        if node == *to {
            let mut path = vec![node.clone()];
            let mut at = came_from.get(&node).cloned().flatten();
            while let Some(node) = at {
                at = came_from.get(&node).cloned().flatten();
                path.push(node);
            }
            path.reverse();
            return Some(path);
        }
        for next in edges.get(&node).into_iter().flatten() {
            if !came_from.contains_key(next) {
                came_from.insert(next.clone(), Some(node.clone()));
                left.push_back(next.clone());
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    /// A small crate in a temporary folder, which is removed with it.
    struct Tree(PathBuf);

    impl Tree {
        fn new(name: &str, files: &[(&str, &str)]) -> Self {
            let folder = std::env::temp_dir().join(format!("layers-{name}-{}", std::process::id()));
            for (file, text) in files {
                let path = folder.join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            Self(folder)
        }

        fn faults(&self, floors: &[&[&str]]) -> Vec<String> {
            let modules = Modules::read(&self.0, Path::new("lib.rs")).unwrap();
            let floors = floors
                .iter()
                .map(|floor| floor.iter().map(|name| (*name).to_owned()).collect())
                .collect();
            let house = House {
                root: String::new(),
                floors,
                entries_may_circle: false,
            };
            let faults = check(&modules, &house);
            faults.iter().map(Fault::to_string).collect()
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    const SOUND: [(&str, &str); 4] = [
        (
            "lib.rs",
            "//! # Layout\nmod low;\nmod high;\npub use high::Roof;",
        ),
        (
            "low/mod.rs",
            "//! # Layout\nmod stone;\npub(crate) use stone::Stone;",
        ),
        ("low/stone.rs", "pub(crate) struct Stone;"),
        ("high.rs", "use crate::low::Stone;\npub struct Roof(Stone);"),
    ];
    const FLOORS: &[&[&str]] = &[&["low"], &["high"]];

    fn planted(name: &str, files: &[(&str, &str)]) -> Vec<String> {
        let mut all = SOUND.to_vec();
        all.retain(|(file, _)| files.iter().all(|(planted, _)| planted != file));
        all.extend_from_slice(files);
        Tree::new(name, &all).faults(FLOORS)
    }

    #[test]
    fn a_sound_tree_has_no_fault() {
        assert_eq!(planted("sound", &[]), [""; 0]);
    }

    #[test]
    fn an_import_upward_is_named_with_its_line_though_the_root_hands_it_on() {
        let stone = "pub(crate) struct Stone;\n\nfn f(_: crate::Roof) {}";
        let faults = planted("upward", &[("low/stone.rs", stone)]);
        assert_eq!(
            faults[0],
            "low/stone.rs:3: `crate::Roof` imports upward: `low` must not need `high`"
        );
    }

    #[test]
    fn two_folders_that_import_each_other_are_found_without_floors() {
        let stone = "use crate::high::Roof;\npub(crate) struct Stone(Roof);";
        let mut files = SOUND.to_vec();
        files[2] = ("low/stone.rs", stone);
        let faults = Tree::new("circle", &files).faults(&[]);
        assert_eq!(
            faults,
            [
                "high.rs:1: `crate::low::Stone` closes a circle: high → low → high",
                "low/stone.rs:1: `crate::high::Roof` closes a circle: low → high → low",
            ]
        );
    }

    #[test]
    fn an_entry_file_and_a_file_below_it_make_a_circle_too() {
        let entry = "//! # Layout\nmod stone;\nuse stone::Stone;\npub(crate) struct Wall(Stone);";
        let stone = "pub(crate) struct Stone;\nimpl super::Wall {}";
        let high = "pub struct Roof(crate::low::Wall);";
        let files = [
            ("low/mod.rs", entry),
            ("low/stone.rs", stone),
            ("high.rs", high),
        ];
        let faults = planted("entry", &files);
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults[0].starts_with("low/mod.rs:3: `stone::Stone` closes a circle"));
    }

    #[test]
    fn a_module_without_a_floor_and_a_floor_without_a_module_are_faults() {
        let tree = Tree::new("unlisted", &SOUND);
        let faults = tree.faults(&[&["low"], &["roof"]]);
        assert!(faults[0].contains("`high` has no floor"), "{faults:?}");
        assert!(faults[1].contains("`roof` has a floor"), "{faults:?}");
    }
}
