#!/usr/bin/env bash
# Runs the operator's command in the cluster: creates a Job with arguments from the CronJob `souk` (base/tools.yaml), or for `restore` from
# `souk-restore` (components/backup/restore.yaml).
set -euo pipefail

usage() {
    cat <<'USAGE'
usage: souk.sh [--dry-run] NAMESPACE COMMAND [ARGUMENT...]

Runs `souk COMMAND ARGUMENT...` as a Job in the namespace, shows what it says, and ends as it ended. The Job is kept for a day.

  souk.sh souk admin create you@example.com --password-file /run/secrets/input/password
  souk.sh souk audit
  souk.sh souk dlq list
  souk.sh souk restore --from /backups --identity /run/secrets/input/identity --force     needs the component `backup`
  souk.sh --dry-run souk audit     shows the Job and starts nothing; it asks the cluster for the CronJob

Files in /run/secrets/input are those of the Secret souk-input, if there is one.
USAGE
}

dry_run=no
case "${1-}" in
    --help | -h) usage; exit 0 ;;
    --dry-run) dry_run=yes; shift ;;
esac
if [[ $# -lt 2 ]]; then
    usage >&2
    exit 2
fi
namespace=$1
shift
command -v kubectl >/dev/null || { echo "souk.sh: kubectl is missing: https://kubernetes.io/docs/tasks/tools/" >&2; exit 2; }

# The arguments as a JSON list.
arguments=
for argument in "$@"; do
    if [[ $argument == *[[:cntrl:]]* ]]; then
        echo "souk.sh: an argument has a control character" >&2
        exit 2
    fi
    argument=${argument//\\/\\\\}
    arguments+=",\"${argument//\"/\\\"}\""
done
patch="[{\"op\": \"replace\", \"path\": \"/spec/template/spec/containers/0/args\", \"value\": [${arguments#,}]}]"

template=souk
[[ $1 != restore ]] || template=souk-restore
job=souk-$(date -u +%Y%m%d-%H%M%S)-$RANDOM
made=$(kubectl --namespace "$namespace" create job "$job" "--from=cronjob/$template" --dry-run=client --output=json)
made=$(kubectl patch --local --filename=- --type=json --patch="$patch" --output=json <<<"$made")
if [[ $dry_run == yes ]]; then
    printf '%s\n' "$made"
    exit 0
fi
kubectl --namespace "$namespace" create --filename=- <<<"$made" >&2

# A pod that never started (missing Secret or image) has no log; after its timeout the Job says why.
kubectl --namespace "$namespace" logs --follow --pod-running-timeout=2m "job/$job" ||
    kubectl --namespace "$namespace" describe pods --selector="job-name=$job" >&2
for _ in {1..30}; do
    state=$(kubectl --namespace "$namespace" get job "$job" --output=jsonpath='{.status.succeeded}/{.status.failed}')
    case $state in
        1/*) exit 0 ;;
        */1) exit 1 ;;
    esac
    sleep 1
done
echo "souk.sh: job/$job is neither done nor failed; see kubectl --namespace $namespace describe job $job" >&2
exit 1
