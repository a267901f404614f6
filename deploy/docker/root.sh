#!/usr/bin/env bash
# Creates the root file system of the images: root.sh FOLDER PROGRAM... copies the C library, its loader and CA certificates, and adds the
# user.
set -euo pipefail

if [ $# -lt 2 ] || [ "$1" = --help ]; then
    echo "usage: root.sh FOLDER PROGRAM..." >&2
    exit 2
fi
root=$1
shift

mkdir -p "$root/etc/ssl/certs" "$root/tmp" "$root/data"
# Other libraries must be reviewed before they get into an image.
known='^(libc|libm|libgcc_s|ld-linux-[a-z0-9_-]+)\.so'
for program in "$@"; do
    # Lines with a path are libraries; the vDSO has none.
    ldd "$program" | grep -o '/[^ ]*' | while read -r library; do
        if ! basename "$library" | grep -qE "$known"; then
            echo "$program needs $library, which is not allowed in images" >&2
            exit 1
        fi
        mkdir -p "$root$(dirname "$library")"
        cp --dereference "$library" "$root$library"
    done
done
cp --dereference /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
# The C library resolves names by /etc/hosts, then by DNS.
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
echo 'souk:x:65532:65532::/:/sbin/nologin' >"$root/etc/passwd"
echo 'souk:x:65532:' >"$root/etc/group"
chmod 1777 "$root/tmp"
chown 65532:65532 "$root/data"
