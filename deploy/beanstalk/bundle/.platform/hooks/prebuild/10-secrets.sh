#!/bin/bash
# Before images are fetched: signs in at the registry if that is wanted, and writes the key that signs access tokens into a
# file for `customer`. Environment properties are one line each, so the key comes as SIGNING_KEY_BASE64.
#
# Runs as root on the instance, with the environment's properties as variables. Prints no value.
set -euo pipefail
umask 077

# Elsewhere only for tests.
folder=${SOUK_FOLDER:-/etc/souk}
# In the images: distroless' `nonroot`.
user=65532

if [ -n "${REGISTRY_TOKEN:-}" ]; then
    registry=${REGISTRY:-ghcr.io}
    if ! printf '%s' "$REGISTRY_TOKEN" |
        docker login --username "${REGISTRY_USER:?is missing; REGISTRY_TOKEN is set}" --password-stdin "$registry" >/dev/null 2>&1
    then
        echo "$registry does not accept REGISTRY_USER and REGISTRY_TOKEN" >&2
        exit 1
    fi
fi

: "${SIGNING_KEY_BASE64:?is missing: base64 --wrap=0 signing-key.pem}"
mkdir --parents "$folder"
draft=$(mktemp "$folder/.signing-key.XXXXXX")
trap 'rm -f "$draft"' EXIT
if ! printf '%s' "$SIGNING_KEY_BASE64" | base64 --decode >"$draft" 2>/dev/null || ! grep -q 'BEGIN PRIVATE KEY' "$draft"; then
    echo "SIGNING_KEY_BASE64 is not the base64 of a private key in PEM (PKCS#8)" >&2
    exit 1
fi
key=$folder/signing-key.pem
if ! cmp --silent "$draft" "$key"; then
    # Containers that run already have the old one; confighooks/postdeploy/90-restart-customer.sh sees to them.
    if [ -e "$key" ]; then
        touch "$folder/signing-key.changed"
    fi
    chmod 0400 "$draft"
    chown "$user:$user" "$draft"
    mv -f "$draft" "$key"
fi
