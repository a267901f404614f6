#!/usr/bin/env bash
# Sets the images of an overlay to those of a release's images.env.
set -euo pipefail

usage() {
    cat <<'USAGE'
usage: set-images.sh IMAGES_ENV OVERLAY

Writes overlays/OVERLAY/images/kustomization.yaml from a release's images.env, which has seven lines such as
CUSTOMER_IMAGE=ghcr.io/owner/souk-customer@sha256:... (and PRODUCTS_, SHOPPING_, MAIL_, WEB_, SOUK_, NGINX_IMAGE). Starts nothing.
USAGE
}

case "${1-}" in
    --help | -h) usage; exit 0 ;;
esac
if [[ $# -ne 2 ]]; then
    usage >&2
    exit 2
fi
file=$1
folder=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)/overlays/$2/images
[[ -r $file ]] || { echo "set-images.sh: $file cannot be read" >&2; exit 2; }
[[ -d $folder ]] || { echo "set-images.sh: there is no overlay $2" >&2; exit 2; }

text='# The images. Written by set-images.sh from the images.env of a release; the commit is the record of the release.
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
images:'
for name in customer products shopping mail web souk nginx; do
    # Parsed, not executed, because the file comes from elsewhere.
    line=$(grep -E "^${name^^}_IMAGE=" -- "$file" || true)
    image=${line#*=}
    if [[ ! $image =~ ^([a-z0-9][a-z0-9._/:-]*)@(sha256:[0-9a-f]{64})$ ]]; then
        echo "set-images.sh: ${name^^}_IMAGE in $file is missing, there twice, or no image with a digest" >&2
        exit 1
    fi
    text+="
  - name: souk-$name
    newName: ${BASH_REMATCH[1]}
    digest: ${BASH_REMATCH[2]}"
done
printf '%s\n' "$text" >"$folder/kustomization.yaml"
