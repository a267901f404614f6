#!/usr/bin/env bash
# Backs up the shop: all its databases, as they were together at one moment, while it goes on.
#
#   MONGODB_URI_FILE=/etc/souk/backup.uri backup.sh --to /var/backups/souk --s3 s3://my-bucket/souk
#
# The result is souk-<time>.tar.gz, readable for its owner only, with its sha256 beside it. A backup that fails leaves
# nothing behind and removes no older one.
#
# In it is the directory of a one-process shop, as `souk backup` makes it: unpacked, `souk audit --data DIR` looks at its books and
# `souk --data DIR` opens it. MongoDB has to be a replica set, and to keep the moment for as long as the copy takes: five
# minutes, or what `setParameter minSnapshotHistoryWindowInSeconds` says; a copy that takes longer is an error. RabbitMQ needs no
# backup: what it had in hand at that moment is announced again. Databases on several servers have no moment in common and cannot be
# backed up so.
#
# The user of MONGODB_URI needs the role `read` on each database.
#
#   --uri-file FILE     where the connection string is; else MONGODB_URI_FILE or MONGODB_URI say it. Never on a command line
#   --to DIR            where backups are kept (/var/backups/souk)
#   --keep N            how many (14); older ones go, in DIR only: in a bucket, a lifecycle rule removes them
#   --s3 s3://BUCKET/DIR    a copy goes there, by `aws s3 cp`; the machine's role needs s3:PutObject
#   --database-prefix PREFIX    what the names of the databases begin with (souk_)
#   --souk PROGRAM      the operator's command (the `souk` on the PATH)
#   --image IMAGE       the same as an image, by Docker
#   --network NAME      with --image: the Docker network in which MongoDB is found (host)
#   --dry-run           say what would be done, and do nothing
#
# Each night, in /etc/cron.d/souk-backup (Amazon Linux 2023 has cron in its package cronie):
#   17 3 * * * root MONGODB_URI_FILE=/etc/souk/backup.uri /opt/souk/scripts/ec2/backup.sh --image IMAGE
# where IMAGE is that of souk in images.env, or with `--souk /usr/local/bin/souk`: cron knows few folders.
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
        *) fail "$1 is not known; --help explains" ;;
    esac
done
is_number "$keep" || fail "--keep $keep: one at least"
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
    flock --nonblock "$lock" || fail "another backup is under way"
    [[ ! -e $to/$name ]] || fail "$to/$name is there already"
    # What an interrupted one left.
    rm --recursive --force "$to"/.draft.*
    # Beside the others, where there is room for one.
    draft=$(mktemp --directory "$to/.draft.XXXXXX")
    trap 'rm --recursive --force "$draft"' EXIT
    run_souk "$draft" backup --to "$draft/$moment" --database-prefix "$prefix" || fail "no backup was made"
    tar --create --gzip --directory "$draft" --file "$draft/$name" "$moment"
    gzip --test "$draft/$name" || fail "what was written cannot be read"
    sha256sum <"$draft/$name" | sed "s/-\$/$name/" >"$draft/$name.sha256"
    # The names appear when everything is on the disk, the checksum's first.
    sync "$draft/$name" "$draft/$name.sha256"
    mv "$draft/$name.sha256" "$to/$name.sha256"
    mv "$draft/$name" "$to/$name"
    sync "$to"
    say "$to/$name: $(stat --format %s "$to/$name") bytes"
fi

if [[ -n $s3 ]]; then
    # The checksum last: who sees it can fetch the rest.
    run aws s3 cp --only-show-errors "$to/$name" "${s3%/}/$name" || fail "$to/$name is made, but was not copied to $s3"
    run aws s3 cp --only-show-errors "$to/$name.sha256" "${s3%/}/$name.sha256" ||
        fail "$to/$name is made, but was not copied to $s3"
fi

# Their names are their times, so they are in order.
if [[ -d $to ]]; then
    mapfile -t kept < <(find "$to" -maxdepth 1 -name 'souk-*Z.tar.gz' | sort --reverse)
    for old in "${kept[@]:$keep}"; do
        run rm --force "$old" "$old.sha256"
    done
fi
