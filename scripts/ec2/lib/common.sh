# shellcheck shell=bash
# Functions of the scripts in scripts/ec2. To be sourced.

# Whether commands that change something are printed instead of run; --dry-run sets it.
dry_run=no

say() {
    # The terminal may be closed; the script continues.
    printf '%s\n' "$*" 2>/dev/null || :
}

warn() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2 2>/dev/null || :
}

fail() {
    warn "$@"
    exit 1
}

# Prints the comment at the head of the script.
usage() {
    sed -n '2,/^[^#]/{/^#/!q;s/^# \{0,1\}//;p}' "$0"
}

# The value of an option: `value "$@"` where $1 is the option.
value() {
    [[ $# -ge 2 && -n $2 ]] || fail "$1 needs a value; see --help"
    printf '%s' "$2"
}

# Runs a command that changes something, or prints it with --dry-run, quoted for a shell.
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
        have "$program" || fail "$program is not on the PATH"
    done
}

# A dry run needs no root, so that it can be reviewed first.
need_root() {
    [[ $EUID -eq 0 || $dry_run = yes ]] || fail "this script changes the machine: run it as root (sudo), or with --dry-run"
}

# Sets $family: `debian` (Debian, Ubuntu) or `amazon` (Amazon Linux 2023). SOUK_OS_RELEASE is for tests.
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
        fail "$id $version is not supported; use Amazon Linux 2023, Debian or Ubuntu"
    fi
}

installed() {
    case $family in
        debian) [[ $(dpkg-query --show --showformat '${db:Status-Status}' "$1" 2>/dev/null) = installed ]] ;;
        amazon) rpm --query --quiet "$1" ;;
    esac
}

# Installs the packages that are missing.
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

# Whether systemd manages services; it does not in a container or a chroot.
have_systemd() {
    [[ -d /run/systemd/system ]]
}

# Starts a unit, now and at boot.
enable_unit() {
    if ! have_systemd; then
        warn "systemd does not run: $1 is not started"
    elif ! systemctl --quiet is-enabled "$1" 2>/dev/null || ! systemctl --quiet is-active "$1"; then
        run systemctl enable --now "$1"
    fi
}

# `put FILE MODE`: writes standard input to the file, atomically, unless it has this content already. Returns 0 when the file changed.
put() {
    local file=$1 mode=$2 content draft
    # The x protects the final newline, which $(...) would remove.
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

# `fetch URL FILE SHA256`: downloads a file and verifies its checksum.
fetch() {
    [[ $1 = https://* || $1 = file://* ]] || fail "$1: only https URLs are allowed"
    run curl --fail --silent --show-error --location --retry 3 --proto '=https,file' --output "$2" "$1" ||
        fail "cannot download $1"
    [[ $dry_run = yes ]] || has_checksum "$2" "$3" || {
        rm --force "$2"
        fail "$1 does not have the SHA-256 $3"
    }
}

# --- Instances of this machine, for deploy.sh and install-nginx.sh --------------------------------------------------------

# shellcheck disable=SC2034 # used by deploy.sh and install-nginx.sh
services=(customer products shopping mail web)

is_service() {
    [[ $1 = customer || $1 = products || $1 = shopping || $1 = mail || $1 = web ]]
}

# Whether nginx routes requests to a service.
is_routed() {
    [[ $1 != mail ]]
}

# `port_of customer 2` is 8102: the second instance of `customer`. Number 0 is the trial instance of a deployment.
port_of() {
    case $1 in
        customer) printf '%d' $((8100 + $2)) ;;
        products) printf '%d' $((8200 + $2)) ;;
        shopping) printf '%d' $((8300 + $2)) ;;
        mail) printf '%d' $((8400 + $2)) ;;
        web) printf '%d' $((8500 + $2)) ;;
    esac
}

is_number() {
    [[ $1 =~ ^[1-9][0-9]{0,4}$ ]]
}
