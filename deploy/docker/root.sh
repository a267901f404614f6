#!/usr/bin/env bash
# Makes the root of the images of programs: root.sh FOLDER PROGRAM... copies what the programs need besides themselves, which is the C
# library, its loader and the certificates of public authorities; and who they are run as.
set -euo pipefail

if [ $# -lt 2 ] || [ "$1" = --help ]; then
    echo "usage: root.sh FOLDER PROGRAM..." >&2
    exit 2
fi
root=$1
shift

mkdir -p "$root/etc/ssl/certs" "$root/tmp" "$root/data"
# Anything beyond these has to be thought about before it gets into an image.
known='^(libc|libm|libgcc_s|ld-linux-[a-z0-9_-]+)\.so'
for program in "$@"; do
    # With a path: what the loader found. The kernel's own page has none.
    ldd "$program" | grep -o '/[^ ]*' | while read -r library; do
        if ! basename "$library" | grep -qE "$known"; then
            echo "$program needs $library, which is in no image" >&2
            exit 1
        fi
        mkdir -p "$root$(dirname "$library")"
        cp --dereference "$library" "$root$library"
    done
done
cp --dereference /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
# The C library looks names up by itself: in /etc/hosts, then by DNS.
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
echo 'souk:x:65532:65532::/:/sbin/nologin' >"$root/etc/passwd"
echo 'souk:x:65532:' >"$root/etc/group"
chmod 1777 "$root/tmp"
chown 65532:65532 "$root/data"
