#!/usr/bin/env bash
# Deploys a new version of the services as a rolling update: replaces one instance at a time, while nginx uses the others.
#
#   deploy.sh --images images.env                                  containers, on an EC2 machine
#   deploy.sh --back                                               roll back to the version before the last deployment
#   deploy.sh --with processes --binaries DIR --fleet target/fleet.json    processes of `cargo xtask fleet`
#
# First, one trial instance of each service starts on a port that nginx does not use, and must become ready. This finds a version that does
# not work with the settings, secrets and databases of this machine before anything changes. Then each instance stops gracefully, and a new one
# starts on the same port. It must answer /health/ready with 200 and get requests through nginx before the next instance is replaced. When an
# instance fails, when the final check fails, or when the script is interrupted, it rolls back all replaced instances in the same way.
#
# Instances that already run this version with these settings stay, so that repeating a deployment changes nothing.
#
#   --with docker|processes  how instances run (docker)
#   --service NAME           deploy this service only; can be repeated (all five)
#   --restart                also replace instances that are up to date
#   --check CMD              bash command to run after the update; when it fails, roll back
#   --through URL            nginx, through which a new instance must get requests (http://127.0.0.1:8000 as set up by install-nginx.sh, or
#                            the nginx of the fleet; `-` for none)
#   --settle SECONDS         without nginx: wait after an instance is ready (3)
#   --ready-within SECONDS   time for a new instance to become ready (60)
#   --stop-within SECONDS    time for an old instance to stop before it is killed (15)
#   --dry-run                print the steps without running them
#
# With containers:
#   --images FILE            CUSTOMER_IMAGE, PRODUCTS_IMAGE, SHOPPING_IMAGE, MAIL_IMAGE and WEB_IMAGE, each by digest (name@sha256:...)
#   --back                   use the images of the deployment before the last one
#   --instances N            instances per service (as many as now, at least 2); run install-nginx.sh --instances N first
#   --network NAME           the Docker network of RabbitMQ and MongoDB (bridge)
#   --memory SIZE            memory limit of an instance (256m; mail 128m, web 160m; products 768m, for the largest import)
#   --settings DIR           contains <service>.env, and secrets/<service>/, mounted as /run/secrets (/etc/souk)
#   --state DIR              records of the last two deployments (/var/lib/souk)
# Instance 2 of customer is the container souk-customer-2 at 127.0.0.1:8102; products are at 82.., shopping at 83.., mail at 84.., web at 85...
# The script sets PORT, ADDRESS and INSTANCE; all other settings are in <service>.env (see .env.example). Docker does not support values of
# several lines there, so the signing key is a file in secrets/customer/, readable by user 65532, and SIGNING_KEY_FILE names it.
#
# With processes:
#   --binaries DIR           the new programs: customer, products, shopping, mail, web
#   --fleet FILE             the list of processes from `cargo xtask fleet`; the script updates the process ids
# A new process gets the environment, directory and log of the process that it replaces. It does not stop with the fleet: stop it by the
# process id in FILE.
#
# Exits with 0 when the new version runs, with 1 when the old version runs everywhere, with 2 when some instance does not run.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib/common.sh
source "$here/lib/common.sh"

