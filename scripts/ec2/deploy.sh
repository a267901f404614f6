#!/usr/bin/env bash
# Puts a new version of the services into place, instance by instance, while nginx sends requests to the others.
#
#   deploy.sh --images images.env                                  containers, as on a machine in EC2
#   deploy.sh --back                                               the version before the last deployment
#   deploy.sh --with processes --binaries DIR --fleet target/fleet.json    over a fleet of `cargo xtask fleet`
#
# First one new instance of each service is started at a port of its own, where nginx sends nobody, and must become
# ready: a version that cannot start with this machine's settings, secrets and databases is found out there, and nothing
# has been touched. Then, one after another, an instance is told to stop, finishes what it has in hand, and a new one takes its
# place at the same port. It must answer /health/ready with 200 and be asked by nginx again before the next one goes. When
# one does not, or the check at the end fails, or this is interrupted, every instance that was replaced gets its old version
# back in the same way.
#
# What already runs in this version, with these settings, is left as it is, so the same deployment again changes nothing.
#
#   --with docker|processes  how instances run (docker)
#   --service NAME           only this service; may be repeated (all three)
#   --restart                restart what is up to date as well
#   --check CMD              run when all instances are new, by bash; the new version stays if it ends with 0
#   --through URL            nginx: an instance counts when requests through it arrive there (that of install-nginx.sh,
#                            http://127.0.0.1:8000, or the fleet's own; - for none, then --settle is waited)
#   --settle SECONDS         without nginx: how long an instance is ready before the next one goes (3)
#   --ready-within SECONDS   how long a new instance may take (60)
#   --stop-within SECONDS    how long an old instance may take to finish before it is killed (15)
#   --dry-run                say what would be done, and do nothing
#
# With containers:
#   --images FILE            CUSTOMER_IMAGE, PRODUCTS_IMAGE and SHOPPING_IMAGE, each by digest (name@sha256:...)
#   --back                   the images of the deployment before the last one instead
#   --instances N            of each service (as many as there are, at least 2); tell nginx first: install-nginx.sh --instances N
#   --network NAME           the Docker network in which RabbitMQ and MongoDB are found (bridge)
#   --memory SIZE            what an instance may use (256m; products 768m, for the largest import)
#   --settings DIR           <service>.env, and secrets/<service>/ which instances see as /run/secrets (/etc/souk)
#   --state DIR              what was deployed last, and before (/var/lib/souk)
# Instance 2 of customer is the container souk-customer-2 at 127.0.0.1:8102; products are at 82.., shopping at 83...
# PORT, ADDRESS and INSTANCE are set here; all else is in <service>.env (see .env.example). Docker takes no value of several
# lines there: the signing key is a file in secrets/customer/, readable for user 65532, named by SIGNING_KEY_FILE.
#
# With processes:
#   --binaries DIR           the new programs: customer, products, shopping
#   --fleet FILE             what runs where, as `cargo xtask fleet` writes it; new process ids are written into it
# A new process gets the environment, folder and log of the one in whose place it comes. It does not end with the fleet:
# end it before, by the process id in FILE.
#
# Ends with 0 when the new version runs; with 1 when the old one does, everywhere; with 2 when somebody has to look.
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
        *) fail "$1 is not known; --help explains" ;;
    esac
done
for number in "$settle" "$ready_within" "$stop_within" ${instances:+"$instances"}; do
    is_number "$number" || fail "$number is no number of that kind"
