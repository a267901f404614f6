# shellcheck shell=bash
# Back end of deploy.sh for containers. To be sourced.
# shellcheck disable=SC2154,SC2034 # shared with deploy.sh
# shellcheck disable=SC2004 # keys of associative arrays

declare -A image=() wanted=()
# Containers beyond the wanted number of instances.
surplus=()

prepare() {
    local service number count name container
    need docker
    docker version --format '{{.Server.Version}}' >/dev/null || fail "Docker does not answer"
    if [[ $back = yes ]]; then
        [[ -z $images ]] || fail "use either --back or --images"
        images=$state/previous.env
        [[ -f $images ]] || fail "$images does not exist: there is no earlier deployment"
    fi
    [[ -n $images ]] || fail "--images is missing; see --help"
    through=${through:-http://127.0.0.1:8000}
    if [[ ! -d $state ]]; then
        run mkdir --parents "$state"
    fi
    if [[ -d $state ]]; then
        # The kernel releases the lock when this shell exits.
        exec {lock}<"$state"
        flock --nonblock "$lock" || fail "another deployment is running"
    fi
    read_images "$images"
    for service in "${chosen[@]}"; do
        [[ -n ${image[$service]:-} ]] || fail "$images has no ${service^^}_IMAGE"
        [[ -r $settings/$service.env ]] || fail "$settings/$service.env does not exist or is not readable"
        docker image inspect "${image[$service]}" >/dev/null 2>&1 || run docker pull --quiet "${image[$service]}" || return 1
    done
    for service in "${chosen[@]}"; do
        recover_interrupted "$service"
        count=${instances:-$(($(highest "$service") > 2 ? $(highest "$service") : 2))}
        [[ $count -le 99 ]] || fail "at most 99 instances per service are possible"
        [[ $count -gt 1 ]] || warn "$service has one instance: it is down while it is replaced"
        for ((number = 1; number <= count; number++)); do
            name=$service-$number
            names+=("$name")
            address[$name]=127.0.0.1:$(port_of "$service" "$number")
            wanted[$name]=$(configuration "$service" "$number")
            exists "souk-$name" || added[$name]=yes
            if [[ $(label "souk-$name") = "${wanted[$name]}" && $(status "${address[$name]}" /health/ready) = 200 ]]; then
                up_to_date[$name]=yes
            fi
        done
        while read -r container; do
            [[ ${container##*-} -le $count ]] || surplus+=("$container")
        done < <(containers "$service")
    done
}

# Reads the images. Only digests are accepted, because a tag can change. The file is parsed, never executed.
read_images() {
    local line service
    [[ -f $1 ]] || fail "there is no $1"
    while read -r line || [[ -n $line ]]; do
        [[ -n $line && $line != '#'* ]] || continue
        [[ $line =~ ^[A-Z]+_IMAGE=[A-Za-z0-9./:_-]+@sha256:[0-9a-f]{64}$ ]] ||
            fail "$1: $line: expected CUSTOMER_IMAGE=name@sha256:..."
        for service in "${services[@]}"; do
            [[ ${line%%=*} != "${service^^}_IMAGE" ]] || image[$service]=${line#*=}
        done
    done <"$1"
}

containers() {
    docker ps --all --format '{{.Names}}' | grep --extended-regexp "^souk-$1-[0-9]+\$" || :
}

highest() {
    local highest=0 container
    while read -r container; do
        [[ ${container##*-} -le $highest ]] || highest=${container##*-}
    done < <(containers "$1")
    printf '%d' "$highest"
}

exists() {
    docker container inspect "$1" >/dev/null 2>&1
}

label() {
    docker container inspect --format '{{index .Config.Labels "souk.configuration"}}' "$1" 2>/dev/null || :
}

# Recovers from a deployment that was cut off, such as by a power failure: restores the old version where the new one does not run.
recover_interrupted() {
    local old container
    while read -r old; do
        container=${old%-old}
        warn "$old is left from an interrupted deployment"
        if runs "${container#souk-}" && [[ $(status "127.0.0.1:$(port_of "$1" "${container##*-}")" /health/ready) = 200 ]]; then
            run docker rm "$old"
        else
            restore "$container"
        fi
    done < <(docker ps --all --format '{{.Names}}' | grep --extended-regexp "^souk-$1-[0-9]+-old\$" || :)
    ! exists "souk-$1-trial" || run docker rm --force "souk-$1-trial"
}

# Prints a hash of everything that defines an instance, so that a change of any of it replaces the instance. Secrets are hashed by time and
# size, because this user cannot read them.
configuration() {
    {
        options "$1" "$2"
        printf '%s\n' "${option[@]}"
        cat "$settings/$1.env"
        [[ ! -d $settings/secrets/$1 ]] || find "$settings/secrets/$1" -type f -printf '%f %T@ %s\n' | sort
    } | sha256sum | cut --characters 1-64
}

# `options SERVICE NUMBER`: sets $option to the arguments of `docker run`. Secrets are in files, never in arguments.
options() {
    local service=$1 number=$2 port inside limit
    port=$(port_of "$service" "$number")
    case $service in
        customer) inside=8001 limit=256m ;;
        products) inside=8002 limit=768m ;;
        shopping) inside=8003 limit=256m ;;
        mail) inside=8004 limit=128m ;;
        web) inside=8005 limit=160m ;;
    esac
    limit=${memory:-$limit}
    option=(--read-only --cap-drop ALL --security-opt no-new-privileges --pids-limit 512
        --memory "$limit" --memory-swap "$limit" --stop-timeout "$stop_within" --network "$network"
        --env-file "$settings/$service.env")
    if [[ $network = host ]]; then
        option+=(--env ADDRESS=127.0.0.1 --env "PORT=$port")
    else
        option+=(--env ADDRESS=0.0.0.0 --env "PORT=$inside" --publish "127.0.0.1:$port:$inside")
    fi
    if [[ -d $settings/secrets/$service ]]; then
        option+=(--volume "$settings/secrets/$service:/run/secrets:ro")
    fi
    option+=(--pull never "${image[$service]}")
}

runs() {
    # A container that was restarted counts as failed.
    [[ $(docker container inspect --format '{{.State.Running}} {{.RestartCount}}' "souk-$1" 2>/dev/null) = 'true 0' ]]
}

try_out() {
    local name=$1-trial outcome=0
    options "$1" 0
    trial=souk-$name
    run docker run --detach --name "souk-$name" --env "INSTANCE=$name" "${option[@]}" || return 1
    await_ready "$name" "127.0.0.1:$(port_of "$1" 0)" || outcome=1
    [[ $outcome -eq 0 ]] || docker logs --tail 20 "souk-$name" >&2
    run docker stop --time "$stop_within" "souk-$name" || :
    run docker rm --force "souk-$name" || return 1
    trial=''
    return "$outcome"
}

# `stop CONTAINER`: stops an instance that gets requests.
stop() {
    local stopping outcome=0 service=${1#souk-}
    run docker stop --time "$stop_within" "$1" &
    stopping=$!
    probe_while_stopping "${service%-*}"
    wait "$stopping" || outcome=$?
    # A signal interrupts `wait` but not the command, whose exit status is needed.
    while kill -0 "$stopping" 2>/dev/null; do
        wait "$stopping" || outcome=$?
    done
    return "$outcome"
}

replace() {
    local name=$1
    if exists "souk-$name"; then
        stop "souk-$name" || return 1
        run docker rename "souk-$name" "souk-$name-old" || return 1
    fi
    options "${name%-*}" "${name##*-}"
    probe_before_start "${name%-*}"
    # Restarts with Docker and with the machine.
    run docker run --detach --name "souk-$name" --restart unless-stopped --label "souk.configuration=${wanted[$name]}" \
        --env "INSTANCE=$name" "${option[@]}" || return 1
}

put_back() {
    restore "souk-$1"
}

# Restores the old container with its old settings.
restore() {
    local service=${1#souk-}
    if exists "$1-old"; then
        if exists "$1"; then
            stop "$1" || :
            run docker rm --force "$1" || return 1
        fi
        run docker rename "$1-old" "$1" || return 1
        probe_before_start "${service%-*}"
        run docker start "$1"
    elif [[ ${added[${1#souk-}]:-no} = yes ]]; then
        ! exists "$1" || run docker rm --force "$1"
    else
        # It was only stopped.
        run docker start "$1"
    fi
}

finish() {
    local name container
    for name in "${replaced[@]}"; do
        [[ ${added[$name]:-no} = yes ]] || run docker rm "souk-$name-old"
    done
    for container in "${surplus[@]}"; do
        stop "$container"
        run docker rm "$container"
    done
    record
}

# Records the current and the previous images, for --back. Services that were not deployed keep theirs.
record() {
    local service text='' current=$state/images.env
    local -A new=()
    for service in "${chosen[@]}"; do
        new[$service]=${image[$service]}
    done
    if [[ -f $current ]]; then
        image=()
        read_images "$current"
    fi
    for service in "${services[@]}"; do
        image[$service]=${new[$service]:-${image[$service]:-}}
        [[ -z ${image[$service]} ]] || text+="${service^^}_IMAGE=${image[$service]}"$'\n'
    done
    if [[ -f $current && $(<"$current") != "${text%$'\n'}" ]]; then
        put "$state/previous.env" 644 <"$current" || :
    fi
    printf '%s' "$text" | put "$current" 644 || :
}

trial=''
clean_up() {
    # Only when the script exits while a trial instance runs.
    if [[ -n $trial && $dry_run = no ]]; then
        docker rm --force "$trial" >/dev/null 2>&1 || :
    fi
}
