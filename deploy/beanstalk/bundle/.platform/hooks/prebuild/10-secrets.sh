#!/bin/bash
# Runs before images are downloaded: signs in to the registry if configured, and writes the signing key of access tokens to a file for
# `customer`. Environment properties have one line each, so the key is SIGNING_KEY_BASE64.
#
# Runs as root on the instance, with the environment's properties as variables. Prints no value.
set -euo pipefail
umask 077

# Tests set another directory.
folder=${SOUK_FOLDER:-/etc/souk}
# The user of the images.
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
    # Running containers have the old key; confighooks/postdeploy/90-restart-customer.sh restarts them.
    if [ -e "$key" ]; then
        touch "$folder/signing-key.changed"
    fi
    chmod 0400 "$draft"
    chown "$user:$user" "$draft"
    mv -f "$draft" "$key"
fi
