#!/usr/bin/env bash
# Installs the shop's site in the nginx of this machine, from the templates in nginx/.
#
#   install-nginx.sh                                               two instances of each service, as deploy.sh starts them
#   install-nginx.sh --domain shop.example.com --email ops@example.com     the same with TLS
#   install-nginx.sh --prefix DIR --fleet target/fleet.json        a separate nginx in a folder
#
# Installs nginx if necessary. `nginx -t` checks the configuration before nginx reloads it; when the check fails, all files are restored. nginx is not
# reloaded when nothing has changed.
#
# The shop is at port 80 (443 with TLS), and for programs on this machine at 127.0.0.1:8000 without TLS.
#
#   --instances N            instances per service, at the ports of deploy.sh: 127.0.0.1:8101, 8102 ... (2)
#   --servers SERVICE=ADDRESS:PORT,...    other addresses of the instances of a service; can be repeated
#   --fleet FILE             use the addresses from this file of `cargo xtask fleet`
#   --listen ADDRESS         address and port, in the syntax of nginx's `listen` (80)
#   --trusted-proxies NET,...    networks of load balancers whose X-Forwarded-For and X-Forwarded-Proto are trusted, such as the VPC's
#                            network with an Application Load Balancer; every host in them can choose its client address
#   --sign-in-rate RATE      limit of sign-ins and sign-ups per client address (30r/m)
#   --sign-in-burst N        burst above that rate (20)
#   --domain NAME --email ADDRESS    TLS with a certificate of Let's Encrypt, renewed by certbot. NAME must point to this machine, and
#                            port 80 must be open to the internet. HTTP requests are redirected to HTTPS
#   --acme-server URL        another ACME certificate authority
#   --templates DIR          the templates (nginx/ of the repository)
#   --prefix DIR             write a complete unprivileged nginx into this folder instead, listening on 127.0.0.1:8000. Reloads it if it runs;
#                            otherwise prints the command to start it
#   --dry-run                print the steps without running them
#
# Writes /etc/nginx/conf.d/souk*.conf and /etc/nginx/souk/, and removes Debian's default site. worker_connections stays as in
# /etc/nginx/nginx.conf.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib/common.sh
source "$here/lib/common.sh"

count=2 fleet='' listen='' trusted='' rate=30r/m burst=20 domain='' email='' acme='' prefix=''
templates=$here/../../nginx
declare -A given=()
while [[ $# -gt 0 ]]; do
    case $1 in
        --help | -h) usage && exit ;;
        --dry-run) dry_run=yes && shift ;;
        --instances) count=$(value "$@"); shift 2 ;;
        --servers)
            servers=$(value "$@"); shift 2
            if [[ $servers != *=* ]] || ! is_service "${servers%%=*}"; then
                fail "--servers $servers: SERVICE=ADDRESS:PORT,..."
            fi
            given[${servers%%=*}]=${servers#*=}
            ;;
        --fleet) fleet=$(value "$@"); shift 2 ;;
        --listen) listen=$(value "$@"); shift 2 ;;
        --trusted-proxies) trusted=$(value "$@"); shift 2 ;;
        --sign-in-rate) rate=$(value "$@"); shift 2 ;;
        --sign-in-burst) burst=$(value "$@"); shift 2 ;;
        --domain) domain=$(value "$@"); shift 2 ;;
        --email) email=$(value "$@"); shift 2 ;;
        --acme-server) acme=$(value "$@"); shift 2 ;;
        --templates) templates=$(value "$@"); shift 2 ;;
        --prefix) prefix=$(value "$@"); shift 2 ;;
        *) fail "$1 is not an option; see --help" ;;
    esac
