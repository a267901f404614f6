#!/usr/bin/env bash
# Creates the missing secrets of a fleet on one machine: secrets.sh FOLDER. Each folder below it is a volume that is mounted only where it is
# needed: that of a service in the service. Runs as root, so that each file is readable only by the user of the image that needs it.
set -euo pipefail

if [ $# -ne 1 ] || [ "$1" = --help ]; then
    echo "usage: secrets.sh FOLDER" >&2
    exit 2
fi
root=$1
# definitions.sh and permissions.json.
rabbitmq_files=${RABBITMQ_FILES:-$(dirname "$0")/../rabbitmq}

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

# password FILE: the password in a URL. credential FILE: its user and its password.
password() {
    sed -E 's|^[a-z]+://[^:]*:([^@]*)@.*|\1|' "$root/$1"
}
credential() {
    sed -E 's|^[a-z]+://([^:]*):([^@]*)@.*|\1 \2|' "$root/$1"
}

# replace FILE USER: writes standard input to the file, atomically.
replace() {
    rm -f "$root/$1"
    keep "$1" "$2" >/dev/null
}

# One password in two files, for the server and for its clients. MongoDB keeps its initial password, so a new one would lock out all clients.
has() {
    [ -s "$root/$1" ] && echo yes || echo no
}
if [ "$(has mongodb/password)" != "$(has operator/mongodb-uri)" ]; then
    echo "mongodb/password and operator/mongodb-uri belong together, and one is missing: restore it, or start again with docker compose down --volumes" >&2
    exit 1
fi
if [ ! -s "$root/mongodb/password" ]; then
    password=$(random 32)
    echo -n "$password" | keep mongodb/password $mongodb
    echo "mongodb://souk:$password@mongodb:27017/?replicaSet=rs0&authSource=admin&maxPoolSize=10" | keep operator/mongodb-uri $services
fi
# The key by which members of a replica set authenticate. MongoDB requires it even for one member.
random 512 | keep mongodb/keyfile $mongodb

# A user on each server for the operator and for each service, which gets its own URLs only. `web` has no database.
echo "amqp://souk:$(random 32)@rabbitmq:5672/%2f" | keep operator/amqp-url $services
for service in customer products shopping mail web; do
    echo "amqp://$service:$(random 32)@rabbitmq:5672/%2f" | keep $service/amqp-url $services
    # A connection costs MongoDB half a megabyte, and more connections are not faster on two cores.
    [ $service = web ] ||
        echo "mongodb://$service:$(random 32)@mongodb:27017/?replicaSet=rs0&authSource=admin&maxPoolSize=10" | keep $service/mongodb-uri $services
done

# Backups read all databases, and change none.
echo "mongodb://backup:$(random 32)@mongodb:27017/?replicaSet=rs0&authSource=admin&maxPoolSize=10" | keep backup/mongodb-uri $services

# What the servers read at their start. It follows the URLs, and the rights of this version.
for folder in customer products shopping mail backup; do
    credential $folder/mongodb-uri
done | replace mongodb/users $mongodb
for folder in operator customer products shopping mail web; do
    credential $folder/amqp-url
done | "$rabbitmq_files/definitions.sh" "$rabbitmq_files/permissions.json" | replace rabbitmq/definitions.json $rabbitmq
replace rabbitmq/20-souk.conf $rabbitmq <<CONF
listeners.tcp.default = 5672
management.tcp.port = 15672
load_definitions = /run/secrets/rabbitmq/definitions.json
# Below the container's limit, so that RabbitMQ blocks publishers before the kernel kills it.
vm_memory_high_watermark.absolute = 150MB
disk_free_limit.absolute = 256MB
log.console = true
CONF
