#!/usr/bin/env bash
# Replaces the passwords of a service on RabbitMQ and MongoDB, while the shop sells.
#
#   rotate.sh --service customer -- --images images.env --through http://127.0.0.1:8000
#
# Creates a second user with the same rights on each server (`customer.2`, next time `customer` again) and writes its URLs, replaces the instances
# one by one with deploy.sh, which gets the options after `--`, and deletes the former users. When a step fails before, both users exist
# and all instances connect: mend the cause, replace the instances (`deploy.sh --restart --service customer ...`), and run rotate.sh --retire.
#
#   --service NAME            customer, products, shopping, mail or web
#   --retire                  only delete the former users
#   --urls DIR                has <service>/amqp-url and <service>/mongodb-uri, which AMQP_URL_FILE and MONGODB_URI_FILE in <service>.env name
#                             as /run/secrets/amqp-url and /run/secrets/mongodb-uri (/etc/souk/secrets)
#   --amqp-url-file FILE      RabbitMQ, with the user of an administrator; default: AMQP_URL_FILE or AMQP_URL
#   --uri-file FILE           MongoDB, with a user that has the roles userAdminAnyDatabase and clusterMonitor; default: MONGODB_URI_FILE or
#                             MONGODB_URI
#   --management-url URL      RabbitMQ's management API (port 15672 of its host)
#   --souk PROGRAM            the operator's command (`souk` on the PATH)
#   --image IMAGE             run the command from this image, with Docker
#   --network NAME            with --image: the Docker network of the servers (host)
#   --dry-run                 print the steps without running them
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib/common.sh
source "$here/lib/common.sh"
# shellcheck source=lib/souk.sh
source "$here/lib/souk.sh"

service='' retire=no urls=/etc/souk/secrets amqp_url_file='' management=() deployment=()
while [[ $# -gt 0 ]]; do
    case $1 in
        --help | -h) usage && exit ;;
        --dry-run) dry_run=yes && shift ;;
        --retire) retire=yes && shift ;;
        --service) service=$(value "$@"); shift 2 ;;
        --urls) urls=$(value "$@"); shift 2 ;;
        --amqp-url-file) amqp_url_file=$(value "$@"); shift 2 ;;
        --uri-file) uri_file=$(value "$@"); shift 2 ;;
        --management-url) management=(--management-url "$(value "$@")"); shift 2 ;;
        --souk) souk=$(value "$@"); shift 2 ;;
        --image) image=$(value "$@"); shift 2 ;;
        --network) network=$(value "$@"); shift 2 ;;
        --) shift && deployment=("$@") && break ;;
        *) fail "$1 is not an option; options of deploy.sh follow --; see --help" ;;
    esac
done
is_service "$service" || fail "--service $service: customer, products, shopping, mail or web"
[[ -d $urls/$service ]] || fail "$urls/$service does not exist; see --help"
urls=$(realpath "$urls")
need_souk
if [[ -n $amqp_url_file ]]; then
    [[ -r $amqp_url_file ]] || fail "$amqp_url_file does not exist or is not readable"
    export AMQP_URL_FILE=$amqp_url_file
    unset AMQP_URL
fi
[[ -n ${AMQP_URL_FILE:-}${AMQP_URL:-} ]] || fail "set --amqp-url-file, AMQP_URL_FILE or AMQP_URL"

# `credentials STEP`: runs a step of `souk credentials`.
credentials() {
    if [[ $dry_run = yes ]]; then
        say "would run: souk credentials $1 $service"
        return
    fi
    say "souk credentials $1 $service"
    run_souk "$urls" -- credentials "$1" "$service" --urls "$urls" "${management[@]}" || fail "souk credentials $1 $service failed"
}

private_folder
if [[ $retire = no ]]; then
    credentials add
    options=(--restart --service "$service" "${deployment[@]}")
    [[ $dry_run = no ]] || options+=(--dry-run)
    "$here/deploy.sh" "${options[@]}" || fail "the instances were not all replaced; both users exist"
fi
credentials retire
