//! Editing a spec rebuilds what was expanded from it.

use std::fs;
use std::path::Path;
use std::process::Command;

const MANIFEST: &str = r#"
[package]
name = "shop"
version = "0.0.0"
edition = "2024"

[workspace]

[dependencies]
typedis = { path = "ROOT", default-features = false }
"#;

const SPEC: &str = r#"
[types]
key = "key"

[examples]
key = '"key"'

[shop.NAME]
doc = "Reserves the item at `key`."
syntax = "SHOP.RESERVE key"
reply = "bool"
"#;

const MAIN: &str = r#"
typedis::commands! { pub trait ShopCommands from "shop.toml" }

fn main() {
    let request = ShopCommands::NAME(typedis::cmd(), "item");
    println!("{:?}", request.into_args().to_words());
}
"#;

#[test]
fn a_crate_of_a_users_own_follows_its_spec() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shop");
    fs::create_dir_all(folder.join("src")).expect("the target folder can be written");
    let write = |file: &str, text: String| {
        fs::write(folder.join(file), text).expect("the target folder can be written")
    };
    write(
        "Cargo.toml",
        MANIFEST.replace("ROOT", &root.display().to_string()),
    );
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).expect("the workspace is locked");

    write("shop.toml", SPEC.replace("NAME", "reserve"));
    write("src/main.rs", MAIN.replace("NAME", "reserve"));
    assert!(builds(&folder), "a command of the spec is a method");

    // Only the spec changes: the method of the old name must be gone.
    write("shop.toml", SPEC.replace("NAME", "book"));
    assert!(!builds(&folder), "the spec's edit is seen");

    write("src/main.rs", MAIN.replace("NAME", "book"));
    assert!(builds(&folder), "the new name is a method");
}

fn builds(folder: &Path) -> bool {
    let output = Command::new(env!("CARGO"))
        .args(["check", "--quiet", "--offline"])
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .output()
        .expect("cargo runs");
    output.status.success()
}
