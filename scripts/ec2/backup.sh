#!/usr/bin/env bash
# Backs up MongoDB: everything on the server, as it was at one moment, while the shop goes on.
#
#   MONGODB_URI_FILE=/etc/souk/backup.uri backup.sh --to /var/backups/souk --s3 s3://my-bucket/souk
#
# The result is souk-<time>.archive.gz, readable for its owner only, with its sha256 beside it. A backup that fails leaves
# nothing behind and removes no older one.
#
# What is promised: mongodump notes every change that is made while it reads (--oplog), and restore.sh makes them again, so
# that the three databases are what they were together at the end of the backup, transactions whole or not at all. It needs
# a replica set; a sharded cluster cannot be backed up so. An oplog that overflows meanwhile is an error. Three databases on three
# servers are three backups of three moments; the services agree again by themselves, as after a crash, about everything
# that is still in an outbox in one of them, and about nothing else. RabbitMQ needs no backup: an event stays in its
# outbox until every listener has handled it.
#
# The user of MONGODB_URI needs the role `backup` (on admin).
#
#   --uri-file FILE     where the connection string is; else MONGODB_URI_FILE or MONGODB_URI say it. Never on a command line
#   --to DIR            where backups are kept (/var/backups/souk)
#   --keep N            how many (14); older ones go, in DIR only: in a bucket, a lifecycle rule removes them
#   --s3 s3://BUCKET/DIR    a copy goes there, by `aws s3 cp`; the machine's role needs s3:PutObject
#   --database NAME     a database that has to be in it; may be repeated (souk_customer, souk_products, souk_shopping)
#   --image IMAGE       mongodump of this image, by Docker, such as mongo:8; else the one on the PATH
#   --network NAME      with --image: the Docker network in which MongoDB is found (host)
#   --dry-run           say what would be done, and do nothing
#
# Each night, in /etc/cron.d/souk-backup (Amazon Linux 2023 has cron in its package cronie):
#   17 3 * * * root MONGODB_URI_FILE=/etc/souk/backup.uri /opt/souk/scripts/ec2/backup.sh
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib/common.sh
source "$here/lib/common.sh"
# shellcheck source=lib/mongodb.sh
source "$here/lib/mongodb.sh"

uri_file='' to=/var/backups/souk keep=14 s3='' databases=() image='' network=host
while [[ $# -gt 0 ]]; do
    case $1 in
        --help | -h) usage && exit ;;
        --dry-run) dry_run=yes && shift ;;
        --uri-file) uri_file=$(value "$@"); shift 2 ;;
        --to) to=$(value "$@"); shift 2 ;;
        --keep) keep=$(value "$@"); shift 2 ;;
        --s3) s3=$(value "$@"); shift 2 ;;
        --database) databases+=("$(value "$@")"); shift 2 ;;
        --image) image=$(value "$@"); shift 2 ;;
        --network) network=$(value "$@"); shift 2 ;;
        *) fail "$1 is not known; --help explains" ;;
    esac
done
is_number "$keep" || fail "--keep $keep: one at least"
[[ -z $s3 || $s3 = s3://?* ]] || fail "--s3 $s3: s3://BUCKET/DIR"
[[ -z $s3 ]] || need aws
[[ ${#databases[@]} -gt 0 ]] || databases=(souk_customer souk_products souk_shopping)
need_tools

work=$(mktemp --directory)
draft=''
trap 'rm --recursive --force "$work" ${draft:+"$draft" "$draft.sha256"}' EXIT
settle_uri "$uri_file"

[[ $to = /* ]] || to=$PWD/$to
name=souk-$(date --utc +%Y%m%dT%H%M%SZ).archive.gz
if [[ $dry_run = yes ]]; then
    say "would run: mongodump --oplog --gzip --archive, into $to/$name"
    say "would write: $to/$name.sha256"
else
    umask 077
    mkdir --parents "$to"
    exec {lock}<"$to"
    flock --nonblock "$lock" || fail "another backup is under way"
    [[ ! -e $to/$name ]] || fail "$to/$name is there already"
    draft=$to/.$name.draft
    if ! tool mongodump --oplog --gzip --archive >"$draft" 2>"$work/said"; then
        tell
        fail "no backup was made"
    fi
    gzip --test "$draft" || fail "what was written cannot be read"
    collections=$(collections_of "$draft")
    for database in "${databases[@]}"; do
        grep --quiet "^$database\." <<<"$collections" ||
            fail "there is no database $database on this server: is it the right one? (--database)"
    done
    sha256sum <"$draft" | sed "s/-\$/$name/" >"$draft.sha256"
    # The names appear when everything is on the disk, the checksum's first.
    sync "$draft" "$draft.sha256"
    mv "$draft.sha256" "$to/$name.sha256"
    mv "$draft" "$to/$name"
    draft=''
    sync "$to"
    say "$to/$name: $(stat --format %s "$to/$name") bytes, $(of_people <<<"$collections" | wc --lines) collections"
fi

if [[ -n $s3 ]]; then
    # The checksum last: who sees it can fetch the rest.
    run aws s3 cp --only-show-errors "$to/$name" "${s3%/}/$name" || fail "$to/$name is made, but was not copied to $s3"
    run aws s3 cp --only-show-errors "$to/$name.sha256" "${s3%/}/$name.sha256" ||
        fail "$to/$name is made, but was not copied to $s3"
fi

# Their names are their times, so they are in order.
if [[ -d $to ]]; then
    mapfile -t kept < <(find "$to" -maxdepth 1 -name 'souk-*Z.archive.gz' | sort --reverse)
    for old in "${kept[@]:$keep}"; do
        run rm --force "$old" "$old.sha256"
    done
fi
