# shellcheck shell=bash
# Runs the operator's command for backup.sh and restore.sh: a program or an image. To be sourced.
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

# `run_souk FOLDER ARGUMENT...`: runs the command. An image gets the folder mounted under the same path. Passwords are never passed on the
# command line, because other users could read them.
run_souk() {
    local folder=$1
    shift
    if [[ -z $image ]]; then
        "$souk" "$@"
        return
    fi
    local where=(--env MONGODB_URI)
    if [[ -n ${MONGODB_URI_FILE:-} ]]; then
        where=(--volume "$(realpath "$MONGODB_URI_FILE"):/run/mongodb-uri:ro" --env MONGODB_URI_FILE=/run/mongodb-uri)
    fi
    docker run --rm --network "$network" --user "$(id --user):$(id --group)" --volume "$folder:$folder" "${where[@]}" "$image" "$@"
}
