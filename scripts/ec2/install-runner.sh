#!/usr/bin/env bash
# Installs a self-hosted runner of GitHub Actions as a service, for the workflow that deploys to this machine.
#
#   gh api --method POST repos/OWNER/REPO/actions/runners/registration-token --jq .token |
#       ssh machine sudo install-runner.sh --url https://github.com/OWNER/REPO --version 2.330.0 --sha256 HEX
#
# The token (good for an hour) comes by standard input or from a file and is given on by the environment, never on a command line. It is
# wanted for the registration only: run again, this changes nothing; run with another version, it puts that one into place.
#
# A runner executes what a workflow says. It works as a user without rights, but who may deploy with Docker is root here if they want:
# let only a protected environment (with reviewers) use this runner's label, and never a public repository's pull requests.
#
#   --url URL           the repository or organisation: https://github.com/OWNER[/REPO]
#   --version VERSION   of the runner, and
#   --sha256 HEX        of its archive, both from https://github.com/actions/runner/releases. By itself it then updates itself,
#                       as GitHub wants; --no-update keeps it as it is, for the 30 days that GitHub accepts that
#   --archive FILE      the archive, when it was brought here already
#   --token-file FILE   where the token is (- is standard input, the default)
#   --name NAME         as which GitHub lists it (the machine's name)
#   --labels A,B        labels besides self-hosted (souk)
#   --user NAME         as whom it works; made when not there (github-runner)
#   --groups A,B        groups that the user is put into, such as docker
#   --folder DIR        where it lives (/opt/github-runner); the service has the name of its last part
#   --ephemeral         it takes one job, is forgotten by GitHub, and ends: nothing of one job is there for the next. Run this again,
#                       with a new token, for another one
#   --remove            stop it, take it off GitHub's list (wants a token: .../actions/runners/remove-token) and remove its folder
#   --dry-run           say what would be done, and do nothing
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib/common.sh
source "$here/lib/common.sh"

url='' version='' sha256='' archive='' token_file=- name='' labels=souk user=github-runner groups='' folder=/opt/github-runner
ephemeral=no update=yes remove=no
while [[ $# -gt 0 ]]; do
    case $1 in
        --help | -h) usage && exit ;;
        --dry-run) dry_run=yes && shift ;;
        --ephemeral) ephemeral=yes && shift ;;
        --no-update) update=no && shift ;;
        --remove) remove=yes && shift ;;
        --url) url=$(value "$@"); shift 2 ;;
        --version) version=$(value "$@"); shift 2 ;;
        --sha256) sha256=$(value "$@"); shift 2 ;;
        --archive) archive=$(value "$@"); shift 2 ;;
        --token-file) token_file=$(value "$@"); shift 2 ;;
        --name) name=$(value "$@"); shift 2 ;;
        --labels) labels=$(value "$@"); shift 2 ;;
        --user) user=$(value "$@"); shift 2 ;;
        --groups) groups=$(value "$@"); shift 2 ;;
        --folder) folder=$(value "$@"); shift 2 ;;
        --token) fail "a token on a command line is everybody's: --token-file, or standard input" ;;
        *) fail "$1 is not known; --help explains" ;;
    esac
done
need_root
find_family
name=${name:-$(uname --nodename)}
[[ $folder =~ ^(/[A-Za-z0-9._-]+)+$ ]] || fail "--folder $folder: the whole path"
[[ $user =~ ^[a-z_][a-z0-9_-]*$ ]] || fail "--user $user is no name"
unit=${folder##*/}.service

# The first line of the file; nothing of it is ever shown.
token=''
read_token() {
    if [[ $token_file = - ]]; then
        [[ ! -t 0 ]] || fail "the token is expected on standard input (or --token-file)"
        IFS= read -r token || [[ -n $token ]] || fail "there is no token on standard input"
    else
        [[ -r $token_file ]] || fail "there is no $token_file"
        IFS= read -r token <"$token_file" || [[ -n $token ]] || fail "$token_file is empty"
    fi
    [[ $token =~ ^[A-Za-z0-9_-]+$ ]] || fail "that is no token"
}

# Something of the runner's, in its folder, as its user: jobs can change what is in there, so root neither runs nor writes anything
# in it. What the runner is told by $ACTIONS_RUNNER_INPUT_TOKEN it takes out of its environment at once.
as_user() {
    if [[ $dry_run = yes ]]; then
        say "would run: in $folder as $user: $*"
    else
        say "+ in $folder as $user: $*"
        (cd "$folder" && ACTIONS_RUNNER_INPUT_TOKEN=$token exec runuser --user "$user" -- "$@")
    fi
}

stop_unit() {
    if have_systemd && systemctl --quiet is-active "$unit"; then
        run systemctl stop "$unit"
    fi
}

if [[ $remove = yes ]]; then
    stop_unit
    if [[ -e /etc/systemd/system/$unit ]]; then
        run systemctl disable "$unit"
        run rm "/etc/systemd/system/$unit"
        run systemctl daemon-reload
    fi
    if [[ -e $folder/.runner ]]; then
        [[ $dry_run = yes ]] || read_token
        as_user ./config.sh remove </dev/null || fail "GitHub has not taken it off its list"
    fi
    [[ ! -d $folder ]] || run rm --recursive --force "$folder"
    exit
fi

[[ $url =~ ^https://[A-Za-z0-9.-]+/[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)?$ ]] || fail "--url $url: https://github.com/OWNER/REPO"
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || fail "--version $version: such as 2.330.0"
is_sha256 "$sha256" || fail "--sha256 is missing, or no 64 hexadecimal digits"
[[ $name =~ ^[A-Za-z0-9._-]+$ && $labels =~ ^[A-Za-z0-9._,-]*$ ]] || fail "--name and --labels: letters, digits, . _ -"
case $(uname -m) in
    x86_64) architecture=x64 ;;
    aarch64) architecture=arm64 ;;
    *) fail "there is no runner for $(uname -m)" ;;
