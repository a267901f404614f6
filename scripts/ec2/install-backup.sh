#!/usr/bin/env bash
# Installs a systemd timer that runs backup.sh every night.
#
#   sudo cp --recursive scripts/ec2 /usr/local/lib/souk
#   sudo /usr/local/lib/souk/install-backup.sh -- --uri-file /etc/souk/backup.uri --image IMAGE --s3 s3://my-bucket/souk
#
# where IMAGE is SOUK_IMAGE in images.env; or `--souk /usr/local/bin/souk`. The options after -- are those of backup.sh; their paths must be absolute,
# and the connection string in a file. Run it again to change them. Root runs the scripts, so no other user may write to them or to their folders.
#
#   --at TIME           a calendar event of systemd, UTC (*-*-* 03:17:00 UTC)
#   --dry-run           print the steps without running them
#
# A backup that the machine has slept through runs at the next boot. A failed one shows in `systemctl --failed` and `journalctl --unit souk-backup`;
# `systemctl edit souk-backup.service` adds `OnFailure=` for a unit that informs you. Files that are not encrypted are in /var/tmp during the backup;
# change TMPDIR there too.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib/common.sh
source "$here/lib/common.sh"

at='*-*-* 03:17:00 UTC'
while [[ $# -gt 0 ]]; do
    case $1 in
        --help | -h) usage && exit ;;
        --dry-run) dry_run=yes && shift ;;
        --at) at=$(value "$@"); shift 2 ;;
        --) shift && break ;;
        *) fail "$1 is not an option; see --help" ;;
    esac
done
need_root
if have systemd-analyze; then
    systemd-analyze calendar "$at" >/dev/null || fail "--at $at is no calendar event of systemd"
fi
# `need_root_only FILE`: fails if another user may change a file that root runs, or replace it through one of its folders.
need_root_only() {
    local path
    path=$(realpath "$1") || fail "there is no $1"
    while [[ -z $(find "$path" -maxdepth 0 '(' '!' -uid 0 -o -perm /022 ')') ]]; do
        [[ $path != / ]] || return 0
        path=$(dirname "$path")
    done
    [[ $dry_run = no ]] || { warn "$path is writable by other users than root: the installation would fail" && return 0; }
    fail "root runs $1 every night, and other users may write to $path: copy the scripts to a folder of root, see --help"
}

here=$(realpath "$here")
for file in "$here"/{backup.sh,lib/common.sh,lib/souk.sh}; do
    need_root_only "$file"
done
previous=''
for word in "$@"; do
    case $previous in
        --to) [[ $word = /* ]] || fail "--to $word: the timer needs an absolute path" ;;
        --souk) [[ $word != /* ]] || need_root_only "$word" ;;
    esac
    previous=$word
done
# Checks the options as the unit runs them: in /, and without the connection string of this shell.
(cd / && env --unset=MONGODB_URI --unset=MONGODB_URI_FILE "$here/backup.sh" --dry-run "$@" >/dev/null)

# `quoted WORD...`: words of a command in a unit (systemd.service, "Command lines").
quoted() {
    local word
    for word in "$@"; do
        [[ $word != *[[:cntrl:]]* ]] || fail "an option has a control character"
        word=${word//\\/\\\\}
        word=${word//\"/\\\"}
        word=${word//%/%%}
        printf '"%s" ' "${word//\$/\$\$}"
    done
}

command=$(quoted "$here/backup.sh" "$@")
service=$(
    cat <<UNIT
[Unit]
Description=Encrypted backup of the shop
Wants=network-online.target
After=network-online.target docker.service

[Service]
Type=oneshot
Environment=TMPDIR=/var/tmp
ExecStart=${command% }
UNIT
)
timer=$(
    cat <<UNIT
[Unit]
Description=Encrypted backup of the shop, every night

[Timer]
OnCalendar=$at
Persistent=true

[Install]
WantedBy=timers.target
UNIT
)
changed=no
put /etc/systemd/system/souk-backup.service 644 <<<"$service" && changed=yes
put /etc/systemd/system/souk-backup.timer 644 <<<"$timer" && changed=yes
if [[ $changed = yes ]] && have_systemd; then
    run systemctl daemon-reload
fi
enable_unit souk-backup.timer