done
# Validated, because they become part of nginx's configuration.
[[ $count =~ ^[1-9][0-9]?$ ]] || fail "--instances $count: 1 to 99"
[[ -z $listen || $listen =~ ^[][A-Za-z0-9.:*]+$ ]] || fail "--listen $listen: a port, or address:port"
[[ $trusted =~ ^[0-9A-Fa-f.:/,]*$ ]] || fail "--trusted-proxies $trusted: networks such as 10.0.0.0/16, separated by commas"
[[ $rate =~ ^[0-9]+r/[sm]$ ]] || fail "--sign-in-rate $rate: such as 30r/m"
[[ $burst =~ ^[0-9]{1,6}$ ]] || fail "--sign-in-burst $burst is not a number"
[[ $domain =~ ^([A-Za-z0-9-]+\.)*[A-Za-z0-9-]*$ ]] || fail "--domain $domain is not a host name"
if [[ -n $domain && -z $email || -z $domain && -n $email ]]; then
    fail "--domain and --email go together"
fi
[[ -z $prefix || -z $domain ]] || fail "--prefix does not support TLS"
templates=$(cd "$templates" 2>/dev/null && pwd) || fail "the templates do not exist: see --templates"
if [[ -n $prefix ]]; then
    [[ $prefix = /* ]] || prefix=$PWD/$prefix
    [[ $prefix =~ ^[A-Za-z0-9/._-]+$ ]] || fail "--prefix $prefix: nginx does not support this path"
    configuration=$prefix site=$prefix/souk.conf
else
    need_root
    find_family
    configuration=/etc/nginx site=/etc/nginx/conf.d/souk.conf
fi

# --- Substitution ----------------------------------------------------------------------------------------------------

declare -A variable=()

# Replaces `${NAME}`; a name without a value is an error. nginx's own variables ($uri) stay.
fill() {
    # shellcheck disable=SC2016 # literal text
    local rest name filled='' opening='${'
    rest=$(<"$1")
    while [[ $rest = *"$opening"* ]]; do
        filled+=${rest%%"$opening"*}
        rest=${rest#*"$opening"}
        name=${rest%%'}'*}
        [[ -v variable[$name] ]] || fail "$1 contains the unknown variable $name"
        filled+=${variable[$name]}
        rest=${rest#*'}'}
    done
    printf '%s\n' "$filled$rest"
}

# Prints the `server` lines of a service. After a failure nginx does not use an instance for 2 s.
servers_of() {
    local addresses=() address number
    if [[ -n ${given[$1]:-} ]]; then
        IFS=, read -r -a addresses <<<"${given[$1]}"
    elif [[ -n $fleet ]]; then
        # shellcheck disable=SC2016 # jq's variable
        mapfile -t addresses < <(jq --raw-output --arg service "$1" \
            '.[] | select(.name | test("^" + $service + "-[0-9]+$")) | .address' "$fleet")
    else
        for ((number = 1; number <= count; number++)); do
            addresses+=("127.0.0.1:$(port_of "$1" "$number")")
        done
    fi
    # nginx requires at least one server.
    [[ ${#addresses[@]} -gt 0 ]] || printf 'server 127.0.0.1:9 down;'
    for address in "${addresses[@]}"; do
        [[ $address =~ ^[][A-Za-z0-9.:-]+:[0-9]+$ ]] || fail "$1: $address: address:port"
        printf 'server %s max_fails=1 fail_timeout=2s; ' "$address"
    done
}

if [[ -n $fleet ]]; then
    need jq
    [[ -f $fleet ]] || fail "$fleet does not exist: is a fleet running?"
fi
for service in "${services[@]}"; do
    is_routed "$service" || continue
    variable[${service^^}_SERVERS]=$(servers_of "$service")
done
variable[SIGN_IN_RATE]=$rate
variable[SIGN_IN_BURST]=$burst
variable[NGINX_TRUSTED_PROXIES]=''
IFS=, read -r -a networks <<<"$trusted"
for network in "${networks[@]}"; do
    variable[NGINX_TRUSTED_PROXIES]+="set_real_ip_from $network; "
done

# --- Atomic changes --------------------------------------------------------------------------------------------------

work=$(mktemp --directory)
trap 'rm --recursive --force "$work"' EXIT
changed=()

remember() {
    local copy=$work/${#changed[@]}
    if [[ -e $1 || -L $1 ]]; then
        cp --no-dereference --preserve=all "$1" "$copy"
    fi
    changed+=("$1")
}

# `change FILE`: writes standard input to the file. Must not be the last command of a pipe, which runs in a subshell.
change() {
    local content
    content=$(cat && printf x)
    content=${content%x}
    if [[ -f $1 ]] && printf '%s' "$content" | cmp --silent - "$1"; then
        return 0
    fi
    remember "$1"
    printf '%s' "$content" | put "$1" 644
}

remove() {
    if [[ -e $1 || -L $1 ]]; then
        remember "$1"
        run rm "$1"
    fi
}

restore_all() {
    local index
    for ((index = ${#changed[@]} - 1; index >= 0; index--)); do
        rm --force "${changed[index]}"
        [[ ! -e $work/$index && ! -L $work/$index ]] || cp --no-dereference --preserve=all "$work/$index" "${changed[index]}"
    done
    changed=()
}

check() {
    if [[ -n $prefix ]]; then
        # nginx opens its log, /dev/stdout, which may belong to another user.
        nginx -t -q -e stderr -p "$prefix" -c "$prefix/nginx.conf" >"$work/stdout"
    else
        nginx -t -q
    fi
}

# Checks the changes and reloads nginx.
apply() {
    if [[ $dry_run = yes ]]; then
        [[ ${#changed[@]} -eq 0 ]] || say "would run: nginx -t, then reload nginx or restore all files"
        changed=()
        return 0
    fi
    if [[ ${#changed[@]} -gt 0 ]] && ! check; then
        restore_all
        fail "nginx rejects the configuration; all files were restored"
    fi
    if [[ -n $prefix ]]; then
        if [[ -s $prefix/nginx.pid ]] && kill -0 "$(<"$prefix/nginx.pid")" 2>/dev/null; then
            [[ ${#changed[@]} -eq 0 ]] || run kill -HUP "$(<"$prefix/nginx.pid")"
        else
            say "start it: nginx -p $prefix -c $prefix/nginx.conf -e stderr"
        fi
    elif ! have_systemd; then
        if [[ -s /run/nginx.pid ]] && kill -0 "$(</run/nginx.pid)" 2>/dev/null; then
            [[ ${#changed[@]} -eq 0 ]] || run nginx -s reload
        else
            warn "systemd does not run: nginx is not started"
        fi
    elif systemctl --quiet is-active nginx; then
        [[ ${#changed[@]} -eq 0 ]] || run systemctl reload nginx
        enable_unit nginx
    else
        enable_unit nginx
    fi
    changed=()
}

includes() {
    local name
    [[ -d $configuration/souk ]] || run mkdir --parents "$configuration/souk"
    for name in headers pages proxy problems error-pages; do
        change "$configuration/souk/$name.conf" <"$templates/$name.conf"
    done
}

# --- In a folder -----------------------------------------------------------------------------------------------------

if [[ -n $prefix ]]; then
    need nginx
    variable[NGINX_FOLDER]=$prefix
    variable[NGINX_WORKERS]=auto
    variable[NGINX_LISTEN]=${listen:-127.0.0.1:8000}
    includes
    filled=$(fill "$templates/nginx.conf.template")
    change "$prefix/nginx.conf" <<<"$filled"
    filled=$(fill "$templates/souk.conf.template")
    change "$site" <<<"$filled"
    apply
    exit
fi

# --- In the machine --------------------------------------------------------------------------------------------------

install_packages nginx
if have getenforce && [[ $(getenforce) = Enforcing ]]; then
    [[ $(getsebool httpd_can_network_connect) = *on ]] || run setsebool -P httpd_can_network_connect 1
fi

# A plain site in front of the shop, for one name: it proves to the certificate authority that the name is ours, and sends everybody
# else to https.
redirect() {
    cat <<CONF
server {
    listen ${listen:-80};
    server_name $domain;
    server_tokens off;
    access_log off;

    location /.well-known/acme-challenge/ {
        root $acme_root;
        default_type text/plain;
    }
    location / {
        return 301 https://$domain\$request_uri;
    }
}
CONF
}

tls() {
    cat <<CONF
ssl_certificate     $certificate/fullchain.pem;
ssl_certificate_key $certificate/privkey.pem;
ssl_protocols       TLSv1.2 TLSv1.3;
ssl_session_cache   shared:souk:10m;
ssl_session_timeout 1d;
ssl_session_tickets off;
CONF
    [[ -z $http2_directive ]] || printf '%s\n' "$http2_directive"
}

# A process in the background has no standard output: its logs are files, which logrotate knows by their folder.
with_logs() {
    local text=$1 from
    for from in 'access_log /dev/stdout souk;' 'error_log stderr crit;'; do
        [[ $text = *"$from"* ]] || fail "the template has no '$from' any more: this script has to learn what it has instead"
    done
    text=${text/'access_log /dev/stdout souk;'/'access_log /var/log/nginx/souk.log souk;'}
    text=${text/'error_log stderr crit;'/'error_log /var/log/nginx/souk-error.log crit;'}
    printf '%s\n' "$text"
}

acme_root=/var/lib/souk-acme certificate=/etc/letsencrypt/live/$domain
# Debian's own site would want to be the default one as well.
if [[ -L /etc/nginx/sites-enabled/default ]]; then
    remove /etc/nginx/sites-enabled/default
fi
[[ -d /etc/nginx/conf.d || $dry_run = yes ]] || fail "/etc/nginx/conf.d is missing: what sort of nginx is that?"
includes

if [[ -n $domain ]]; then
    install_packages certbot
    [[ -d $acme_root ]] || run mkdir --mode 755 "$acme_root"
    change /etc/nginx/conf.d/souk-redirect.conf < <(redirect)
    if [[ ! -e $certificate/fullchain.pem ]]; then
        apply
        # It keeps what it is told, and renews by it.
        run certbot certonly --non-interactive --agree-tos --email "$email" --domain "$domain" --cert-name "$domain" \
            --webroot --webroot-path "$acme_root" --deploy-hook 'nginx -s reload' \
            ${acme:+--server "$acme"} || fail "there is no certificate; the site itself was not changed"
    fi
    case $family in
        debian) enable_unit certbot.timer ;;
        amazon) enable_unit certbot-renew.timer ;;
    esac
    http2_directive='' http2_word=''
    version=$(nginx -v 2>&1 | sed 's/[^0-9]*\([0-9.]*\).*/\1/' || :)
    # It was a word of `listen` before 1.25.1.
    if [[ $(printf '%s\n' 1.25.1 "${version:-0}" | sort --version-sort | head --lines 1) = 1.25.1 ]]; then
        http2_directive='http2 on;'
    else
        http2_word=' http2'
    fi
    change /etc/nginx/souk/tls.conf < <(tls)
    variable[NGINX_TRUSTED_PROXIES]+='include souk/tls.conf;'
    variable[NGINX_LISTEN]="127.0.0.1:8000; listen 443 ssl$http2_word default_server"
else
    remove /etc/nginx/conf.d/souk-redirect.conf
    remove /etc/nginx/souk/tls.conf
    variable[NGINX_LISTEN]="127.0.0.1:8000; listen ${listen:-80} default_server"
fi
filled=$(fill "$templates/souk.conf.template")
filled=$(with_logs "$filled")
change "$site" <<<"$filled"
apply

connections=$(sed --quiet 's/^[[:space:]]*worker_connections[[:space:]]*\([0-9]*\);.*/\1/p' /etc/nginx/nginx.conf 2>/dev/null | tail --lines 1 || :)
if [[ -n $connections && $connections -lt 4096 ]]; then
    say "worker_connections is $connections in /etc/nginx/nginx.conf; each request under way takes two, and 4096 is what the fleet's own nginx has"
fi
