#!/usr/bin/env bash
# Installs Docker from the distribution's own packages (Amazon Linux 2023, Debian, Ubuntu), and makes the folders that deploy.sh wants.
#
#   install-docker.sh --user github-runner
#
#   --user NAME              may use Docker, and so deploy. Whoever may use Docker is root on this machine, if they want
#   --compose VERSION --compose-sha256 HEX    the plugin `docker compose` too, for RabbitMQ and MongoDB on this machine: from Docker's
#                            releases on GitHub, for Amazon Linux and others that have no package of it
#   --dry-run                say what would be done, and do nothing
#
# /etc/docker/daemon.json is written when there is none: containers outlive a restart of Docker (live-restore), logs are rotated (10 MB,
# three files), and ports of containers are passed on by the kernel (no userland-proxy, which takes connections for a container that does
# not listen yet, and loses them). One that is there already stays as it is.
#
# /etc/souk has the services' settings, /etc/souk/secrets/<service> what an instance of that service sees as /run/secrets,
# /var/lib/souk what was deployed.
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
        *) fail "$1 is not known; --help explains" ;;
    esac
done
need_root
find_family
if [[ -n $compose ]]; then
    [[ $compose =~ ^v?[0-9]+(\.[0-9]+)+$ ]] || fail "--compose $compose is no version"
    is_sha256 "$compose_sha256" || fail "--compose wants --compose-sha256, 64 hexadecimal digits"
fi
[[ -z $user ]] || id "$user" >/dev/null 2>&1 || [[ $dry_run = yes ]] || fail "there is no user $user"

case $family in
    debian)
        install_packages docker.io iptables
        # The command is a package of its own since Debian 13.
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
    warn "$settings is somebody else's and stays as it is; Souk wants: $daemon"
fi
enable_unit docker

if [[ -n $compose ]]; then
    plugin=/usr/local/lib/docker/cli-plugins/docker-compose
    if [[ -f $plugin ]] && has_checksum "$plugin" "$compose_sha256"; then
        say "docker compose is there"
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
# Who deploys reads settings and writes what was deployed. Secrets are files of user 65532, who reads them in the containers: who deploys
# sees their names and times only.
folder /etc/souk docker 750
folder /etc/souk/secrets docker 750
for service in "${services[@]}"; do
    folder "/etc/souk/secrets/$service" root 755
done
folder /var/lib/souk docker 2770
