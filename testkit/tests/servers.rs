//! The kit's servers: each kind starts, obeys, and is gone when its holder is.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use typedis_testkit::{Server, ServerKind, database, servers, shared};

fn version_of(server: &Server) -> String {
    let info = server.connect().unwrap().call(&["INFO", "server"]).unwrap();
    let line = |name: &str| {
        info.lines()
            .find_map(|line| line.strip_prefix(name).map(str::to_owned))
    };
    line("valkey_version:")
        .or_else(|| line("redis_version:"))
        .unwrap()
}

/// Starts a kind, and checks that it is the one that its name promises. Elsewhere than on Linux x86_64 some are absent.
fn starts(kind: ServerKind) -> Option<Server> {
    match Server::start(kind) {
        Ok(server) => {
            assert_eq!(
                server.connect().unwrap().frame(&["PING"]).unwrap(),
                b"+PONG\r\n"
            );
            assert!(
                kind.name().contains(&version_of(&server)),
                "{kind} runs {}",
                version_of(&server)
            );
            Some(server)
        }
        Err(error) if error.is_unavailable() => None,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn every_pinned_server_starts() {
    // TYPEDIS_SERVER may name another version of the default.
    if std::env::var_os(servers::SERVER_VARIABLE).is_none() {
        starts(ServerKind::Valkey9);
    }
    starts(ServerKind::Redis8);
    starts(ServerKind::Valkey8);
    starts(ServerKind::Redis8_10);
    starts(ServerKind::Redis6);
}

#[test]
fn the_modules_are_loaded() {
    let Some(server) = starts(ServerKind::RedisStack) else {
        return;
    };
    let mut connection = server.connect().unwrap();
    assert_eq!(
        connection
            .call(&["JSON.SET", "doc", "$", r#"{"a":1}"#])
            .unwrap(),
        "OK"
    );
    assert_eq!(
        connection
            .call(&["FT.CREATE", "index", "SCHEMA", "a", "NUMERIC"])
            .unwrap(),
        "OK"
    );
    assert_eq!(connection.call(&["BF.ADD", "filter", "a"]).unwrap(), "1");
    assert_eq!(
        connection
            .call(&["TS.ADD", "series", "1000", "1.5"])
            .unwrap(),
        "1000"
    );
}

#[test]
fn a_restart_that_fails_can_be_repeated_and_leaves_no_folder_behind() {
    for is_repeated in [true, false] {
        let server = Server::start(ServerKind::default()).unwrap();
        let folder = server.folder();
        // It is written again, to where nothing can be written.
        let configuration = folder.join("server.conf");
        std::fs::remove_file(&configuration).unwrap();
        std::os::unix::fs::symlink(folder.join("no/folder"), &configuration).unwrap();
        for _ in 0..2 {
            server.restart().unwrap_err();
        }
        assert!(folder.exists() && !server.is_running());
        if is_repeated {
            std::fs::remove_file(&configuration).unwrap();
            server.restart().unwrap();
            let mut connection = server.connect().unwrap();
            assert_eq!(connection.call(&["PING"]).unwrap(), "PONG");
        }
        drop(server);
        assert!(!folder.exists());
    }
}

/// A server whose program finds its port taken once, whenever this file is there.
fn unlucky(taken: &Path) -> Server {
    let mut program = servers::find(ServerKind::default()).unwrap();
    let wrapper = taken.with_file_name("server.sh");
    let script = format!(
        "#!/bin/sh\nif rm '{}' 2>/dev/null; then\n    echo 'bind: Address already in use'\n    exit 1\nfi\nexec '{}' \"$@\"\n",
        taken.display(),
        program.path.display()
    );
    std::fs::write(&wrapper, script).unwrap();
    std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).unwrap();
    program.path = wrapper;
    let builder = Server::builder(ServerKind::default()).program(program);
    builder.start().unwrap()
}

#[test]
fn a_restart_waits_until_its_port_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("taken");
    let server = unlucky(&taken);
    for is_elsewhere in [false, true] {
        std::fs::write(&taken, "").unwrap();
        let before = server.port();
        match is_elsewhere {
            true => server.restart_elsewhere().unwrap(),
            false => server.restart().unwrap(),
        }
        assert!(!taken.exists(), "no port was taken");
        assert_eq!(server.port() != before, is_elsewhere);
        let mut connection = server.connect().unwrap();
        assert_eq!(connection.call(&["PING"]).unwrap(), "PONG");
    }
}

/// Otherwise another program may have its port by the time at which it is started again.
#[test]
fn a_server_has_no_port_that_the_system_gives_to_others() {
    let Ok(range) = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range") else {
        return;
    };
    let first: u16 = range.split_whitespace().next().unwrap().parse().unwrap();
    if first < 22_000 {
        // Nearly all ports are given to others here.
        return;
    }
    let server = Server::start(ServerKind::default()).unwrap();
    let before = server.port();
    server.restart_elsewhere().unwrap();
    for port in [before, server.port()] {
        assert!(port < first, "{port} may be given to another program");
    }
}

#[test]
fn settings_reach_the_server() {
    let builder = Server::builder(ServerKind::default())
        .password("p@ss \"word\"")
        .unix_socket()
        .debug_commands();
    let server = builder
        .line("user alice on >secret ~* +@read")
        .databases(3)
        .start()
        .unwrap();
    let mut connection = server.connect().unwrap();
    assert_eq!(connection.call(&["SELECT", "2"]).unwrap(), "OK");
    assert!(
        connection
            .call(&["SELECT", "3"])
            .unwrap_err()
            .to_string()
            .contains("out of range")
    );
    assert_eq!(connection.call(&["DEBUG", "SLEEP", "0"]).unwrap(), "OK");
    assert_eq!(connection.call(&["AUTH", "alice", "secret"]).unwrap(), "OK");
    assert!(
        connection
            .call(&["SET", "a", "1"])
            .unwrap_err()
            .to_string()
            .starts_with("NOPERM")
    );
    assert!(
        server
            .url()
            .starts_with("redis://:p%40ss%20%22word%22@127.0.0.1:"),
        "{}",
        server.url()
    );
    std::os::unix::net::UnixStream::connect(server.socket().unwrap()).unwrap();
}

#[test]
fn cluster_nodes_and_sentinels_start() {
    for kind in [ServerKind::default(), ServerKind::Redis6] {
        let node = match Server::builder(kind).cluster().start() {
            Err(error) if error.is_unavailable() => continue,
            node => node.unwrap(),
        };
        let info = node.connect().unwrap().call(&["CLUSTER", "INFO"]).unwrap();
        assert!(info.contains("cluster_state:fail"), "{info}");
    }
    let master = Server::start(ServerKind::default()).unwrap();
    let monitor = format!("sentinel monitor shop 127.0.0.1 {} 1", master.port());
    let sentinel = Server::builder(ServerKind::default())
        .sentinel()
        .line(monitor)
        .start()
        .unwrap();
    let address = sentinel
        .connect()
        .unwrap()
        .call(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "shop"])
        .unwrap();
    assert!(address.contains(&master.port().to_string()), "{address}");
}

