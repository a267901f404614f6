#!/usr/bin/env bash
# Checks that nginx 1.28.3 accepts the configuration of the image and of the debug profile: nginx.sh CACHE. Debian's nginx is too old (`resolve`
# needs 1.27.3), so this builds nginx from the newest source in a crate, into CACHE, in half a minute. Exits with 77 when that is not possible; the
# last line says what would help.
set -euo pipefail

if [ $# -ne 1 ] || [ "$1" = --help ]; then
    echo "usage: nginx.sh CACHE" >&2
    exit 2
fi
cache=$1
cd "$(dirname "$0")/../.."

version=1.28.5+1.28.3
sha256=60c9192630560c017a18e1da5b4c5de9d78450923f17325752c6f0f7f3911c86
nginx=$cache/nginx-$version

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cannot() {
    echo "$1" >&2
    exit 77
}

build() {
    for program in curl tar make cc; do
        command -v "$program" >/dev/null || cannot "needs $program to build nginx"
    done
    curl --silent --show-error --fail --location --output "$folder/source" \
        "https://static.crates.io/crates/nginx-src/nginx-src-${version/+/%2B}.crate" || cannot "crates.io is not reachable"
    echo "$sha256  $folder/source" | sha256sum --check --quiet
    tar --extract --gzip --file "$folder/source" --directory "$folder"
    (
        cd "$folder/nginx-src-$version/nginx"
        ./auto/configure --with-stream --with-http_realip_module >"$folder/log" 2>&1 ||
            cannot "nginx cannot be configured: apt-get install libpcre2-dev zlib1g-dev"
        make -j "$(nproc)" >>"$folder/log" 2>&1 || {
            tail -20 "$folder/log" >&2
            exit 1
        }
    )
    mkdir -p "$cache"
    cp "$folder/nginx-src-$version/nginx/objs/nginx" "$nginx.new"
    mv "$nginx.new" "$nginx"
}
[ -x "$nginx" ] || build

# The values of the image, from the Dockerfile: NAME=value or NAME="value", until a line without a backslash.
settings=$(sed -n '/^ENV NGINX_LISTEN/,/[^\\]$/p' Dockerfile | sed -e 's/^ENV //' -e 's/^ *//' -e 's/ *\\$//')
[ -n "$settings" ] || { echo "the Dockerfile has no ENV NGINX_LISTEN" >&2; exit 1; }
mkdir "$folder/souk" "$folder/logs"
cp nginx/headers.conf nginx/pages.conf nginx/proxy.conf nginx/problems.conf nginx/error-pages.conf "$folder/souk/"
fill() {
    local text name value
    text=$(cat "$1")
    while IFS='=' read -r name value; do
        value=${value#\"}
        text=${text//\$\{$name\}/${value%\"}}
    done <<<"$settings"
    text=${text//\$\{NGINX_FOLDER\}/$folder}
    echo "${text//\$\{NGINX_WORKERS\}/1}"
}
fill nginx/souk.conf.template >"$folder/souk.conf"
fill nginx/nginx.conf.template >"$folder/nginx.conf"
# shellcheck disable=SC2016 # literal text of the file
if grep -nF '${' "$folder/souk.conf" "$folder/nginx.conf"; then
    echo "a variable of the template has no value in the Dockerfile" >&2
    exit 1
fi
"$nginx" -p "$folder" -c "$folder/nginx.conf" -t
"$nginx" -p "$folder" -c "$PWD/deploy/compose/debug.conf" -t
