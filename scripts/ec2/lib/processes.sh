# shellcheck shell=bash
# deploy.sh over processes that `cargo xtask fleet` started and listed in a file. Sourced by deploy.sh.
# shellcheck disable=SC2154,SC2034 # deploy.sh has the rest
# shellcheck disable=SC2004 # these are keys of associative arrays, which it cannot know
# shellcheck disable=SC2016 # jq's variables, not the shell's

declare -A pid=() log=() folder=() old_program=()
# Environments are kept in arrays, environment_customer_1 and so on: they hold secrets, which belong into no file and on no
# command line.

# Where programs are kept to go back to, and whether one of them runs.
kept='' kept_in_use=no
# The process that is only tried, while there is one.
rehearsal=''

listed() {
    jq --raw-output "$@" "$fleet"
}

prepare() {
    need jq setsid
    [[ -n $binaries && -n $fleet ]] || fail "--with processes wants --binaries and --fleet"
    [[ -f $fleet ]] || fail "there is no $fleet: is a fleet running?"
    # Programs are started from other folders.
    binaries=$(cd "$binaries" && pwd) || fail "there is no folder of that name"
    # Held by this shell alone, and gone with it, however it ends. The file itself is replaced below.
    exec {lock}<"$(dirname "$fleet")"
    flock --nonblock "$lock" || fail "another deployment is under way"
    [[ $dry_run = yes ]] || kept=$(mktemp --directory "${TMPDIR:-/tmp}/souk-deploy.XXXXXX")

    local service name number
    for service in "${chosen[@]}"; do
        [[ -x $binaries/$service ]] || fail "there is no program $binaries/$service"
        number=0
        while read -r name; do
            look_at "$name" "$service"
            names+=("$name")
            number=$((number + 1))
        done < <(listed --arg service "$service" '.[] | select(.name | test("^" + $service + "-[0-9]+$")) | .name')
        [[ $number -gt 0 ]] || fail "$fleet has no instance of $service"
        [[ $number -gt 1 ]] || warn "$service has one instance: while it is replaced, nobody answers"
    done
    if [[ -z $through ]]; then
        through=$(listed '.[] | select(.name == "nginx") | "http://" + .address')
        through=${through:--}
    fi
}

