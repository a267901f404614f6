#!/usr/bin/env bash
# Creates the missing secrets of a fleet on one machine: secrets.sh FOLDER. Each folder below it is a volume that is mounted only where it is
# needed. Runs as root, so that each file is readable only by the user of the image that needs it.
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

# Letters and digits only, because passwords are part of URLs.
random() {
    head -c 512 /dev/urandom | base64 -w 0 | tr -d '+/=' | head -c "$1"
}

# keep FOLDER/FILE USER: writes standard input to the file, atomically, unless it exists.
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
    echo "created $1"
}

# An Ed25519 private key is 32 random bytes after a fixed header (RFC 8410, section 7).
signing_key() {
    echo '-----BEGIN PRIVATE KEY-----'
    {
        printf '\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20'
        head -c 32 /dev/urandom
    } | base64 -w 64
    echo '-----END PRIVATE KEY-----'
}

# The service `mail` writes here; a new volume belongs to root.
mkdir -p "$root/mails"
chown "$services:$services" "$root/mails" 2>/dev/null || [ "$(id -u)" -ne 0 ]
chmod 700 "$root/mails"

signing_key | keep customer/signing-key.pem $services
random 24 | keep admin/password $services

# One password in two files, for the server and for its clients. A server keeps its initial password, so a new one would lock out all clients.
is_missing() {
    if [ ! -s "$root/$1" ] && [ ! -s "$root/$2" ]; then
        return 0
    fi
    if [ -s "$root/$1" ] && [ -s "$root/$2" ]; then
        return 1
    fi
    echo "$1 and $2 belong together, and one is missing: restore it, or start again with docker compose down --volumes" >&2
    exit 1
}

if is_missing rabbitmq/20-souk.conf fleet/amqp-url; then
    password=$(random 32)
    keep rabbitmq/20-souk.conf $rabbitmq <<CONF
listeners.tcp.default = 5672
management.tcp.port = 15672
default_user = souk
default_pass = $password
# Below the container's limit, so that RabbitMQ blocks publishers before the kernel kills it.
vm_memory_high_watermark.absolute = 150MB
disk_free_limit.absolute = 256MB
log.console = true
CONF
    echo "amqp://souk:$password@rabbitmq:5672/%2f" | keep fleet/amqp-url $services
fi

if is_missing mongodb/password fleet/mongodb-uri; then
    password=$(random 32)
    echo -n "$password" | keep mongodb/password $mongodb
    # A connection costs MongoDB half a megabyte, and more connections are not faster on two cores.
    echo "mongodb://souk:$password@mongodb:27017/?replicaSet=rs0&authSource=admin&maxPoolSize=10" | keep fleet/mongodb-uri $services
fi
# The key by which members of a replica set authenticate. MongoDB requires it even for one member.
random 512 | keep mongodb/keyfile $mongodb
