#!/usr/bin/env bash
# Backs up all databases of the shop as a consistent snapshot, while the shop runs.
#
#   MONGODB_URI_FILE=/etc/souk/backup.uri backup.sh --to /var/backups/souk --s3 s3://my-bucket/souk
#
# Writes souk-<time>.tar.gz, readable by its owner only, and souk-<time>.tar.gz.sha256. A failed backup leaves no files and removes no older
# backups.
#
# The archive contains the data directory of a one-process shop, as `souk backup` writes it: after unpacking, `souk audit --data DIR` verifies
# it and `souk --data DIR` opens it. MongoDB must be a replica set that keeps snapshots for the duration of the copy: five minutes, or
# `setParameter minSnapshotHistoryWindowInSeconds`; a longer copy fails. RabbitMQ needs no backup, because events in flight are in the outbox and
# are published again. Databases on several servers have no common snapshot and cannot be backed up by this script.
#
# The user of MONGODB_URI needs the role `read` on each database.
#
#   --uri-file FILE     file with the connection string; default: MONGODB_URI_FILE or MONGODB_URI
#   --to DIR            directory of the backups (/var/backups/souk)
#   --keep N            backups to keep in DIR (14); for a bucket, use a lifecycle rule
#   --s3 s3://BUCKET/DIR    also copy the backup there with `aws s3 cp`; the machine's role needs s3:PutObject
#   --database-prefix PREFIX    prefix of the database names (souk_)
#   --souk PROGRAM      the operator's command (`souk` on the PATH)
#   --image IMAGE       run the command from this image, with Docker
#   --network NAME      with --image: the Docker network of MongoDB (host)
#   --dry-run           print the steps without running them
#
# Every night, in /etc/cron.d/souk-backup (on Amazon Linux 2023, install cronie):
#   17 3 * * * root MONGODB_URI_FILE=/etc/souk/backup.uri /opt/souk/scripts/ec2/backup.sh --image IMAGE
# where IMAGE is SOUK_IMAGE in images.env; or use `--souk /usr/local/bin/souk`, because cron has a short PATH.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib/common.sh
source "$here/lib/common.sh"
# shellcheck source=lib/souk.sh
source "$here/lib/souk.sh"

to=/var/backups/souk keep=14 s3='' prefix=souk_
while [[ $# -gt 0 ]]; do
    case $1 in
        --help | -h) usage && exit ;;
        --dry-run) dry_run=yes && shift ;;
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
need_souk

[[ $to = /* ]] || to=$PWD/$to
moment=souk-$(date --utc +%Y%m%dT%H%M%SZ)
name=$moment.tar.gz
if [[ $dry_run = yes ]]; then
    say "would run: souk backup, into $to/$name"
    say "would write: $to/$name.sha256"
else
    umask 077
    mkdir --parents "$to"
    exec {lock}<"$to"
    flock --nonblock "$lock" || fail "another backup is running"
    [[ ! -e $to/$name ]] || fail "$to/$name exists already"
    # Drafts of interrupted backups.
    rm --recursive --force "$to"/.draft.*
    # On the same file system as the backups, for an atomic rename.
    draft=$(mktemp --directory "$to/.draft.XXXXXX")
    trap 'rm --recursive --force "$draft"' EXIT
    run_souk "$draft" backup --to "$draft/$moment" --database-prefix "$prefix" || fail "souk backup failed"
    tar --create --gzip --directory "$draft" --file "$draft/$name" "$moment"
    gzip --test "$draft/$name" || fail "the archive is not readable"
    sha256sum <"$draft/$name" | sed "s/-\$/$name/" >"$draft/$name.sha256"
    # The final names appear after all data is on disk, the checksum first.
    sync "$draft/$name" "$draft/$name.sha256"
    mv "$draft/$name.sha256" "$to/$name.sha256"
    mv "$draft/$name" "$to/$name"
    sync "$to"
    say "$to/$name: $(stat --format %s "$to/$name") bytes"
fi

if [[ -n $s3 ]]; then
    # The checksum last, so that its presence means that the backup is complete.
    run aws s3 cp --only-show-errors "$to/$name" "${s3%/}/$name" || fail "$to/$name is complete, but was not copied to $s3"
    run aws s3 cp --only-show-errors "$to/$name.sha256" "${s3%/}/$name.sha256" ||
        fail "$to/$name is complete, but was not copied to $s3"
fi

# The names sort by time.
if [[ -d $to ]]; then
    mapfile -t kept < <(find "$to" -maxdepth 1 -name 'souk-*Z.tar.gz' | sort --reverse)
    for old in "${kept[@]:$keep}"; do
        run rm --force "$old" "$old.sha256"
    done
fi