# Everything that a new process has to be told, while the old one can still be asked.
look_at() {
    local name=$1 service=$2 variable
    pid[$name]=$(listed --arg name "$name" '.[] | select(.name == $name) | .pid')
    address[$name]=$(listed --arg name "$name" '.[] | select(.name == $name) | .address')
    log[$name]=$(listed --arg name "$name" '.[] | select(.name == $name) | .log')
    runs "$name" || fail "$name does not run: there is no process ${pid[$name]}, and with it its environment is gone"
    declare -g -a "environment_${name//-/_}"
    local -n variables=environment_${name//-/_}
    mapfile -d '' -t variables <"/proc/${pid[$name]}/environ" || fail "$name belongs to somebody else"
    # The number could have been given to another process since.
    if [[ " ${variables[*]} " != *" INSTANCE=$name "* || " ${variables[*]} " != *" PORT=${address[$name]##*:} "* ]]; then
        fail "process ${pid[$name]} is not $name: $fleet is out of date"
    fi
    folder[$name]=$(readlink "/proc/${pid[$name]}/cwd")
    keep "$service" "$name"
    cmp --silent "/proc/${pid[$name]}/exe" "$binaries/$service" && up_to_date[$name]=yes
    return 0
}

# The program of an instance, to go back to: its file, or a copy when another one has been built into the same place.
keep() {
    local running=/proc/${pid[$2]}/exe program
    program=$(readlink "$running")
    if [[ ! $running -ef $program || $program -ef $binaries/$1 ]]; then
        if [[ $dry_run = yes ]]; then
            program="a copy of $running"
        else
            program=$kept/$1-$(stat --dereference --format '%d-%i' "$running")
            [[ -f $program ]] || cp "$running" "$program"
        fi
    fi
    old_program[$2]=$program
}

# A process that has ended and that nobody has asked for yet is a zombie, and still in the list.
lives() {
    local stat
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    # After the name, which may contain anything.
    stat=${stat##*) }
    [[ ${stat%% *} != [ZX] ]]
}

runs() {
    if [[ $1 = rehearsal ]]; then
        lives "$rehearsal"
    else
        lives "${pid[$1]}"
    fi
}

# `launch PROGRAM NAME LOG VARIABLE...`: a process with the environment of the instance, and these variables besides. Its id is in
# $started.
launch() {
    local program=$1 name=$2 output=$3 setsid
    shift 3
    local -n given=environment_${name//-/_}
    setsid=$(command -v setsid)
    (
        # The lock is this script's; whoever inherits it would hold it for ever.
        exec {lock}<&-
        trap - INT TERM HUP EXIT
        cd "${folder[$name]}" || exit 1
        # By `export` and not by env(1), whose arguments everybody can read.
        while read -r variable; do
            unset "$variable"
        done < <(compgen -e)
        for variable in "${given[@]}" "$@"; do
            # What is no variable to bash is none that a service reads.
            export "${variable?}" || :
        done
        # Out of the terminal's group: Ctrl-C is meant for the deployment.
        exec "$setsid" "$program" </dev/null >>"$output" 2>&1
    ) &
    started=$!
}

# `stop PID NAME`
stop() {
    local until=$((SECONDS + stop_within))
    kill -TERM "$1" 2>/dev/null || :
    [[ $2 = rehearsal ]] || knock_while_stopping "${2%-*}"
    while lives "$1"; do
        if [[ $SECONDS -ge $until ]]; then
            warn "$2 has not finished after $stop_within s and is killed"
            kill -KILL "$1" 2>/dev/null || :
            until=$((SECONDS + stop_within))
        fi
        sleep 0.05
    done
    # If it was started here, it is taken off the list.
    wait "$1" 2>/dev/null || :
}

rehearse() {
    local name port outcome=0 output
    for name in "${names[@]}"; do
        [[ ${name%-*} != "$1" ]] || break
    done
    port=$(free_port) || return 1
    if [[ $dry_run = yes ]]; then
        say "would run: $binaries/$1 with the environment of $name, but PORT=$port INSTANCE=$1-rehearsal"
        say "would stop: it again, when it is ready"
        return 0
    fi
    output=$(mktemp) || return 1
    launch "$binaries/$1" "$name" "$output" "PORT=$port" "INSTANCE=$1-rehearsal"
    rehearsal=$started
    await_ready rehearsal "127.0.0.1:$port" || outcome=1
    stop "$rehearsal" rehearsal
    rehearsal=''
    [[ $outcome -eq 0 ]] || tail --lines 20 "$output" >&2
    rm --force "$output"
    return "$outcome"
}

# A port below those that the kernel gives to outgoing connections.
free_port() {
    local port attempt
    for attempt in {1..100}; do
        port=$((15000 + (RANDOM + attempt) % 15000))
        # Refused: nobody listens there.
        if ! (exec {probe}<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            printf '%d' "$port"
            return 0
        fi
    done
    warn "no port is free"
    return 1
}

# `exchange NAME PROGRAM`
exchange() {
    local name=$1 program=$2
    if [[ $dry_run = yes ]]; then
        say "would stop: ${pid[$name]} (SIGTERM, SIGKILL after $stop_within s)"
        say "would run: $program with its environment, log ${log[$name]}"
        say "would write: $fleet"
        return 0
    fi
    stop "${pid[$name]}" "$name"
    knock_before_start "${name%-*}"
    launch "$program" "$name" "${log[$name]}"
    pid[$name]=$started
    say "$name is process $started"
    note "$name" "$started"
}

# Readers never see half a file.
note() {
    local draft
    draft=$(mktemp "$fleet.XXXXXX") || return 1
    jq --arg name "$1" --argjson pid "$2" 'map(if .name == $name then .pid = $pid else . end)' "$fleet" >"$draft" &&
        chmod --reference "$fleet" "$draft" && mv --force "$draft" "$fleet"
}

replace() {
    exchange "$1" "$binaries/${1%-*}" || return 1
}

put_back() {
    [[ ${old_program[$1]} != "$kept"/* ]] || kept_in_use=yes
    exchange "$1" "${old_program[$1]}" || return 1
}

finish() {
    :
}

tidy() {
    # Only when this ends in the middle of a rehearsal.
    if [[ -n $rehearsal ]]; then
        kill -TERM "$rehearsal" 2>/dev/null || :
    fi
    if [[ -n $kept && $kept_in_use = no ]]; then
        rm --recursive --force "$kept"
    fi
}