esac

if ! id "$user" >/dev/null 2>&1; then
    run useradd --system --create-home --home-dir "/var/lib/$user" --shell /usr/sbin/nologin "$user"
fi
[[ $(id --user "$user" 2>/dev/null || :) != 0 ]] || fail "--user $user is root"
for group in ${groups//,/ }; do
    [[ " $(id --name --groups "$user" 2>/dev/null || :) " = *" $group "* ]] || run usermod --append --groups "$group" "$user"
done

# --- The program -----------------------------------------------------------------------------------------------------

# What it says of itself; nothing when it is not there.
present() {
    [[ -x $folder/bin/Runner.Listener ]] || return 0
    (cd "$folder" && runuser --user "$user" -- ./bin/Runner.Listener --version 2>/dev/null </dev/null) || :
}

# One that updates itself is newer than what is asked for.
is_there() {
    local have
    have=$(present)
    [[ -n $have ]] || return 1
    [[ $have = "$version" ]] || [[ $update = yes && $(printf '%s\n' "$version" "$have" | sort --version-sort | tail --lines 1) = "$have" ]]
}

if is_there; then
    say "the runner $(present) is there"
else
    case $family in
        debian) install_packages ca-certificates curl ;;
        amazon) install_packages libicu krb5-libs openssl-libs zlib lttng-ust tar gzip ;;
    esac
    work=$(mktemp --directory)
    trap 'rm --recursive --force "$work"' EXIT
    if [[ -z $archive ]]; then
        archive=$work/runner.tar.gz
        fetch "https://github.com/actions/runner/releases/download/v$version/actions-runner-linux-$architecture-$version.tar.gz" \
            "$archive" "$sha256"
    elif ! has_checksum "$archive" "$sha256"; then
        fail "$archive does not have the sha256 $sha256: it is not what was asked for"
    fi
    if [[ $family = debian ]]; then
        # What it needs beside itself is called otherwise in each release; its own script knows.
        run mkdir "$work/runner"
        run tar --extract --gzip --file "$archive" --directory "$work/runner" --no-same-owner
        run "$work/runner/bin/installdependencies.sh" || fail "what the runner needs cannot be installed"
    fi
    # Not under its feet.
    stop_unit
    # It writes into its folder, and updates itself there.
    [[ -d $folder ]] || run install --directory --owner "$user" --group "$user" --mode 755 "$folder"
    if [[ $dry_run = yes ]]; then
        say "would run: in $folder as $user: tar --extract --gzip"
    else
        as_user tar --extract --gzip <"$archive" || fail "$archive cannot be unpacked"
    fi
fi

# --- The registration ------------------------------------------------------------------------------------------------

# An ephemeral one that had its job is forgotten by GitHub, and knows nothing of itself any more.
if [[ -e $folder/.runner ]]; then
    grep --quiet --fixed-strings "\"$url\"" "$folder/.runner" ||
        fail "the runner in $folder is registered elsewhere: --remove it first, or use another --folder"
    say "it is registered"
else
    [[ $dry_run = yes ]] || read_token
    options=(--unattended --url "$url" --name "$name" --labels "$labels" --work _work --replace)
    [[ $ephemeral = no ]] || options+=(--ephemeral)
    [[ $update = yes ]] || options+=(--disableupdate)
    as_user ./config.sh "${options[@]}" </dev/null || fail "GitHub has not registered it"
fi
token=''

# --- The service -----------------------------------------------------------------------------------------------------

# As the runner's own svc.sh would make it; besides, what a job starts cannot gain rights that its user has not.
service() {
    cat <<UNIT
[Unit]
Description=GitHub Actions runner in $folder
After=network-online.target
Wants=network-online.target

[Service]
User=$user
WorkingDirectory=$folder
ExecStart=$folder/bin/runsvc.sh
KillMode=process
KillSignal=SIGTERM
TimeoutStopSec=5min
NoNewPrivileges=yes
PrivateTmp=yes

[Install]
WantedBy=multi-user.target
UNIT
}

if put "/etc/systemd/system/$unit" 644 < <(service) && have_systemd; then
    run systemctl daemon-reload
    # A job that runs is not disturbed; the next start has the new unit.
fi
enable_unit "$unit"
