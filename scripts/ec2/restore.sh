#!/usr/bin/env bash
# Restores a backup of backup.sh.
#
#   1. Stop the services (docker stop ...), because they would write to the databases.
#   2. MONGODB_URI_FILE=/etc/souk/restore.uri restore.sh --from /var/backups/souk --identity key.txt
#   3. Purge RabbitMQ's queues, or start a new RabbitMQ. The restored outboxes publish their events again; later events belong to data that no
#      longer exists.
#   4. Start the services, and run `souk audit`.
#
# A backup that is damaged, or encrypted to another key, and a user who may not write to all databases, change nothing. Without --force, databases that are not empty stay unchanged. With it,
# all four are emptied first; other databases, users and roles on the server stay. Changes after the backup are lost, so make another backup first.
# Accounts that were deleted after the backup exist again: delete them again, or inform the customers.
#
# The user of MONGODB_URI needs the role `readWrite` on each database.
#
#   --from FILE         a backup, a directory (its newest backup), or s3://BUCKET/DIR/souk-<time>.tar.gz.age
#   --identity FILE     the private key, as `age-keygen` writes it; delete it from this machine afterwards
#   --force             replace existing data
#   --uri-file FILE     file with the connection string; default: MONGODB_URI_FILE or MONGODB_URI
#   --database-prefix PREFIX    prefix of the database names (souk_)
#   --souk PROGRAM      the operator's command (`souk` on the PATH)
#   --image IMAGE       run the command from this image, with Docker
#   --network NAME      with --image: the Docker network of MongoDB (host)
#   --dry-run           restore the backup into a temporary directory instead, which verifies it
#
# Decrypts the backup into TMPDIR (/tmp), which needs enough space.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib/common.sh
source "$here/lib/common.sh"
# shellcheck source=lib/souk.sh
source "$here/lib/souk.sh"

from='' identity='' force=() prefix=souk_
while [[ $# -gt 0 ]]; do
    case $1 in
        --help | -h) usage && exit ;;
        --dry-run) dry_run=yes && shift ;;
        --from) from=$(value "$@"); shift 2 ;;
        --identity) identity=$(value "$@"); shift 2 ;;
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
[[ -r $identity ]] || fail "--identity is missing or not readable; see --help"
identity=$(realpath "$identity")
need_souk
private_folder

if [[ $from = s3://* ]]; then
    need aws
    # Downloading changes nothing here, so a dry run does it as well.
    aws s3 cp --only-show-errors "$from" "$work/${from##*/}" || fail "cannot download $from"
    from=$work/${from##*/}
fi
[[ -e $from ]] || fail "there is no $from"
from=$(realpath "$from")

if [[ $dry_run = yes ]]; then
    run_souk "$from" "$identity" -- restore --from "$from" --identity "$identity" --data "$work/trial" || fail "the backup cannot be restored"
    say "would run: souk restore ${force[*]}, from $from"
    exit
fi
run_souk "$from" "$identity" -- restore --from "$from" --identity "$identity" --database-prefix "$prefix" "${force[@]}" ||
    fail "souk restore failed"
