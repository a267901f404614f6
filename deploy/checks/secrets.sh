#!/usr/bin/env bash
# Whether the secrets that docker compose makes are what they should be, made once, and for nobody else's eyes.
set -euo pipefail
cd "$(dirname "$0")/../.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fail() {
    echo "$1" >&2
    exit 1
}

deploy/compose/secrets.sh "$folder" >"$folder/made"
[ "$(wc -l <"$folder/made")" -eq 7 ] || fail "not everything was made: $(cat "$folder/made")"
before=$(find "$folder" -type f -not -name made -exec sha256sum {} + | sort)
[ -z "$(deploy/compose/secrets.sh "$folder")" ] || fail "a second run made something anew"
[ "$before" = "$(find "$folder" -type f -not -name made -exec sha256sum {} + | sort)" ] || fail "a second run changed something"
if find "$folder" -type f -not -name made -perm /377 | grep .; then
    fail "these can be read by others, or written"
fi

if command -v openssl >/dev/null; then
    openssl pkey -in "$folder/customer/signing-key.pem" -noout || fail "the signing key is none"
fi
password=$(sed -n 's/^default_pass = //p' "$folder/rabbitmq/20-souk.conf")
[ "${#password}" -eq 32 ] || fail "RabbitMQ's password has ${#password} letters"
grep -qF ":$password@rabbitmq:" "$folder/fleet/amqp-url" || fail "the services have another password than RabbitMQ"
grep -qF ":$(cat "$folder/mongodb/password")@mongodb:" "$folder/fleet/mongodb-uri" || fail "the services have another password than MongoDB"

rm "$folder/fleet/amqp-url"
if deploy/compose/secrets.sh "$folder" 2>"$folder/said"; then
    fail "half a pair was accepted"
fi
grep -q "belong together" "$folder/said" || fail "half a pair is not explained: $(cat "$folder/said")"
