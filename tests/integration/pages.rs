//! The pages beside the code: they are found, their code is compiled, and their links lead somewhere.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Markdown files of a folder, itself alone.
fn pages(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).expect("the folder is there");
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect()
}

fn text(path: impl AsRef<Path>) -> String {
    fs::read_to_string(root().join(path)).expect("it can be read")
}

#[test]
fn every_page_of_the_guide_is_linked_and_compiled() {
    let (readme, library) = (text("README.md"), text("src/lib.rs"));
    let guide = pages("docs/guide");
    assert!(guide.len() >= 5, "{guide:?}");
    for page in guide {
        let name = page.file_name().and_then(|name| name.to_str());
        let path = format!("docs/guide/{}", name.expect("names are text"));
        assert!(
            readme.contains(&format!("({path})")),
            "README.md links no {path}"
        );
        let include = format!("include_str!(\"../{path}\")");
        assert!(
            library.contains(&include),
            "the documentation tests leave out {path}"
        );
    }
}

#[test]
fn links_lead_somewhere() {
    let mut checked = 0;
    for page in ["", "docs", "docs/guide"].into_iter().flat_map(pages) {
        let text = text(&page);
        let targets = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split_once(')'));
        for (target, _) in targets {
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || target.contains("://") || target.contains(char::is_whitespace) {
                continue;
            }
            let folder = page.parent().expect("a file is in a folder");
            assert!(
                folder.join(file).exists(),
                "{} links {target}",
                page.display()
            );
            checked += 1;
        }
    }
    assert!(checked > 15, "{checked}");
}
