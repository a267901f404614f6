#!/usr/bin/env bash
# Creates the users of the operator and of the services on the cluster's RabbitMQ, and a Secret with the URL of each.
set -euo pipefail

usage() {
    cat <<'USAGE'
usage: rabbitmq-users.sh NAMESPACE

Creates the Secrets rabbitmq-souk, rabbitmq-customer, ... with a random password each, unless they exist, and gives RabbitMQ the users with
these passwords and the rights of deploy/rabbitmq/permissions.json. Repeat it when a new version has other rights, and after a Secret was
deleted for a new password; then restart the service.
USAGE
}

case "${1-}" in
    --help | -h) usage; exit 0 ;;
    "") usage >&2; exit 2 ;;
esac
namespace=$1
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
command -v kubectl >/dev/null || { echo "rabbitmq-users.sh: kubectl is missing: https://kubernetes.io/docs/tasks/tools/" >&2; exit 2; }

url() {
    kubectl --namespace "$namespace" get secret "rabbitmq-$1" --output=jsonpath='{.data.url}' | base64 --decode
}

users=''
for user in souk customer products shopping mail web; do
    if ! kubectl --namespace "$namespace" get secret "rabbitmq-$user" --output=name >/dev/null 2>&1; then
        password=$(head -c 24 /dev/urandom | od -A n -t x1 | tr -d ' \n')
        printf 'amqp://%s:%s@rabbitmq:5672/%%2f' "$user" "$password" |
            kubectl --namespace "$namespace" create secret generic "rabbitmq-$user" --from-file=url=/dev/stdin
    fi
    users+="$user $(url "$user" | sed -E 's|^[a-z]+://[^:]*:([^@]*)@.*|\1|')"$'\n'
done
printf %s "$users" | "$here/../rabbitmq/definitions.sh" "$here/../rabbitmq/permissions.json" |
    kubectl --namespace "$namespace" exec --stdin rabbitmq-server-0 --container rabbitmq -- rabbitmqctl import_definitions