with=docker chosen=() restart=no check='' through='' settle=3 ready_within=60 stop_within=15
images='' back=no instances='' network=bridge memory='' settings=/etc/souk state=/var/lib/souk
binaries='' fleet=''
while [[ $# -gt 0 ]]; do
    case $1 in
        --help | -h) usage && exit ;;
        --dry-run) dry_run=yes && shift ;;
        --restart) restart=yes && shift ;;
        --back) back=yes && shift ;;
        --with) with=$(value "$@"); shift 2 ;;
        --service) chosen+=("$(value "$@")"); shift 2 ;;
        --check) check=$(value "$@"); shift 2 ;;
        --through) through=$(value "$@"); shift 2 ;;
        --settle) settle=$(value "$@"); shift 2 ;;
        --ready-within) ready_within=$(value "$@"); shift 2 ;;
        --stop-within) stop_within=$(value "$@"); shift 2 ;;
        --images) images=$(value "$@"); shift 2 ;;
        --instances) instances=$(value "$@"); shift 2 ;;
        --network) network=$(value "$@"); shift 2 ;;
        --memory) memory=$(value "$@"); shift 2 ;;
        --settings) settings=$(value "$@"); shift 2 ;;
        --state) state=$(value "$@"); shift 2 ;;
        --binaries) binaries=$(value "$@"); shift 2 ;;
        --fleet) fleet=$(value "$@"); shift 2 ;;
        *) fail "$1 is not an option; see --help" ;;
    esac
done
for number in "$settle" "$ready_within" "$stop_within" ${instances:+"$instances"}; do
    is_number "$number" || fail "$number is not a number from 1 to 99999"
done
[[ ${#chosen[@]} -gt 0 ]] || chosen=("${services[@]}")
for service in "${chosen[@]}"; do
    is_service "$service" || fail "there is no service $service"
done
need curl flock sha256sum

# Set by the back end: instances in order, such as `customer-1`; their addresses; instances that are up to date; new instances.
names=()
declare -A address=() up_to_date=() added=()

# Functions of a back end: prepare, try_out, replace, put_back, runs, finish and clean_up.
case $with in
    docker)
        # shellcheck source=lib/docker.sh
        source "$here/lib/docker.sh"
        ;;
    processes)
        # shellcheck source=lib/processes.sh
        source "$here/lib/processes.sh"
        ;;
    *) fail "--with $with: docker and processes are known" ;;
esac

# --- One instance ----------------------------------------------------------------------------------------------------

# `status ADDRESS PATH`: prints the status of a GET request; 000 without a response.
status() {
    curl --silent --output /dev/null --max-time 2 --noproxy '*' --write-out '%{http_code}' "http://$1$2" || :
}

# `await_ready NAME ADDRESS`: waits until an instance is ready. Fails at once when it has exited.
await_ready() {
    local until=$((SECONDS + ready_within))
    if [[ $dry_run = yes ]]; then
        say "would wait: until http://$2/health/ready says 200, at most $ready_within s"
        return 0
    fi
    while [[ $SECONDS -lt $until && $interrupted = no ]]; do
        if ! runs "$1"; then
            warn "$1 has exited"
            return 1
        fi
        # `runs` again afterwards, so that it is this instance that has answered.
        if [[ $(status "$2" /health/ready) = 200 ]] && runs "$1"; then
            return 0
        fi
        sleep 0.2
    done
    [[ $interrupted = yes ]] || warn "$1 is not ready after $ready_within s"
    return 1
}

# Waits until an instance gets requests through nginx, which does not use an instance for 2 s after a failure. If the next instance stopped in
# that time, none would be left.
await_traffic() {
    local name=$1 until=$((SECONDS + 30))
    if [[ $dry_run = yes ]]; then
        say "would wait: until $name gets requests through nginx"
    elif ! is_routed "${name%-*}"; then
        # It takes events from RabbitMQ as soon as it is ready.
        return 0
    elif [[ $through = - ]]; then
        sleep "$settle"
    else
        until curl --silent --max-time 6 --noproxy '*' "$through/${name%-*}/whoami" | grep --quiet --fixed-strings "\"instance\":\"$name\""; do
            if [[ $SECONDS -ge $until ]]; then
                warn "requests through $through do not reach $name"
                return 1
            fi
            sleep 0.1
        done
    fi
}

# Sends GET requests through nginx, so that nginx notices by a request that it can retry that an instance is down. Otherwise it would notice by a
# client's request, which is lost when it cannot be retried (POST).
probe() {
    if [[ $dry_run = no && $through != - ]] && is_routed "$1"; then
        curl --silent --output /dev/null --max-time 2 --noproxy '*' "$through/$1/whoami?[1-10]" || :
    fi
}

