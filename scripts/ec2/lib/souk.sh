# shellcheck shell=bash
# Runs the operator's command for backup.sh, restore.sh and rotate.sh: a program or an image. To be sourced.
# shellcheck disable=SC2154 # set by the scripts

uri_file='' souk=souk image='' network=host

# Fails without the command, or without a connection string.
need_souk() {
    if [[ -n $image ]]; then
        need docker
    else
        have "$souk" || fail "$souk is not on the PATH: use --souk PROGRAM or --image IMAGE"
    fi
    [[ -z $uri_file ]] || MONGODB_URI_FILE=$uri_file
    if [[ -n ${MONGODB_URI_FILE:-} ]]; then
        [[ -r $MONGODB_URI_FILE ]] || fail "$MONGODB_URI_FILE does not exist or is not readable"
        export MONGODB_URI_FILE
        unset MONGODB_URI
    else
        [[ -n ${MONGODB_URI:-} ]] || fail "set --uri-file, MONGODB_URI_FILE or MONGODB_URI"
    fi
}

# `private_folder`: creates $work, where the command has files that are not encrypted, and deletes it when the script ends.
private_folder() {
    umask 077
    work=$(mktemp --directory)
    trap 'rm --recursive --force "$work"' EXIT
}

# `run_souk PATH... -- ARGUMENT...`: runs the command. An image gets these absolute paths mounted, and $work. Passwords are never passed on the
# command line, because other users could read them.
run_souk() {
    local mounts=(--volume "$work:$work") where=(--env MONGODB_URI --env AMQP_URL)
    while [[ $1 != -- ]]; do
        mounts+=(--volume "$1:$1")
        shift
    done
    shift
    if [[ -z $image ]]; then
        TMPDIR=$work "$souk" "$@"
        return
    fi
    if [[ -n ${MONGODB_URI_FILE:-} ]]; then
        where+=(--volume "$(realpath "$MONGODB_URI_FILE"):/run/mongodb-uri:ro" --env MONGODB_URI_FILE=/run/mongodb-uri)
    fi
    if [[ -n ${AMQP_URL_FILE:-} ]]; then
        where+=(--volume "$(realpath "$AMQP_URL_FILE"):/run/amqp-url:ro" --env AMQP_URL_FILE=/run/amqp-url)
    fi
    docker run --rm --network "$network" --user "$(id --user):$(id --group)" --env "TMPDIR=$work" "${mounts[@]}" "${where[@]}" "$image" "$@"
}
