#!/usr/bin/env bash
# Restores a backup of backup.sh.
#
#   1. Stop the services (docker stop ...), because they would write to the databases.
#   2. MONGODB_URI_FILE=/etc/souk/restore.uri restore.sh --from /var/backups/souk
#   3. Purge RabbitMQ's queues, or start a new RabbitMQ. The restored outboxes publish their events again; later events belong to data that no
#      longer exists.
#   4. Start the services, and run `souk audit`.
#
# Without --force, databases that are not empty stay unchanged. With it, all four are emptied first; other databases, users and roles on the
# server stay. Changes after the backup are lost, so make another backup first. Accounts that were deleted after the backup exist again: delete
# them again, or inform the customers.
#
# The user of MONGODB_URI needs the role `readWrite` on each database.
#
#   --from FILE         a backup, a directory (its newest backup), or s3://BUCKET/DIR/souk-<time>.tar.gz; needs the .sha256 file as well
#   --force             replace existing data
#   --uri-file FILE     file with the connection string; default: MONGODB_URI_FILE or MONGODB_URI
#   --database-prefix PREFIX    prefix of the database names (souk_)
#   --souk PROGRAM      the operator's command (`souk` on the PATH)
#   --image IMAGE       run the command from this image, with Docker
#   --network NAME      with --image: the Docker network of MongoDB (host)
#   --dry-run           verify the backup and print the steps without running them
#
# Unpacks the backup in TMPDIR (/tmp), which needs enough space.
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
        *) fail "$1 is not an option; see --help" ;;
    esac
done
[[ -n $from ]] || fail "--from is missing; see --help"
need_souk

umask 077
work=$(mktemp --directory)
trap 'rm --recursive --force "$work"' EXIT

if [[ $from = s3://* ]]; then
    need aws
    # Downloading changes nothing here, so a dry run does it as well.
    for file in "$from" "$from.sha256"; do
        aws s3 cp --only-show-errors "$file" "$work/${file##*/}" || fail "cannot download $file"
    done
    from=$work/${from##*/}
elif [[ -d $from ]]; then
    newest=$(find "$from" -maxdepth 1 -name 'souk-*Z.tar.gz' | sort | tail --lines 1)
    [[ -n $newest ]] || fail "there is no backup in $from"
    from=$newest
fi
[[ -f $from ]] || fail "there is no $from"
[[ -f $from.sha256 ]] || fail "$from.sha256 is missing: the backup cannot be verified"
has_checksum "$from" "$(cut --delimiter ' ' --fields 1 "$from.sha256")" || fail "$from does not match its SHA-256"
mkdir "$work/backup"
tar --extract --gzip --file "$from" --directory "$work/backup" --strip-components 1 --no-same-owner || fail "$from cannot be unpacked"
for service in "${databases[@]}"; do
    [[ -f $work/backup/$service.db ]] || fail "$from is not a backup: $service.db is missing"
done

if [[ $dry_run = yes ]]; then
    say "would run: souk restore ${force[*]}, from $from"
    exit
fi
run_souk "$work" restore --from "$work/backup" --database-prefix "$prefix" "${force[@]}" || fail "souk restore failed"