# A stopping instance serves POST, and nothing else, for 1.5 s. nginx must notice within that time.
probe_while_stopping() {
    local attempt
    is_routed "$1" || return 0
    for attempt in {1..5}; do
        probe "$1"
        [[ $dry_run = yes || $attempt = 5 ]] || sleep 0.1
    done
}

# Called before an instance starts. A new instance that listens may not be connected to RabbitMQ yet, so nginx should not use it immediately. nginx
# counts in whole seconds: at the beginning of a second it retries instances that were down. One that is down at that moment is not used for the
# rest of the second.
probe_before_start() {
    local fraction
    if [[ $dry_run = no && $through != - ]] && is_routed "$1"; then
        fraction=$(date +%N)
        # In milliseconds, and a little later than the second begins.
        sleep "$(printf '0.%03d' $((999 - 10#${fraction:0:3})))"
        sleep 0.05
        probe "$1"
    fi
}

# --- All instances ---------------------------------------------------------------------------------------------------

replaced=()
# Set by a signal and checked between steps, so that no step is left incomplete.
interrupted=no
trap 'interrupted=yes' INT TERM HUP
trap clean_up EXIT

roll_back() {
    local index name bad=0
    # A rollback cannot be rolled back.
    trap '' INT TERM HUP
    interrupted=no
    if [[ ${#replaced[@]} -eq 0 ]]; then
        fail "$1; no instance was changed"
    fi
    warn "$1; rolling back"
    for ((index = ${#replaced[@]} - 1; index >= 0; index--)); do
        name=${replaced[index]}
        say "$name: starting the old version"
        if ! put_back "$name"; then
            bad=1
        elif [[ ${added[$name]:-no} = no ]]; then
            { await_ready "$name" "${address[$name]}" && await_traffic "$name"; } || bad=1
        fi
        [[ $bad -eq 0 ]] || warn "$name was not rolled back"
    done
    if [[ $bad -eq 0 ]]; then
        warn "the old version runs everywhere"
        exit 1
    fi
    warn "some instances do not run: check them"
    exit 2
}

# Runs a step unless the script was interrupted; rolls back when the step fails.
step() {
    [[ $interrupted = no ]] || roll_back 'interrupted'
    "$@" || roll_back "$([[ $interrupted = yes ]] && printf interrupted || printf 'the deployment failed')"
}

# shellcheck disable=SC2310 # functions return their failures
prepare || fail "nothing was changed"
if [[ $through != - ]]; then
    nginx=$(curl --silent --output /dev/null --max-time 6 --noproxy '*' --write-out '%{http_code}' "$through/nginx-health" || :)
    [[ $nginx = 200 || $dry_run = yes ]] || fail "nginx does not answer at $through (--through); nothing was changed"
fi

due=()
for name in "${names[@]}"; do
    if [[ ${up_to_date[$name]:-no} = yes && $restart = no ]]; then
        say "$name: is up to date"
    else
        due+=("$name")
    fi
done
for service in "${chosen[@]}"; do
    if [[ " ${due[*]-} " = *" $service-"* ]]; then
        say "$service: starting a trial instance"
        step try_out "$service"
    fi
done
for name in "${due[@]}"; do
    say "$name: starting the new version"
    [[ $interrupted = no ]] || roll_back 'interrupted'
    replaced+=("$name")
    step replace "$name"
    step await_ready "$name" "${address[$name]}"
    step await_traffic "$name"
done

if [[ -n $check ]]; then
    say "check: $check"
    [[ $dry_run = yes ]] || step bash -c "$check"
fi
[[ $interrupted = no ]] || roll_back 'interrupted'
# Removing the old version must not be interrupted.
trap '' INT TERM HUP
finish
say "$([[ $dry_run = yes ]] && printf 'nothing was done' || printf 'done'): ${#replaced[@]} of ${#names[@]} instances are new"
