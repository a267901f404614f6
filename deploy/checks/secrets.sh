#!/usr/bin/env bash
# Tests the secrets of Docker Compose: complete, created once, readable only by their users.
set -euo pipefail
cd "$(dirname "$0")/../.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fail() {
    echo "$1" >&2
    exit 1
}

deploy/compose/secrets.sh "$folder" >"$folder/made"
[ "$(wc -l <"$folder/made")" -eq 7 ] || fail "some secrets were not created: $(cat "$folder/made")"
before=$(find "$folder" -type f -not -name made -exec sha256sum {} + | sort)
[ -z "$(deploy/compose/secrets.sh "$folder")" ] || fail "a second run created a secret again"
[ "$before" = "$(find "$folder" -type f -not -name made -exec sha256sum {} + | sort)" ] || fail "a second run changed something"
if find "$folder" -type f -not -name made -perm /377 | grep .; then
    fail "other users can read or write these"
fi

if command -v openssl >/dev/null; then
    openssl pkey -in "$folder/customer/signing-key.pem" -noout || fail "the signing key is invalid"
fi
password=$(sed -n 's/^default_pass = //p' "$folder/rabbitmq/20-souk.conf")
[ "${#password}" -eq 32 ] || fail "RabbitMQ's password has ${#password} characters"
grep -qF ":$password@rabbitmq:" "$folder/fleet/amqp-url" || fail "the password of the services differs from RabbitMQ's"
grep -qF ":$(cat "$folder/mongodb/password")@mongodb:" "$folder/fleet/mongodb-uri" || fail "the password of the services differs from MongoDB's"

rm "$folder/fleet/amqp-url"
if deploy/compose/secrets.sh "$folder" 2>"$folder/said"; then
    fail "an incomplete pair was accepted"
fi
grep -q "belong together" "$folder/said" || fail "the error does not explain an incomplete pair: $(cat "$folder/said")"