#[test]
fn a_wrong_setting_is_reported_with_the_log() {
    let error = Server::builder(ServerKind::default())
        .line("no-such-directive yes")
        .start()
        .unwrap_err();
    let text = error.to_string();
    assert!(text.contains("ended before it was ready"), "{text}");
    assert!(text.contains("no-such-directive"), "{text}");
}

#[test]
fn a_server_is_paused_killed_and_restarted() {
    let server = Server::start(ServerKind::default()).unwrap();
    let mut connection = server.connect().unwrap();
    connection.call(&["SET", "a", "1"]).unwrap();
    server.pause().unwrap();
    // Connecting still works, as the kernel accepts; an answer comes only after the server goes on.
    let mut waiting = server.connect().unwrap();
    let reply = thread::spawn(move || waiting.call(&["GET", "a"]).unwrap());
    thread::sleep(Duration::from_millis(100));
    assert!(!reply.is_finished());
    server.resume().unwrap();
    assert_eq!(reply.join().unwrap(), "1");

    server.kill().unwrap();
    assert!(server.connect().is_err());
    assert!(connection.call(&["GET", "a"]).is_err());
    let port = server.port();
    server.restart().unwrap();
    assert_eq!(server.port(), port);
    assert_eq!(
        server.connect().unwrap().frame(&["GET", "a"]).unwrap(),
        b"$-1\r\n"
    );
    // A running one too.
    let before = server.pid();
    server.restart().unwrap();
    assert_ne!(server.pid(), before);
    assert_eq!(server.connect().unwrap().call(&["PING"]).unwrap(), "PONG");
}

