#!/usr/bin/env bash
# Restores what backup.sh has backed up.
#
#   1. Stop the services (docker stop ...): they would write into what is being replaced.
#   2. MONGODB_URI_FILE=/etc/souk/restore.uri restore.sh --from /var/backups/souk
#   3. Empty RabbitMQ's queues or start with a new RabbitMQ, when it may hold messages from after the backup.
#   4. Start the services, and let `souk audit` look at the books.
#
# A server that has data already is not touched without --force. With it, each collection of the backup is dropped and made anew; what is
# not in the backup stays, and is told. Since the changes that were made during the backup are made again (--oplogReplay), all of the
# backup is restored or nothing: other databases on that server, and MongoDB's users and roles, are replaced as well. What was
# changed after the backup is lost: take another backup first if in doubt. Who has deleted their account since the backup has one again:
# let them know, or delete it again.
#
# The user of MONGODB_URI needs the role `root`: `restore` is not enough for --oplogReplay.
#
#   --from FILE         a backup, or a folder (the newest one in it), or s3://BUCKET/DIR/souk-<time>.archive.gz. Its sha256 has to be
#                       beside it
#   --force             drop what is there
#   --uri-file FILE     where the connection string is; else MONGODB_URI_FILE or MONGODB_URI say it. Never on a command line
#   --image IMAGE       mongorestore of this image, by Docker, such as mongo:8; else the one on the PATH
#   --network NAME      with --image: the Docker network in which MongoDB is found (host)
#   --dry-run           check the backup and the server, say what would be done, and do nothing
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib/common.sh
source "$here/lib/common.sh"
# shellcheck source=lib/mongodb.sh
source "$here/lib/mongodb.sh"

uri_file='' from='' force=no image='' network=host
while [[ $# -gt 0 ]]; do
    case $1 in
        --help | -h) usage && exit ;;
        --dry-run) dry_run=yes && shift ;;
        --force) force=yes && shift ;;
        --from) from=$(value "$@"); shift 2 ;;
        --uri-file) uri_file=$(value "$@"); shift 2 ;;
        --image) image=$(value "$@"); shift 2 ;;
        --network) network=$(value "$@"); shift 2 ;;
        *) fail "$1 is not known; --help explains" ;;
    esac
done
[[ -n $from ]] || fail "--from is missing; --help explains"
need_tools

work=$(mktemp --directory)
trap 'rm --recursive --force "$work"' EXIT
settle_uri "$uri_file"

if [[ $from = s3://* ]]; then
    need aws
    # Nothing of ours is changed by that, so a dry run does it as well.
    for file in "$from" "$from.sha256"; do
        aws s3 cp --only-show-errors "$file" "$work/${file##*/}" || fail "cannot fetch $file"
    done
    from=$work/${from##*/}
elif [[ -d $from ]]; then
    newest=$(find "$from" -maxdepth 1 -name 'souk-*Z.archive.gz' | sort | tail --lines 1)
    [[ -n $newest ]] || fail "there is no backup in $from"
    from=$newest
fi
[[ -f $from ]] || fail "there is no $from"
[[ -f $from.sha256 ]] || fail "there is no $from.sha256: nobody knows whether the backup is whole"
has_checksum "$from" "$(cut --delimiter ' ' --fields 1 "$from.sha256")" || fail "$from is not what was backed up: its sha256 is another"
backed_up=$(collections_of "$from" | of_people)
[[ -n $backed_up ]] || fail "$from is empty, or no backup"
say "$from: $(wc --lines <<<"$backed_up") collections"

# A dump that is cut off after its list of collections tells what is there.
{ tool mongodump --archive 2>"$work/said" || :; } | head --bytes 1M >"$work/there" || :
if ! LC_ALL=C grep --quiet --text server_version "$work/there"; then
    tell
    fail "it cannot be seen what is on the server"
fi
there=$(collections_in <"$work/there" | of_people)
options=()
if [[ -n $there ]]; then
    say "on the server: $(wc --lines <<<"$there") collections in $(cut --delimiter . --fields 1 <<<"$there" | sort --unique | paste --serial --delimiters ' ')"
    [[ $force = yes ]] || fail "there is data on the server, and nothing was changed; --force drops it"
    options+=(--drop)
fi

if [[ $dry_run = yes ]]; then
    say "would run: mongorestore --oplogReplay --gzip --archive ${options[*]-}, from $from"
    exit
fi
if ! tool mongorestore --oplogReplay --gzip --archive --stopOnError "${options[@]}" <"$from" 2>"$work/said"; then
    tell
    fail "the backup was not restored, or not all of it: run this again with --force"
fi
left=$(comm -13 <(sort <<<"$backed_up") <(sort <<<"$there"))
[[ -z $left ]] || warn "not in the backup, and as it was: ${left//$'\n'/, }"
tail --lines 1 "$work/said" | cut --fields 2-
