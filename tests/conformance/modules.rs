//! Modules that come and go: what MODULE does, on all servers, with a module of our own that is compiled here.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use typedis::Protocol;
use typedis::prelude::*;
use typedis::replies::ServerModule;

use crate::moments::{PROTOCOLS, connect, start};
use crate::server::{Edition, since};

/// The module, compiled once.
fn module() -> &'static str {
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    let module = MODULE.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/module.c");
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("probe.so");
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let mut command = Command::new(compiler);
        command
            .args(["-shared", "-fPIC", "-o"])
            .args([&library, &source]);
        let status = command.status().expect("there is a C compiler");
        assert!(status.success(), "the module does not compile");
        library
    });
    module.to_str().expect("the path is text")
}

/// A connection to a server that lets modules be loaded by commands, which those before 7.0 always do.
async fn server(edition: &Edition, protocol: Protocol) -> (typedis_testkit::Server, Exclusive) {
    let builder = match edition.has("7.0.0") {
        true => edition.builder().line("enable-module-command yes"),
        false => edition.builder(),
    };
    let server = start(builder);
    let conn = connect(&server, protocol).await;
    (server, conn)
}

async fn probe(conn: &Exclusive) -> Option<ServerModule> {
    let modules = conn.module_list().await.unwrap();
    modules.into_iter().find(|module| module.name == "probe")
}

#[tokio::test]
async fn a_module_is_loaded_and_unloaded() {
    for edition in since("6.2.0") {
        for protocol in PROTOCOLS {
            let (_server, conn) = server(edition, protocol).await;
            conn.module_load(module(), ["argument"]).await.unwrap();
            assert_eq!(probe(&conn).await.unwrap().version, 1);
            conn.module_unload("probe").await.unwrap();
            assert!(probe(&conn).await.is_none());
        }
    }
}

#[tokio::test]
async fn a_module_is_loaded_with_settings() {
    for edition in since("7.0.0") {
        for protocol in PROTOCOLS {
            let (_server, conn) = server(edition, protocol).await;
            conn.module_loadex(module()).await.unwrap();
            assert!(probe(&conn).await.is_some());
            conn.module_unload("probe").await.unwrap();
            let load = conn.module_loadex(module()).setting("probe.level", 5);
            load.module_args(["argument"]).await.unwrap();
            let settings = conn.config_get("probe.level").await.unwrap();
            assert_eq!(settings["probe.level"], "5");
        }
    }
}
