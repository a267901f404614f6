#!/usr/bin/env bash
# Prints RabbitMQ's definitions of the users of a fleet: definitions.sh PERMISSIONS.json. Reads lines `USER PASSWORD`. The first user is
# the operator's and an administrator: `souk`, after the prefix of the deployment (AMQP_PREFIX). PERMISSIONS.json is deploy/rabbitmq/permissions.json, or what `souk permissions` prints.
#
# RabbitMQ reads the result at each start (`load_definitions`), or once: `rabbitmqctl import_definitions FILE`, which adds users, and
# replaces the password and the rights of those that exist. A virtual host other than / must exist.
set -euo pipefail

if [ $# -ne 1 ] || [ "$1" = --help ]; then
    echo "usage: definitions.sh PERMISSIONS.json <USERS" >&2
    exit 2
fi

# Writes the bytes that hexadecimal digits stand for.
bytes() {
    local rest=$1 escaped=''
    while [ -n "$rest" ]; do
        escaped+="\\x${rest:0:2}"
        rest=${rest:2}
    done
    printf %b "$escaped"
}

# password_hash PASSWORD: salt and SHA-256 of salt and password, in base64, as RabbitMQ stores them.
password_hash() {
    local salt digest
    salt=$(od -A n -N 4 -t x1 /dev/urandom | tr -d ' \n')
    digest=$({ bytes "$salt" && printf %s "$1"; } | sha256sum)
    bytes "$salt${digest%% *}" | base64 -w 0
}

permissions=$(cat "$1")
users='' tags='["administrator"]' prefix=''
while read -r user password; do
    [ -n "$users" ] || prefix=${user%souk}
    users+=${users:+,}
    users+="{\"name\": \"$user\", \"password_hash\": \"$(password_hash "$password")\", "
    users+="\"hashing_algorithm\": \"rabbit_password_hashing_sha256\", \"tags\": $tags}"
    tags='[]'
    # The second user of a service, from `souk credentials`, has the rights of the first.
    if [[ $user = *.2 ]]; then
        permissions=${permissions//"\"user\": \"${user%.2}\""/"\"user\": \"$user\""}
    fi
done
vhost=$(sed -n 's/.*"vhost": *"\([^"]*\)".*/\1/p; ' <<<"$permissions" | head -n 1)
# It belongs to all services, so none of them may declare or delete it.
broadcasts="{\"name\": \"${prefix}souk.broadcasts\", \"vhost\": \"${vhost:-/}\", \"type\": \"fanout\", \"durable\": true, \"auto_delete\": false, "
broadcasts+='"internal": false, "arguments": {}}'
echo "{\"users\": [$users], \"vhosts\": [{\"name\": \"/\"}], \"permissions\": $permissions, \"exchanges\": [$broadcasts]}"
