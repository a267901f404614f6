# shellcheck shell=bash
# What the scripts beside this file share. It is sourced and does nothing by itself.

# Whether commands that change something are printed instead of run; --dry-run sets it.
dry_run=no

say() {
    # Whoever started this may have gone; what is under way is finished all the same.
    printf '%s\n' "$*" 2>/dev/null || :
}

warn() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2 2>/dev/null || :
}

fail() {
    warn "$@"
    exit 1
}

# The comment at the head of the script.
usage() {
    sed -n '2,/^[^#]/{/^#/!q;s/^# \{0,1\}//;p}' "$0"
}

# The value of an option: `value "$@"` where $1 is the option.
value() {
    [[ $# -ge 2 && -n $2 ]] || fail "$1 wants a value; --help explains"
    printf '%s' "$2"
}

# Runs a command that changes something, or says what would be run. What is printed can be pasted into a shell.
run() {
    local shown
    shown=$(printf '%q ' "$@")
    if [[ $dry_run = yes ]]; then
        say "would run: ${shown% }"
    else
        say "+ ${shown% }"
        "$@"
    fi
}

have() {
    command -v "$1" >/dev/null 2>&1
}

need() {
    local program
    for program in "$@"; do
        have "$program" || fail "there is no $program on the PATH"
    done
}

# A dry run needs no rights: it can be read before anybody gives it any.
need_root() {
    [[ $EUID -eq 0 || $dry_run = yes ]] || fail "this changes the machine: run it as root (sudo), or with --dry-run"
}

# What sort of machine this is, in $family: `debian` (Debian, Ubuntu) or `amazon` (Amazon Linux 2023). SOUK_OS_RELEASE is
# for tests.
family=''
find_family() {
    local id='' like='' version='' name content
    while IFS='=' read -r name content; do
        content=${content//\"/}
        case $name in
            ID) id=$content ;;
            ID_LIKE) like=$content ;;
            VERSION_ID) version=$content ;;
        esac
    done <"${SOUK_OS_RELEASE:-/etc/os-release}"
    if [[ $id = amzn && $version = 2023* ]]; then
        family=amazon
    elif [[ " $id $like " = *' debian '* ]]; then
        family=debian
    else
        fail "this is $id $version; Amazon Linux 2023, Debian and Ubuntu are known"
    fi
}

installed() {
    case $family in
        debian) [[ $(dpkg-query --show --showformat '${db:Status-Status}' "$1" 2>/dev/null) = installed ]] ;;
        amazon) rpm --query --quiet "$1" ;;
    esac
}

# Those of these packages that are not there yet.
install_packages() {
    local package missing=()
    for package in "$@"; do
        installed "$package" || missing+=("$package")
    done
    [[ ${#missing[@]} -gt 0 ]] || return 0
    case $family in
        debian)
            run apt-get --quiet=2 update
            run env DEBIAN_FRONTEND=noninteractive apt-get --quiet=2 --yes --no-install-recommends install "${missing[@]}"
            ;;
        amazon) run dnf --assumeyes --quiet install "${missing[@]}" ;;
    esac
}

# Whether services are managed by systemd here; a container or a chroot has none.
have_systemd() {
    [[ -d /run/systemd/system ]]
}

# Starts a unit now and at every boot.
enable_unit() {
    if ! have_systemd; then
        warn "there is no systemd here: $1 is not started"
    elif ! systemctl --quiet is-enabled "$1" 2>/dev/null || ! systemctl --quiet is-active "$1"; then
        run systemctl enable --now "$1"
    fi
}

# `put FILE MODE`: what comes in becomes the file, unless it is so already. The mode holds from the first moment.
# Says by its status (0) whether anything changed.
put() {
    local file=$1 mode=$2 content draft
    # The x keeps the last line's end, which $(...) would take away.
    content=$(cat && printf x)
    content=${content%x}
    if [[ -f $file ]] && printf '%s' "$content" | cmp --silent - "$file"; then
        return 1
    fi
    if [[ $dry_run = yes ]]; then
        say "would write: $file (mode $mode)"
        return 0
    fi
    say "+ write $file"
    draft=$(mktemp "$file.XXXXXX") || fail "cannot write $file"
    if ! { printf '%s' "$content" >"$draft" && chmod "$mode" "$draft" && mv --force "$draft" "$file"; }; then
        rm --force "$draft"
        fail "cannot write $file"
    fi
}

# `checksum FILE SHA256`
has_checksum() {
    printf '%s  %s\n' "${2,,}" "$1" | sha256sum --check --status -
}

is_sha256() {
    [[ $1 =~ ^[0-9a-fA-F]{64}$ ]]
}

# `fetch URL FILE SHA256`: a file from elsewhere, which is what it is meant to be or is not there.
fetch() {
    [[ $1 = https://* || $1 = file://* ]] || fail "$1: only https is fetched"
    run curl --fail --silent --show-error --location --retry 3 --proto '=https,file' --output "$2" "$1" ||
        fail "cannot fetch $1"
    [[ $dry_run = yes ]] || has_checksum "$2" "$3" || {
        rm --force "$2"
        fail "$1 does not have the sha256 $3: it is not what was asked for"
    }
}

# --- The instances of a machine, which deploy.sh starts and install-nginx.sh sends requests to ---------------------------

# shellcheck disable=SC2034 # deploy.sh and install-nginx.sh go through them
services=(customer products shopping)

is_service() {
    [[ $1 = customer || $1 = products || $1 = shopping ]]
}

# `port_of customer 2` is 8102: the second instance of the service that has 8001 in its container. The 00 of each
# hundred is for the rehearsal of a deployment.
port_of() {
    case $1 in
        customer) printf '%d' $((8100 + $2)) ;;
        products) printf '%d' $((8200 + $2)) ;;
        shopping) printf '%d' $((8300 + $2)) ;;
    esac
}

is_number() {
    [[ $1 =~ ^[1-9][0-9]{0,4}$ ]]
}
