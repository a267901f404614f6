# shellcheck shell=bash
# MongoDB's database tools, for backup.sh and restore.sh: those on the PATH, or those in an image.
# shellcheck disable=SC2154 # the scripts have the rest

# `settle_uri FILE`: the connection string goes into a file that mongodump and mongorestore read. On their command line everybody
# could read its password.
settle_uri() {
    local uri
    if [[ -n $1 ]]; then
        [[ -r $1 ]] || fail "there is no $1, or it may not be read"
        uri=$(<"$1")
    elif [[ -n ${MONGODB_URI_FILE:-} ]]; then
        [[ -r $MONGODB_URI_FILE ]] || fail "there is no $MONGODB_URI_FILE, or it may not be read"
        uri=$(<"$MONGODB_URI_FILE")
    else
        uri=${MONGODB_URI:-}
    fi
    [[ $uri = mongodb://* || $uri = mongodb+srv://* ]] ||
        fail "no MongoDB is named by --uri-file, MONGODB_URI_FILE or MONGODB_URI"
    (umask 077 && printf "uri: '%s'\n" "${uri//\'/\'\'}" >"$work/tools.yaml")
}

need_tools() {
    if [[ -n $image ]]; then
        need docker
    elif ! { have mongodump && have mongorestore; }; then
        fail "mongodump and mongorestore are not on the PATH: install the MongoDB database tools, or use --image mongo:8"
    fi
}

# `tool mongodump ARGUMENT...`
tool() {
    local name=$1
    shift
    if [[ -n $image ]]; then
        docker run --rm --interactive --network "$network" --volume "$work/tools.yaml:/run/tools.yaml:ro" \
            --entrypoint "$name" "$image" --config /run/tools.yaml "$@"
    else
        "$name" --config "$work/tools.yaml" "$@"
    fi
}

# The end of what a tool has said, without the password: it names the server by its whole connection string.
tell() {
    tail --lines 5 "$work/said" | sed --regexp-extended 's#(mongodb(\+srv)?://)[^[:space:]]*@#\1...@#g' >&2
}

# The collections in an archive that comes in, such as `souk_customer.accounts`. Its beginning lists them: in each entry the
# database's name and the collection's, as BSON has strings.
collections_in() {
    head --bytes 1M | tr '\n' '?' |
        LC_ALL=C grep --only-matching --text --perl-regexp \
            '\x02db\x00.\x00\x00\x00\K[^\x00]+\x00\x02collection\x00.\x00\x00\x00[^\x00]+' |
        LC_ALL=C sed 's/\x00\x02collection\x00.\x00\x00\x00/./' | sort --unique || :
}

# The same of a file that is gzipped; gzip is cut off when the list is over.
collections_of() {
    { gzip --stdout --decompress "$1" 2>/dev/null || :; } | collections_in
}

# Those of the shop, or of others who share the server: not MongoDB's own.
of_people() {
    grep --invert-match --extended-regexp '^(admin|config|local)\.' || :
}
