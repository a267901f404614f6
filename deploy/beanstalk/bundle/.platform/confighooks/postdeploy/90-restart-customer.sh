#!/bin/bash
# A new signing key is a new content of a mounted file, which is no reason for Compose to make containers anew. One after
# another, each only when the one before is healthy again.
set -euo pipefail

changed=${SOUK_FOLDER:-/etc/souk}/signing-key.changed
[ -e "$changed" ] || exit 0
for container in $(docker ps --quiet --filter label=com.docker.compose.service=customer); do
    docker restart --time 15 "$container" >/dev/null
    for _ in $(seq 60); do
        health=$(docker inspect --format '{{.State.Health.Status}}' "$container")
        [ "$health" != healthy ] || continue 2
        sleep 2
    done
    echo "a customer container is $health two minutes after its restart with the new signing key" >&2
    exit 1
done
rm -f "$changed"
