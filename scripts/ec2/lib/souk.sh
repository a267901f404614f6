# shellcheck shell=bash
# The operator's command, for backup.sh and restore.sh: the one on the PATH, another program, or an image.
# shellcheck disable=SC2154 # the scripts have the rest

uri_file='' souk=souk image='' network=host

# Whether there is one, and a connection string for it.
need_souk() {
    if [[ -n $image ]]; then
        need docker
    else
        have "$souk" || fail "there is no $souk on the PATH: name a program with --souk, or an image with --image"
    fi
    [[ -z $uri_file ]] || MONGODB_URI_FILE=$uri_file
    if [[ -n ${MONGODB_URI_FILE:-} ]]; then
        [[ -r $MONGODB_URI_FILE ]] || fail "there is no $MONGODB_URI_FILE, or it may not be read"
        export MONGODB_URI_FILE
        unset MONGODB_URI
    else
        [[ -n ${MONGODB_URI:-} ]] || fail "no MongoDB is named by --uri-file, MONGODB_URI_FILE or MONGODB_URI"
    fi
}

# `run_souk FOLDER ARGUMENT...`: the command works in that folder, which an image sees under the same name. A password is never on a
# command line, where everybody could read it.
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
