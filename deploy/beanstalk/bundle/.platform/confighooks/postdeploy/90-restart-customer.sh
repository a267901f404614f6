#!/bin/bash
# Restarts `customer` after a new signing key, because Compose does not recreate containers when a mounted file changes. One instance at a time, each
# after the previous one is healthy.
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
