#!/usr/bin/env bash
# Installs a self-hosted GitHub Actions runner as a service, for the workflow that deploys to this machine.
#
#   gh api --method POST repos/OWNER/REPO/actions/runners/registration-token --jq .token |
#       ssh machine sudo install-runner.sh --url https://github.com/OWNER/REPO --version 2.330.0 --sha256 HEX
#
# The token (valid for an hour) is read from standard input or a file and passed on in the environment, never on a command line. It is needed for
# the registration only. Running the script again changes nothing; with another version it installs that one.
#
# A runner executes the commands of workflows. Its user has no privileges, but access to Docker is equivalent to root: allow only a protected
# environment (with reviewers) to use the label of this runner, and never pull requests of a public repository.
#
#   --url URL           the repository or organisation: https://github.com/OWNER[/REPO]
#   --version VERSION   version of the runner, from https://github.com/actions/runner/releases
#   --sha256 HEX        SHA-256 of its archive
#   --no-update         disable the runner's automatic updates; GitHub accepts a version for 30 days
#   --archive FILE      use this archive instead of downloading it
#   --token-file FILE   file with the token (- for standard input, the default)
#   --name NAME         name of the runner at GitHub (the machine's name)
#   --labels A,B        labels besides self-hosted (souk)
#   --user NAME         user of the runner; created if necessary (github-runner)
#   --groups A,B        further groups of the user, such as docker
#   --folder DIR        directory of the runner (/opt/github-runner); its last part is the name of the service
#   --ephemeral         run one job and exit, so that jobs share no state. Run this script with a new token for the next one
#   --remove            stop the runner, unregister it (needs a token of .../actions/runners/remove-token) and delete its directory
#   --dry-run           print the steps without running them
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
        --token) fail "do not pass a token on the command line: use --token-file or standard input" ;;
        *) fail "$1 is not an option; see --help" ;;
    esac
done
need_root
find_family
name=${name:-$(uname --nodename)}
[[ $folder =~ ^(/[A-Za-z0-9._-]+)+$ ]] || fail "--folder $folder: must be an absolute path"
[[ $user =~ ^[a-z_][a-z0-9_-]*$ ]] || fail "--user $user is not a user name"
unit=${folder##*/}.service

# Reads the first line of the file. The token is never printed.
token=''
read_token() {
    if [[ $token_file = - ]]; then
        [[ ! -t 0 ]] || fail "the token is expected on standard input (or --token-file)"
        IFS= read -r token || [[ -n $token ]] || fail "standard input contains no token"
    else
        [[ -r $token_file ]] || fail "$token_file does not exist or is not readable"
        IFS= read -r token <"$token_file" || [[ -n $token ]] || fail "$token_file is empty"
    fi
    [[ $token =~ ^[A-Za-z0-9_-]+$ ]] || fail "the token is invalid"
}

# Runs a command in the runner's directory as its user. Jobs can change that directory, so root neither runs nor writes anything there. The runner
# removes $ACTIONS_RUNNER_INPUT_TOKEN from its environment.
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
        as_user ./config.sh remove </dev/null || fail "GitHub did not unregister the runner"
    fi
    [[ ! -d $folder ]] || run rm --recursive --force "$folder"
    exit
fi

[[ $url =~ ^https://[A-Za-z0-9.-]+/[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)?$ ]] || fail "--url $url: https://github.com/OWNER/REPO"
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || fail "--version $version: such as 2.330.0"
is_sha256 "$sha256" || fail "--sha256 must be 64 hexadecimal digits"
[[ $name =~ ^[A-Za-z0-9._-]+$ && $labels =~ ^[A-Za-z0-9._,-]*$ ]] || fail "--name and --labels: letters, digits, . _ -"
case $(uname -m) in
    x86_64) architecture=x64 ;;
    aarch64) architecture=arm64 ;;
    *) fail "GitHub has no runner for $(uname -m)" ;;
esac

if ! id "$user" >/dev/null 2>&1; then
    run useradd --system --create-home --home-dir "/var/lib/$user" --shell /usr/sbin/nologin "$user"
fi
[[ $(id --user "$user" 2>/dev/null || :) != 0 ]] || fail "--user $user is root"
for group in ${groups//,/ }; do
    [[ " $(id --name --groups "$user" 2>/dev/null || :) " = *" $group "* ]] || run usermod --append --groups "$group" "$user"
done

# --- The program -----------------------------------------------------------------------------------------------------

# Prints the installed version, if any.
installed_version() {
    [[ -x $folder/bin/Runner.Listener ]] || return 0
    (cd "$folder" && runuser --user "$user" -- ./bin/Runner.Listener --version 2>/dev/null </dev/null) || :
}

# Whether the version, or a newer one by automatic updates, is installed.
is_current() {
    local have
    have=$(installed_version)
    [[ -n $have ]] || return 1
    [[ $have = "$version" ]] || [[ $update = yes && $(printf '%s\n' "$version" "$have" | sort --version-sort | tail --lines 1) = "$have" ]]
}

if is_current; then
    say "the runner $(installed_version) is installed"
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
        fail "$archive does not have the SHA-256 $sha256"
    fi
    if [[ $family = debian ]]; then
        # The names of its dependencies differ between releases; the runner's own script installs them.
        run mkdir "$work/runner"
        run tar --extract --gzip --file "$archive" --directory "$work/runner" --no-same-owner
        run "$work/runner/bin/installdependencies.sh" || fail "the runner's dependencies cannot be installed"
    fi
    # The files of a running runner must not change.
    stop_unit
    # The runner writes to its directory and updates itself there.
    [[ -d $folder ]] || run install --directory --owner "$user" --group "$user" --mode 755 "$folder"
    if [[ $dry_run = yes ]]; then
        say "would run: in $folder as $user: tar --extract --gzip"
    else
        as_user tar --extract --gzip <"$archive" || fail "$archive cannot be unpacked"
    fi
fi

# --- The registration ------------------------------------------------------------------------------------------------

# An ephemeral runner is unregistered after its job.
if [[ -e $folder/.runner ]]; then
    grep --quiet --fixed-strings "\"$url\"" "$folder/.runner" ||
        fail "the runner in $folder is registered elsewhere: --remove it first, or use another --folder"
    say "the runner is registered"
else
    [[ $dry_run = yes ]] || read_token
    options=(--unattended --url "$url" --name "$name" --labels "$labels" --work _work --replace)
    [[ $ephemeral = no ]] || options+=(--ephemeral)
    [[ $update = yes ]] || options+=(--disableupdate)
    as_user ./config.sh "${options[@]}" </dev/null || fail "GitHub did not register the runner"
fi
token=''

# --- The service -----------------------------------------------------------------------------------------------------

# Like the unit of the runner's svc.sh, but jobs cannot gain privileges (NoNewPrivileges).
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
    # A running job continues; the next start uses the new unit.
fi
enable_unit "$unit"
