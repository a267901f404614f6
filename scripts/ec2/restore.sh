#!/usr/bin/env bash
# Restores what backup.sh has backed up.
#
#   1. Stop the services (docker stop ...): they would write into what is being replaced.
#   2. MONGODB_URI_FILE=/etc/souk/restore.uri restore.sh --from /var/backups/souk
#   3. Empty RabbitMQ's queues, or start with a new RabbitMQ: what it had in hand is announced again by the backup, and what it has
#      from later belongs to no order any more.
#   4. Start the services, and let `souk audit` look at the books.
#
# Databases that are not empty are not touched without --force. With it, all three are emptied first; other databases on that server, and
# MongoDB's users and roles, stay as they are. What was changed after the backup is lost: take another backup first if in doubt.
# Who has deleted their account since the backup has one again: let them know, or delete it again.
#
# The user of MONGODB_URI needs the role `readWrite` on each database.
#
#   --from FILE         a backup, or a folder (the newest one in it), or s3://BUCKET/DIR/souk-<time>.tar.gz. Its sha256 has to be
#                       beside it
#   --force             empty what is there
#   --uri-file FILE     where the connection string is; else MONGODB_URI_FILE or MONGODB_URI say it. Never on a command line
#   --database-prefix PREFIX    what the names of the databases begin with (souk_)
#   --souk PROGRAM      the operator's command (the `souk` on the PATH)
#   --image IMAGE       the same as an image, by Docker
#   --network NAME      with --image: the Docker network in which MongoDB is found (host)
#   --dry-run           check the backup, say what would be done, and do nothing
#
# It is unpacked into TMPDIR (/tmp), which needs room for it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib/common.sh
source "$here/lib/common.sh"
# shellcheck source=lib/souk.sh
source "$here/lib/souk.sh"

from='' force=() prefix=souk_
while [[ $# -gt 0 ]]; do
    case $1 in
        --help | -h) usage && exit ;;
        --dry-run) dry_run=yes && shift ;;
        --from) from=$(value "$@"); shift 2 ;;
        --force) force=(--force) && shift ;;
        --uri-file) uri_file=$(value "$@"); shift 2 ;;
        --database-prefix) prefix=$(value "$@"); shift 2 ;;
        --souk) souk=$(value "$@"); shift 2 ;;
        --image) image=$(value "$@"); shift 2 ;;
        --network) network=$(value "$@"); shift 2 ;;
        *) fail "$1 is not known; --help explains" ;;
    esac
done
[[ -n $from ]] || fail "--from is missing; --help explains"
need_souk

umask 077
work=$(mktemp --directory)
trap 'rm --recursive --force "$work"' EXIT

if [[ $from = s3://* ]]; then
    need aws
    # Nothing of ours is changed by that, so a dry run does it as well.
    for file in "$from" "$from.sha256"; do
        aws s3 cp --only-show-errors "$file" "$work/${file##*/}" || fail "cannot fetch $file"
    done
    from=$work/${from##*/}
elif [[ -d $from ]]; then
    newest=$(find "$from" -maxdepth 1 -name 'souk-*Z.tar.gz' | sort | tail --lines 1)
    [[ -n $newest ]] || fail "there is no backup in $from"
    from=$newest
fi
[[ -f $from ]] || fail "there is no $from"
[[ -f $from.sha256 ]] || fail "there is no $from.sha256: nobody knows whether the backup is whole"
has_checksum "$from" "$(cut --delimiter ' ' --fields 1 "$from.sha256")" || fail "$from is not what was backed up: its sha256 is another"
mkdir "$work/backup"
tar --extract --gzip --file "$from" --directory "$work/backup" --strip-components 1 --no-same-owner || fail "$from cannot be unpacked"
for service in "${services[@]}"; do
    [[ -f $work/backup/$service.db ]] || fail "$from is no backup: it has no $service.db"
done

if [[ $dry_run = yes ]]; then
    say "would run: souk restore ${force[*]}, from $from"
    exit
fi
run_souk "$work" restore --from "$work/backup" --database-prefix "$prefix" "${force[@]}" || fail "$from was not restored"
