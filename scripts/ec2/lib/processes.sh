# shellcheck shell=bash
# Back end of deploy.sh for processes of `cargo xtask fleet`. To be sourced.
# shellcheck disable=SC2154,SC2034 # shared with deploy.sh
# shellcheck disable=SC2004 # keys of associative arrays
# shellcheck disable=SC2016 # jq's variables, not the shell's

declare -A pid=() log=() folder=() old_program=()
# Environments are in arrays named environment_customer_1 and so on. They contain secrets, so they are never written to files or passed on
# command lines.

# Directory with copies of the old programs, and whether one of them runs.
copies='' copies_in_use=no
# Process id of the trial instance, while there is one.
trial=''

listed() {
    jq --raw-output "$@" "$fleet"
}

prepare() {
    need jq setsid
    [[ -n $binaries && -n $fleet ]] || fail "--with processes needs --binaries and --fleet"
    [[ -f $fleet ]] || fail "there is no $fleet: is a fleet running?"
    # Absolute, because programs start in other directories.
    binaries=$(cd "$binaries" && pwd) || fail "the directory of --binaries does not exist"
    # The kernel releases the lock when this shell exits. The lock is on the directory, because the file is replaced below.
    exec {lock}<"$(dirname "$fleet")"
    flock --nonblock "$lock" || fail "another deployment is running"
    [[ $dry_run = yes ]] || copies=$(mktemp --directory "${TMPDIR:-/tmp}/souk-deploy.XXXXXX")

    local service name number
    for service in "${chosen[@]}"; do
        [[ -x $binaries/$service ]] || fail "there is no program $binaries/$service"
        number=0
        while read -r name; do
            inspect "$name" "$service"
            names+=("$name")
            number=$((number + 1))
        done < <(listed --arg service "$service" '.[] | select(.name | test("^" + $service + "-[0-9]+$")) | .name')
        [[ $number -gt 0 ]] || fail "$fleet has no instance of $service"
        [[ $number -gt 1 ]] || warn "$service has one instance: it is down while it is replaced"
    done
    if [[ -z $through ]]; then
        through=$(listed '.[] | select(.name == "nginx") | "http://" + .address')
        through=${through:--}
    fi
}

