#!/bin/bash
# Creates the source bundle of an Elastic Beanstalk application version: the files of deploy/beanstalk/bundle with the digests of one set of
# images. Reproducible: the same input gives the same bytes. Needs zip.
set -euo pipefail

usage() {
    cat <<'USAGE'
usage: deploy/beanstalk/bundle.sh --images FILE --version LABEL --output FILE

  --images FILE     images.env: CUSTOMER_IMAGE=name@sha256:..., and so on
  --version LABEL   what this version is called, in Beanstalk and in reports
  --output FILE     the zip to write
  --help            this text
USAGE
}

wrong() {
    echo "bundle: $1" >&2
    exit 2
}

images='' version='' output=''
while [ $# -gt 0 ]; do
    case $1 in
        --help | -h) usage; exit 0 ;;
        --images) images=${2-}; shift ;;
        --version) version=${2-}; shift ;;
        --output) output=${2-}; shift ;;
        *) usage >&2; wrong "what is $1?" ;;
    esac
    shift || wrong "the last option has no value"
done
for value in "$images" "$version" "$output"; do
    [ -n "$value" ] || { usage >&2; wrong "--images, --version and --output are needed"; }
done
[[ $version =~ ^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$ ]] || wrong "--version takes letters, digits, dots, hyphens and underscores"
command -v zip >/dev/null || wrong "zip is not installed"
[ -r "$images" ] || wrong "$images cannot be read"

# The files of a bundle. Other files in the folder, such as secrets, are never included.
files=(
    .platform/confighooks/postdeploy/90-restart-customer.sh
    .platform/confighooks/prebuild/10-secrets.sh
    .platform/hooks/prebuild/10-secrets.sh
    docker-compose.yml
)
# The image `souk` is for operators and not in the bundle.
needed=(CUSTOMER_IMAGE PRODUCTS_IMAGE SHOPPING_IMAGE MAIL_IMAGE WEB_IMAGE NGINX_IMAGE)

source=$(cd "$(dirname "$0")/bundle" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

replace=(-e "s|\${VERSION_LABEL}|$version|g")
for name in "${needed[@]}"; do
    image=$(sed -n "s/^$name=//p" "$images")
    # By digest, because a tag can change.
    [[ $image =~ ^[a-z0-9./:_-]+@sha256:[0-9a-f]{64}$ ]] || wrong "$images: $name must be there once, as name@sha256:..."
    replace+=(-e "s|\${$name}|$image|g")
done

for file in "${files[@]}"; do
    mkdir -p "$folder/$(dirname "$file")"
    case $file in
        *.sh) install -m 0755 "$source/$file" "$folder/$file" ;;
        *) sed "${replace[@]}" "$source/$file" >"$folder/$file"; chmod 0644 "$folder/$file" ;;
    esac
done
! grep -n '_IMAGE}\|VERSION_LABEL}' "$folder/docker-compose.yml" || wrong "docker-compose.yml names an image that $images has not"

# A zip stores local times and the order of its files, so both are fixed here.
output=$(cd "$(dirname "$output")" && pwd)/$(basename "$output")
rm -f "$output"
cd "$folder"
export TZ=UTC
touch -d '2020-01-01 00:00:00' "${files[@]}"
zip --quiet -X -D "$output" "${files[@]}"
echo "$(sha256sum "$output" | cut -d ' ' -f 1)  $output"
