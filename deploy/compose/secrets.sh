#!/usr/bin/env bash
# Makes the secrets of a fleet on one machine, once: what is there is kept. secrets.sh FOLDER; each folder below it is a volume that only
# those see who need it. Run as root, so that each file belongs to the user of the image that reads it, and to nobody else.
set -euo pipefail

if [ $# -ne 1 ] || [ "$1" = --help ]; then
    echo "usage: secrets.sh FOLDER" >&2
    exit 2
fi
root=$1

# Users of the images.
services=65532
rabbitmq=999
mongodb=999

# Letters and digits only: passwords stand in URLs.
random() {
    head -c 512 /dev/urandom | base64 -w 0 | tr -d '+/=' | head -c "$1"
}

# keep FOLDER/FILE USER: the standard input, unless the file is there. It appears whole or not at all.
keep() {
    local file="$root/$1" user=$2
    mkdir -p "$(dirname "$file")"
    chmod 755 "$(dirname "$file")"
    if [ -s "$file" ]; then
        cat >/dev/null
        return
    fi
    (umask 077 && cat >"$file.new")
    chown "$user:$user" "$file.new" 2>/dev/null || [ "$(id -u)" -ne 0 ]
    chmod 400 "$file.new"
    mv "$file.new" "$file"
    echo "made $1"
}

# An Ed25519 private key is 32 random bytes behind a fixed head (RFC 8410, section 7).
signing_key() {
    echo '-----BEGIN PRIVATE KEY-----'
    {
        printf '\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20'
        head -c 32 /dev/urandom
    } | base64 -w 64
    echo '-----END PRIVATE KEY-----'
}

signing_key | keep customer/signing-key.pem $services
random 24 | keep admin/password $services

# One password in two files, for the server and for its clients. A server keeps the one that it was born with, so a new one would shut
# everybody out.
is_missing() {
    if [ ! -s "$root/$1" ] && [ ! -s "$root/$2" ]; then
        return 0
    fi
    if [ -s "$root/$1" ] && [ -s "$root/$2" ]; then
        return 1
    fi
    echo "$1 and $2 belong together, and one is missing: put it back, or begin anew with docker compose down --volumes" >&2
    exit 1
}

if is_missing rabbitmq/20-souk.conf fleet/amqp-url; then
    password=$(random 32)
    keep rabbitmq/20-souk.conf $rabbitmq <<CONF
listeners.tcp.default = 5672
management.tcp.port = 15672
default_user = souk
default_pass = $password
# Below the container's limit, so that it slows publishers down and does not die.
vm_memory_high_watermark.absolute = 150MB
disk_free_limit.absolute = 256MB
log.console = true
CONF
    echo "amqp://souk:$password@rabbitmq:5672/%2f" | keep fleet/amqp-url $services
fi

if is_missing mongodb/password fleet/mongodb-uri; then
    password=$(random 32)
    echo -n "$password" | keep mongodb/password $mongodb
    # A connection takes MongoDB half a megabyte, and two processors are not faster with more of them.
    echo "mongodb://souk:$password@mongodb:27017/?replicaSet=rs0&authSource=admin&maxPoolSize=10" | keep fleet/mongodb-uri $services
fi
# What the members of a replica set know each other by; there is one member, and MongoDB asks for it all the same.
random 512 | keep mongodb/keyfile $mongodb
