#!/usr/bin/env bash
# Writes an encrypted backup of all databases of the shop, as a consistent snapshot, while the shop runs.
#
#   MONGODB_URI_FILE=/etc/souk/backup.uri backup.sh --s3 s3://my-bucket/souk
#
# Writes souk-<time>.tar.gz.age (in UTC), readable by its owner only: see docs/backup.md. A failed backup leaves no file and deletes no older
# backup. install-backup.sh runs this script every night.
#
# MongoDB must be a replica set that keeps snapshots for the duration of the copy: five minutes, or
# `setParameter minSnapshotHistoryWindowInSeconds`; a longer copy fails. RabbitMQ needs no backup, because events in flight are in the outbox and
# are published again. Databases on several servers have no common snapshot and cannot be backed up by this script. The user of MONGODB_URI needs
# the role `read` on each database.
#
# Until the backup is encrypted, the copy is in a private folder of TMPDIR (/tmp), which needs enough space.
#
#   --recipients-file FILE    public keys that open the backup, one a line, from `age-keygen` on another machine (/etc/souk/backup-recipients)
#   --uri-file FILE     file with the connection string; default: MONGODB_URI_FILE or MONGODB_URI
#   --to DIR            directory of the backups (/var/backups/souk)
#   --keep N            backups to keep in DIR (14); for a bucket, use a lifecycle rule
#   --s3 s3://BUCKET/DIR    also copy the backup there with `aws s3 cp`; the machine's role needs s3:PutObject
#   --database-prefix PREFIX    prefix of the database names (souk_)
#   --souk PROGRAM      the operator's command (`souk` on the PATH)
#   --image IMAGE       run the command from this image, with Docker
#   --network NAME      with --image: the Docker network of MongoDB (host)
#   --dry-run           print the steps without running them
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib/common.sh
source "$here/lib/common.sh"
# shellcheck source=lib/souk.sh
source "$here/lib/souk.sh"

recipients=/etc/souk/backup-recipients to=/var/backups/souk keep=14 s3='' prefix=souk_
while [[ $# -gt 0 ]]; do
    case $1 in
        --help | -h) usage && exit ;;
        --dry-run) dry_run=yes && shift ;;
        --recipients-file) recipients=$(value "$@"); shift 2 ;;
        --uri-file) uri_file=$(value "$@"); shift 2 ;;
        --to) to=$(value "$@"); shift 2 ;;
        --keep) keep=$(value "$@"); shift 2 ;;
        --s3) s3=$(value "$@"); shift 2 ;;
        --database-prefix) prefix=$(value "$@"); shift 2 ;;
        --souk) souk=$(value "$@"); shift 2 ;;
        --image) image=$(value "$@"); shift 2 ;;
        --network) network=$(value "$@"); shift 2 ;;
        *) fail "$1 is not an option; see --help" ;;
    esac
done
is_number "$keep" || fail "--keep $keep: must be at least 1"
[[ -z $s3 || $s3 = s3://?* ]] || fail "--s3 $s3: s3://BUCKET/DIR"
[[ -z $s3 ]] || need aws
[[ -r $recipients ]] || fail "$recipients does not exist or is not readable: it has the public keys that open the backup, see --help"
recipients=$(realpath "$recipients")
need_souk

[[ $to = /* ]] || to=$PWD/$to
if [[ $dry_run = yes ]]; then
    say "would run: souk backup, into $to, which keeps $keep"
    [[ -z $s3 ]] || say "would run: aws s3 cp, to $s3"
    exit
fi
private_folder
mkdir --parents "$to"
exec {lock}<"$to"
flock --nonblock "$lock" || fail "another backup is running"
output=$(run_souk "$to" "$recipients" -- backup --to "$to" --recipients-file "$recipients" --keep "$keep" --database-prefix "$prefix") || {
    say "$output"
    fail "souk backup failed"
}
say "$output"
if [[ -n $s3 ]]; then
    # The newest name need not be that of this backup: the clock may have been wrong.
    file=$(sed --quiet --regexp-extended 's/: [0-9]+ bytes$//p' <<<"$output")
    [[ -f $file ]] || fail "souk named no file, so nothing was copied to $s3"
    run aws s3 cp --only-show-errors "$file" "${s3%/}/${file##*/}" || fail "$file is complete, but was not copied to $s3"
fi