# Collects what a new process needs from the running one.
inspect() {
    local name=$1 service=$2 variable
    pid[$name]=$(listed --arg name "$name" '.[] | select(.name == $name) | .pid')
    address[$name]=$(listed --arg name "$name" '.[] | select(.name == $name) | .address')
    log[$name]=$(listed --arg name "$name" '.[] | select(.name == $name) | .log')
    runs "$name" || fail "$name does not run: process ${pid[$name]} does not exist, so its environment is lost"
    declare -g -a "environment_${name//-/_}"
    local -n variables=environment_${name//-/_}
    mapfile -d '' -t variables <"/proc/${pid[$name]}/environ" || fail "$name belongs to another user"
    # The process id may have been reused.
    if [[ " ${variables[*]} " != *" INSTANCE=$name "* || " ${variables[*]} " != *" PORT=${address[$name]##*:} "* ]]; then
        fail "process ${pid[$name]} is not $name: $fleet is out of date"
    fi
    folder[$name]=$(readlink "/proc/${pid[$name]}/cwd")
    preserve "$service" "$name"
    cmp --silent "/proc/${pid[$name]}/exe" "$binaries/$service" && up_to_date[$name]=yes
    return 0
}

# Sets the program to roll back to: its file, or a copy when the file was replaced by a newer build.
preserve() {
    local running=/proc/${pid[$2]}/exe program
    program=$(readlink "$running")
    if [[ ! $running -ef $program || $program -ef $binaries/$1 ]]; then
        if [[ $dry_run = yes ]]; then
            program="a copy of $running"
        else
            program=$copies/$1-$(stat --dereference --format '%d-%i' "$running")
            [[ -f $program ]] || cp "$running" "$program"
        fi
    fi
    old_program[$2]=$program
}

# Whether a process runs. A zombie does not.
is_alive() {
    local stat
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    # The state follows the process name, which can contain any character.
    stat=${stat##*) }
    [[ ${stat%% *} != [ZX] ]]
}

runs() {
    if [[ $1 = trial ]]; then
        is_alive "$trial"
    else
        is_alive "${pid[$1]}"
    fi
}

# `launch PROGRAM NAME LOG VARIABLE...`: starts a process with the environment of the instance and these variables. Sets $started to its id.
launch() {
    local program=$1 name=$2 output=$3 setsid
    shift 3
    local -n given=environment_${name//-/_}
    setsid=$(command -v setsid)
    (
        # The new process must not inherit the lock.
        exec {lock}<&-
        trap - INT TERM HUP EXIT
        cd "${folder[$name]}" || exit 1
        # With `export`, because arguments of env(1) are visible to all users.
        while read -r variable; do
            unset "$variable"
        done < <(compgen -e)
        for variable in "${given[@]}" "$@"; do
            # Services read no variable whose name bash rejects.
            export "${variable?}" || :
        done
        # In its own session, so that Ctrl-C stops the deployment only.
        exec "$setsid" "$program" </dev/null >>"$output" 2>&1
    ) &
    started=$!
}

# `stop PID NAME`
stop() {
    local until=$((SECONDS + stop_within))
    kill -TERM "$1" 2>/dev/null || :
    [[ $2 = trial ]] || probe_while_stopping "${2%-*}"
    while is_alive "$1"; do
        if [[ $SECONDS -ge $until ]]; then
            warn "$2 has not finished after $stop_within s and is killed"
            kill -KILL "$1" 2>/dev/null || :
            until=$((SECONDS + stop_within))
        fi
        sleep 0.05
    done
    # Reaps the process if this shell started it.
    wait "$1" 2>/dev/null || :
}

try_out() {
    local name port outcome=0 output
    for name in "${names[@]}"; do
        [[ ${name%-*} != "$1" ]] || break
    done
    port=$(free_port) || return 1
    if [[ $dry_run = yes ]]; then
        say "would run: $binaries/$1 with the environment of $name, but PORT=$port INSTANCE=$1-trial"
        say "would stop: the trial instance, when it is ready"
        return 0
    fi
    output=$(mktemp) || return 1
    launch "$binaries/$1" "$name" "$output" "PORT=$port" "INSTANCE=$1-trial"
    trial=$started
    await_ready trial "127.0.0.1:$port" || outcome=1
    stop "$trial" trial
    trial=''
    [[ $outcome -eq 0 ]] || tail --lines 20 "$output" >&2
    rm --force "$output"
    return "$outcome"
}

# Prints a free port below the range of outgoing connections.
free_port() {
    local port attempt
    for attempt in {1..100}; do
        port=$((15000 + (RANDOM + attempt) % 15000))
        # A refused connection means that the port is free.
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
    probe_before_start "${name%-*}"
    launch "$program" "$name" "${log[$name]}"
    pid[$name]=$started
    say "$name is process $started"
    record_pid "$name" "$started"
}

# Updates the process id in the list, atomically.
record_pid() {
    local draft
    draft=$(mktemp "$fleet.XXXXXX") || return 1
    jq --arg name "$1" --argjson pid "$2" 'map(if .name == $name then .pid = $pid else . end)' "$fleet" >"$draft" &&
        chmod --reference "$fleet" "$draft" && mv --force "$draft" "$fleet"
}

replace() {
    exchange "$1" "$binaries/${1%-*}" || return 1
}

put_back() {
    [[ ${old_program[$1]} != "$copies"/* ]] || copies_in_use=yes
    exchange "$1" "${old_program[$1]}" || return 1
}

finish() {
    :
}

clean_up() {
    # Only when the script exits while a trial instance runs.
    if [[ -n $trial ]]; then
        kill -TERM "$trial" 2>/dev/null || :
    fi
    if [[ -n $copies && $copies_in_use = no ]]; then
        rm --recursive --force "$copies"
    fi
}
