#!/usr/bin/env bash
# Renders base, components and overlays, and checks the result.
set -euo pipefail

usage() {
    cat <<'USAGE'
usage: check.sh [--help]

Renders base, overlays and components of deploy/k8s with kustomize and checks what comes out: each resource strictly against the
schemas of Kubernetes, oldest and newest supported, and all of them against each other (check.py says for what). Needs no cluster and
no network.

  CRDS=FOLDER       custom resource definitions of the operators (*.yaml), for their resources to be checked as well
  PYTHON=PROGRAM    the Python that has the packages [default: python3]

Exit code: 0 when all is well, 1 when something is wrong, 77 when a tool is missing.
USAGE
}

case "${1-}" in
    "") ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
esac

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
python=${PYTHON:-python3}

missing() {
    printf 'check.sh: %s\n' "$*" >&2
    exit 77
}

command -v "$python" >/dev/null || missing "$python is missing: apt install python3 python3-pip"
for package in kubernetes_validate yamllint; do
    "$python" -c "import $package" 2>/dev/null ||
        missing "the Python package $package is missing: $python -m pip install kubernetes-validate yamllint (where pip refuses," \
            "in a virtual environment, whose Python is then named by PYTHON)"
done

# Kustomize 5 came with kubectl 1.27. Older ones, such as Debian 12's kubectl 1.20, do not know components or `labels`.
if command -v kustomize >/dev/null; then
    render=(kustomize build)
    version=$(kustomize version)
elif command -v kubectl >/dev/null; then
    render=(kubectl kustomize)
    version=$(kubectl version --client --output=yaml 2>/dev/null | sed -n 's/^kustomizeVersion: *//p')
else
    missing "kubectl is missing (it renders; no cluster is needed): https://kubernetes.io/docs/tasks/tools/, 1.27 or later"
fi
if [[ -z $version || ($version =~ ^v?([0-9]+)\. && ${BASH_REMATCH[1]} -lt 5) ]]; then
    missing "${render[0]} is too old: it takes kubectl 1.27, or kustomize 5, or later (https://kubernetes.io/docs/tasks/tools/)"
fi

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
failed=0

rules='{extends: default, rules: {document-start: disable, line-length: {max: 140}, comments: {min-spaces-from-content: 1}, octal-values: disable}}'
"$python" -m yamllint --strict --config-data "$rules" "$here" || failed=1

rendered=()
render() {
    local name=$1 folder=$2
    if "${render[@]}" "$folder" >"$work/$name.yaml" 2>"$work/error"; then
        rendered+=("$work/$name.yaml")
    else
        sed "s|^|check.sh: $name cannot be rendered: |" "$work/error" >&2
        failed=1
    fi
}
render base "$here/base"
for overlay in "$here"/overlays/*/; do
    render "$(basename -- "$overlay")" "$overlay"
done
# Renders all components, because no overlay may use some of them. A component may have an image.
for component in "$here"/components/*/; do
    name=$(basename -- "$component")
    mkdir -- "$work/qa-with-$name"
    up=$(realpath --relative-to="$work/qa-with-$name" -- "$here")
    cat >"$work/qa-with-$name/kustomization.yaml" <<KUSTOMIZATION
namespace: souk-qa
resources: ["$up/overlays/qa"]
components: ["$up/components/$name", "$up/overlays/qa/images"]
KUSTOMIZATION
    render "qa-with-$name" "$work/qa-with-$name"
done

"$python" "$here/check.py" "$here" "${CRDS-}" "${rendered[@]}" || failed=1
exit "$failed"