done
[[ ${#chosen[@]} -gt 0 ]] || chosen=("${services[@]}")
for service in "${chosen[@]}"; do
    is_service "$service" || fail "there is no service $service"
done
need curl flock sha256sum

# What the back end finds out: the instances in their order, each `customer-1`; where each one listens; which are up to date,
# and which were not there before.
names=()
declare -A address=() up_to_date=() added=()

# Each back end has prepare, rehearse, replace, put_back, runs, finish and tidy.
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

# The status that `GET path` gets there; 000 when there is no answer.
status() {
    curl --silent --output /dev/null --max-time 2 --noproxy '*' --write-out '%{http_code}' "http://$1$2" || :
}

# `await_ready NAME ADDRESS`; it is not waited for one that has ended.
await_ready() {
    local until=$((SECONDS + ready_within))
    if [[ $dry_run = yes ]]; then
        say "would wait: until http://$2/health/ready says 200, at most $ready_within s"
        return 0
    fi
    while [[ $SECONDS -lt $until && $interrupted = no ]]; do
        if ! runs "$1"; then
            warn "$1 has ended"
            return 1
        fi
        # Asked in this order: what answers is what runs.
        if [[ $(status "$2" /health/ready) = 200 ]] && runs "$1"; then
            return 0
        fi
        sleep 0.2
    done
    [[ $interrupted = yes ]] || warn "$1 is not ready after $ready_within s"
    return 1
}

# nginx leaves an instance alone for 2 s after it has failed. If its neighbour went in that time, nobody would be left.
await_asked() {
    local name=$1 until=$((SECONDS + 30))
    if [[ $dry_run = yes ]]; then
        say "would wait: until $name has its share of the requests again"
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

# Lets nginx find out, by requests that it may repeat elsewhere, that an instance of the service takes none: it then leaves that one
# alone. Otherwise it finds out by somebody's request, which is lost if it must not be repeated (a POST).
knock() {
    if [[ $dry_run = no && $through != - ]]; then
        curl --silent --output /dev/null --max-time 2 --noproxy '*' "$through/$1/whoami?[1-10]" || :
    fi
}

# While an instance is told to stop it still answers a POST, and nothing else, for 1.5 s; in that time nginx has to notice.
knock_while_stopping() {
    local turn
    for turn in {1..5}; do
        knock "$1"
        [[ $dry_run = yes || $turn = 5 ]] || sleep 0.1
    done
}

# To be called before an instance is started: one that has just begun to listen may not have reached RabbitMQ yet, and should
# not be asked until it has. nginx counts in whole seconds. At the beginning of one it tries again those that it has left alone
# for long enough; who does not answer then has the rest of this second, at least.
knock_before_start() {
    local fraction
    if [[ $dry_run = no && $through != - ]]; then
        fraction=$(date +%N)
        # In milliseconds, and a little later than the second begins.
        sleep "$(printf '0.%03d' $((999 - 10#${fraction:0:3})))"
        sleep 0.05
        knock "$1"
    fi
}

# --- All of them -----------------------------------------------------------------------------------------------------

replaced=()
# Set by a signal, and looked at between two steps: a step is never left half done.
interrupted=no
trap 'interrupted=yes' INT TERM HUP
trap tidy EXIT

roll_back() {
    local index name bad=0
    # From here on there is nothing to go back to.
    trap '' INT TERM HUP
    interrupted=no
    if [[ ${#replaced[@]} -eq 0 ]]; then
        fail "$1; no instance was touched"
    fi
    warn "$1; going back"
    for ((index = ${#replaced[@]} - 1; index >= 0; index--)); do
        name=${replaced[index]}
        say "$name: the old version"
        if ! put_back "$name"; then
            bad=1
        elif [[ ${added[$name]:-no} = no ]]; then
            { await_ready "$name" "${address[$name]}" && await_asked "$name"; } || bad=1
        fi
        [[ $bad -eq 0 ]] || warn "$name is not back"
    done
    if [[ $bad -eq 0 ]]; then
        warn "the old version runs everywhere"
        exit 1
    fi
    warn "not every instance runs: somebody has to look"
    exit 2
}

# A step that is not to be begun when this was interrupted, and whose failure ends the deployment.
step() {
    [[ $interrupted = no ]] || roll_back 'interrupted'
    "$@" || roll_back "$([[ $interrupted = yes ]] && printf interrupted || printf 'the deployment failed')"
}

# shellcheck disable=SC2310 # what fails in there returns it
prepare || fail "nothing was changed"
if [[ $through != - ]]; then
    nginx=$(curl --silent --output /dev/null --max-time 6 --noproxy '*' --write-out '%{http_code}' "$through/nginx-health" || :)
    [[ $nginx = 200 || $dry_run = yes ]] || fail "there is no nginx at $through (--through); nothing was changed"
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
        say "$service: one new instance aside, to see whether it becomes ready"
        step rehearse "$service"
    fi
done
for name in "${due[@]}"; do
    say "$name: the new version"
    [[ $interrupted = no ]] || roll_back 'interrupted'
    replaced+=("$name")
    step replace "$name"
    step await_ready "$name" "${address[$name]}"
    step await_asked "$name"
done

if [[ -n $check ]]; then
    say "check: $check"
    [[ $dry_run = yes ]] || step bash -c "$check"
fi
[[ $interrupted = no ]] || roll_back 'interrupted'
# What is left is to forget the old version, which must not be done by halves.
trap '' INT TERM HUP
finish
say "$([[ $dry_run = yes ]] && printf 'nothing was done' || printf 'done'): ${#replaced[@]} of ${#names[@]} instances are new"
