#!/usr/bin/env bash
# Reports the servers and base images of this repository whose support ends within 60 days or has ended, and then exits with 1.
# The dates are those of https://endoflife.date, which collects them from the projects. EOL_API is another URL of its API, for tests.
set -euo pipefail

if [ $# -ne 0 ]; then
    echo "usage: end-of-life.sh" >&2
    exit 2
fi
cd "$(dirname "$0")/../.."
api=${EOL_API:-https://endoflife.date/api/v1}
soon=$(date --utc --date "${TODAY:-today} + 60 days" +%F)

# Prints the first match of a pattern with one group; fails when there is none.
version() {
    local found
    found=$(sed -nE "s|$2|\\1|p" "$1" | head -n 1)
    [ -n "$found" ] || { echo "$1 has no $2" >&2; return 1; }
    echo "$found"
}

ended=0
check() {
    local product=$1 release=$2 date
    date=$(curl --silent --show-error --fail --location "$api/products/$product/releases/$release" |
        jq --raw-output '.result | .eolFrom // (if .isEol then "0000-00-00 (already)" else "unknown" end)')
    if [ "$date" != unknown ] && [[ $date < $soon ]]; then
        echo "$product $release: support ends $date; use a later release" >&2
        ended=1
    else
        echo "$product $release: until $date"
    fi
}

nginx=$(version Dockerfile '^FROM nginxinc/nginx-unprivileged:([0-9]+\.[0-9]+)\..*')
debian=$(version Dockerfile '^FROM rust:.*-slim-([a-z]+).*')
rabbitmq=$(version deploy/k8s/base/rabbitmq.yaml '.*library/rabbitmq:([0-9]+\.[0-9]+)\..*')
mongodb=$(version deploy/k8s/base/mongodb.yaml '^  version: ([0-9]+\.[0-9]+)\..*')
case $debian in
    bookworm) debian=12 ;;
    trixie) debian=13 ;;
    *) echo "unknown Debian release $debian: add its number to end-of-life.sh" >&2; exit 1 ;;
esac
check nginx "$nginx"
check debian "$debian"
check rabbitmq "$rabbitmq"
check mongodb "$mongodb"
exit "$ended"
