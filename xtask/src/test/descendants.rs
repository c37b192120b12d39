//! The processes that a program started, and those that they started: [`kill`].

use std::fs;
use std::process::Command;

/// A process that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process {
    id: u32,
    parent: u32,
    group: u32,
}

/// Kills all processes below one, but not itself, and says whether there were some. Those that left its process group are left alone: the servers of
/// tests are among them, whose guards end them and remove their files when the test has ended.
pub(super) fn kill(root: u32) -> bool {
    let found = below(root, &running());
    if found.is_empty() {
        return false;
    }
    let ids: Vec<String> = found.iter().map(u32::to_string).collect();
    // Every shell can do that by itself; not every machine has a program for it.
    let words = format!("kill -KILL {}", ids.join(" "));
    // One that has ended in the meantime makes it fail, and the others are killed nevertheless.
    Command::new("sh").args(["-c", &words]).status().is_ok()
}

/// The ids of the processes below one.
fn below(root: u32, all: &[Process]) -> Vec<u32> {
    let group = all.iter().find(|process| process.id == root);
    let Some(Process { group, .. }) = group.copied() else {
        return Vec::new();
    };
    let mut found = vec![root];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        let children = all.iter().filter(|process| process.parent == parent);
        let children = children.filter(|process| process.group == group);
        found.extend(children.map(|process| process.id));
        next += 1;
    }
    found.split_off(1)
}

/// All processes: from the kernel's files, and from `ps` where there are none.
fn running() -> Vec<Process> {
    let folders = fs::read_dir("/proc").into_iter().flatten().flatten();
    let files = folders.filter_map(|folder| fs::read_to_string(folder.path().join("stat")).ok());
    let found: Vec<Process> = files.filter_map(|text| of_kernel(&text)).collect();
    if !found.is_empty() {
        return found;
    }
    let words = ["-A", "-o", "pid=", "-o", "ppid=", "-o", "pgid="];
    let Ok(output) = Command::new("ps").args(words).output() else {
        return Vec::new();
    };
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().filter_map(numbers).collect()
}

/// Reads `ID (NAME) STATE PARENT GROUP …`; the name may contain anything.
fn of_kernel(text: &str) -> Option<Process> {
    let (id, rest) = text.split_once(' ')?;
    let (_, rest) = rest.rsplit_once(')')?;
    let rest = rest.split_whitespace().skip(1).take(2);
    numbers(&[id].into_iter().chain(rest).collect::<Vec<_>>().join(" "))
}

/// Reads `ID PARENT GROUP`.
fn numbers(line: &str) -> Option<Process> {
    let mut words = line.split_whitespace().map(|word| word.parse().ok());
    Some(Process {
        id: words.next()??,
        parent: words.next()??,
        group: words.next()??,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name() {
        let expected = Process {
            id: 7,
            parent: 3,
            group: 2,
        };
        assert_eq!(of_kernel("7 (a) b (c) S 3 2 2 0 -1"), Some(expected));
        assert_eq!(numbers("    7     3  2"), Some(expected));
        assert_eq!(of_kernel("7 (a"), None);
    }

    #[test]
    fn those_below_are_found_at_every_depth_in_the_same_group() {
        let process = |id, parent, group| Process { id, parent, group };
        let all = [
            process(9, 8, 1),
            process(1, 0, 1),
            process(5, 1, 1),
            process(8, 5, 1),
            // The guard of a server, its server, and another program.
            process(6, 8, 6),
            process(7, 6, 6),
            process(4, 1, 1),
        ];
        assert_eq!(below(5, &all), [8, 9]);
        assert_eq!(below(1, &all), [5, 4, 8, 9]);
        assert!(below(9, &all).is_empty());
        assert!(below(100, &all).is_empty());
    }

    #[test]
    #[cfg(unix)]
    fn this_process_is_among_all() {
        let here = std::process::id();
        assert!(running().iter().any(|process| process.id == here));
    }
}