#[test]
fn what_was_written_down_outlives_a_restart() {
    let builder = Server::builder(ServerKind::default())
        .line("appendonly yes")
        .line("appendfsync always");
    let server = builder.start().unwrap();
    server.connect().unwrap().call(&["SET", "a", "1"]).unwrap();
    server.restart().unwrap();
    assert_eq!(server.connect().unwrap().call(&["GET", "a"]).unwrap(), "1");
}

#[test]
fn a_dropped_server_leaves_nothing() {
    let server = Server::start(ServerKind::default()).unwrap();
    let (pid, folder, address) = (server.pid(), server.folder(), server.addr());
    assert!(is_running(pid) && folder.is_dir());
    server.pause().unwrap();
    drop(server);
    assert!(!is_running(pid), "the server runs on");
    assert!(!folder.exists(), "{} is still there", folder.display());
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn a_server_dies_with_a_killed_holder() {
    kill_the_holder(&[]);
}

#[test]
fn a_paused_server_dies_with_a_killed_holder() {
    kill_the_holder(&["paused"]);
}

/// Kills a process that holds a server, and waits until the server and its folder are gone.
fn kill_the_holder(arguments: &[&str]) {
    let mut holder = Command::new(example("hold_server"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(holder.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    let (pid, folder) = line.trim_end().split_once(' ').unwrap();
    let pid = pid.parse().unwrap();
    assert!(is_running(pid));
    holder.kill().unwrap();
    holder.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while is_running(pid) || Path::new(folder).exists() {
        assert!(
            Instant::now() < deadline,
            "the server with process id {pid} outlived its holder"
        );
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn many_start_at_once() {
    let starts = (0..20).map(|_| thread::spawn(|| Server::start(ServerKind::default()).unwrap()));
    let servers: Vec<Server> = starts
        .collect::<Vec<_>>()
        .into_iter()
        .map(|start| start.join().unwrap())
        .collect();
    for server in &servers {
        let found = server
            .connect()
            .unwrap()
            .call(&["CONFIG", "GET", "port"])
            .unwrap();
        assert!(found.contains(&server.port().to_string()), "{found}");
    }
}

#[test]
fn tests_share_a_server_but_no_data() {
    let a = database(ServerKind::default());
    let b = database(ServerKind::default());
    assert_eq!(a.server().pid(), shared(ServerKind::default()).pid());
    assert_eq!(a.server().pid(), b.server().pid());
    assert_ne!(a.url(), b.url());
    let mut connection = a.server().connect().unwrap();
    connection
        .call(&["SELECT", &a.number().to_string()])
        .unwrap();
    connection.call(&["SET", "k", "v"]).unwrap();
    connection
        .call(&["SELECT", &b.number().to_string()])
        .unwrap();
    assert_eq!(connection.call(&["DBSIZE"]).unwrap(), "0");
}

fn is_running(pid: u32) -> bool {
    let kill = Command::new("sh")
        .args(["-c", &format!("kill -s 0 {pid}")])
        .stderr(Stdio::null())
        .status();
    kill.unwrap().success()
}

/// An example of this package, which cargo builds beside its tests.
fn example(name: &str) -> std::path::PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().join("examples").join(name)
}
