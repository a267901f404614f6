#!/usr/bin/env bash
# Installs Docker from the distribution's packages (Amazon Linux 2023, Debian, Ubuntu), and creates the folders that deploy.sh needs.
#
#   install-docker.sh --user github-runner
#
#   --user NAME              give this user access to Docker, for deployments. Access to Docker is equivalent to root
#   --compose VERSION --compose-sha256 HEX    also install `docker compose` from Docker's releases on GitHub, for RabbitMQ and MongoDB on this
#                            machine; for Amazon Linux and others without a package
#   --dry-run                print the steps without running them
#
# Writes /etc/docker/daemon.json unless it exists: containers survive a restart of Docker (live-restore), logs are rotated (10 MB, three files), and
# the kernel forwards ports (no userland-proxy, which accepts and loses connections to a container that does not listen yet).
#
# /etc/souk contains the services' settings, /etc/souk/secrets/<service> the files mounted as /run/secrets, /var/lib/souk the records of
# deployments.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib/common.sh
source "$here/lib/common.sh"

user='' compose='' compose_sha256=''
while [[ $# -gt 0 ]]; do
    case $1 in
        --help | -h) usage && exit ;;
        --dry-run) dry_run=yes && shift ;;
        --user) user=$(value "$@"); shift 2 ;;
        --compose) compose=$(value "$@"); shift 2 ;;
        --compose-sha256) compose_sha256=$(value "$@"); shift 2 ;;
        *) fail "$1 is not an option; see --help" ;;
    esac
done
need_root
find_family
if [[ -n $compose ]]; then
    [[ $compose =~ ^v?[0-9]+(\.[0-9]+)+$ ]] || fail "--compose $compose is not a version"
    is_sha256 "$compose_sha256" || fail "--compose needs --compose-sha256 with 64 hexadecimal digits"
fi
[[ -z $user ]] || id "$user" >/dev/null 2>&1 || [[ $dry_run = yes ]] || fail "user $user does not exist"

case $family in
    debian)
        install_packages docker.io iptables
        # Since Debian 13 the command is a separate package.
        if [[ $dry_run = no ]] && ! have docker; then
            install_packages docker-cli
        fi
        ;;
    amazon) install_packages docker ;;
esac

settings=/etc/docker/daemon.json
daemon='{
  "live-restore": true,
  "userland-proxy": false,
  "no-new-privileges": true,
  "log-driver": "local",
  "log-opts": { "max-size": "10m", "max-file": "3" }
}'
if [[ ! -e $settings ]]; then
    [[ -d /etc/docker ]] || run mkdir --parents /etc/docker
    put "$settings" 644 <<<"$daemon" || :
    if have_systemd && systemctl --quiet is-active docker; then
        run systemctl restart docker
    fi
elif ! cmp --silent "$settings" <<<"$daemon"; then
    warn "$settings exists and was not changed; Souk expects: $daemon"
fi
enable_unit docker

if [[ -n $compose ]]; then
    plugin=/usr/local/lib/docker/cli-plugins/docker-compose
    if [[ -f $plugin ]] && has_checksum "$plugin" "$compose_sha256"; then
        say "docker compose is installed"
    else
        [[ -d ${plugin%/*} ]] || run mkdir --parents "${plugin%/*}"
        fetch "https://github.com/docker/compose/releases/download/v${compose#v}/docker-compose-linux-$(uname -m)" \
            "$plugin.draft" "$compose_sha256"
        run chmod 755 "$plugin.draft"
        run mv --force "$plugin.draft" "$plugin"
    fi
fi

if [[ -n $user && " $(id --name --groups "$user" 2>/dev/null || :) " != *' docker '* ]]; then
    run usermod --append --groups docker "$user"
    say "$user may use Docker after the next sign-in"
fi

# `folder PATH GROUP MODE`
folder() {
    if [[ $(stat --format '%U:%G %a' "$1" 2>/dev/null) != "root:$2 $3" ]]; then
        run install --directory --owner root --group "$2" --mode "$3" "$1"
    fi
}
# The deploying user reads settings and writes records. Only user 65532, in the containers, can read the secrets; the deploying user sees their names
# and times.
folder /etc/souk docker 750
folder /etc/souk/secrets docker 750
for service in "${services[@]}"; do
    folder "/etc/souk/secrets/$service" root 755
done
folder /var/lib/souk docker 2770
