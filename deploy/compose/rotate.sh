#!/usr/bin/env bash
# Replaces the passwords of a service of Docker Compose on RabbitMQ and MongoDB, while the shop sells: rotate.sh SERVICE.
#
# Creates a second user with the same rights on each server (`customer.2`, next time `customer` again), restarts the containers of the service
# one by one, and deletes the former users. `mail` has one container: events wait in RabbitMQ while it restarts. When a step fails, both users
# exist and all containers connect. Mend the cause, and run `rotate.sh --finish SERVICE`, which does the rest.
set -euo pipefail

finish=no
if [ "${1-}" = --finish ]; then
    finish=yes
    shift
fi
if [ $# -ne 1 ] || [ "$1" = --help ]; then
    echo "usage: rotate.sh [--finish] customer|products|shopping|mail|web|backup" >&2
    exit 2
fi
service=$1
cd "$(dirname "$0")/../.."

# Seconds for a container to become healthy.
ready_within=${READY_WITHIN:-60}
# nginx does not use an instance for 2 s after it was down.
settle=3

[ $finish = yes ] || docker compose run --rm credentials add "$service"
# The files that the servers read at their start follow the new URLs.
docker compose run --rm secrets
containers=$(docker compose ps --quiet "$service")
[ -n "$containers" ] || echo "rotate.sh: no container of $service runs" >&2
for container in $containers; do
    docker restart "$container" >/dev/null
    until=$((SECONDS + ready_within))
    # A container without a health check (`backup`) is `none`.
    until docker inspect --format '{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}' "$container" |
        grep --quiet --extended-regexp '^(healthy|none)$'; do
        if [ "$SECONDS" -ge "$until" ]; then
            echo "rotate.sh: $container is not healthy after $ready_within s; both users exist" >&2
            exit 1
        fi
        sleep 1
    done
    sleep "$settle"
done
docker compose run --rm credentials retire "$service"
