#!/bin/bash
# Deploys a version to an Elastic Beanstalk environment, and rolls back to the last good version on failure.
#
# Records in the bucket, because Beanstalk does not know which versions passed:
#   versions/LABEL.zip          the bundle, written once
#   passed/ENVIRONMENT/LABEL    its SHA-256 and its images, written once, after LABEL has passed the smoke test there
#   good/ENVIRONMENT            the label that passed last, to which a failed deployment rolls back
set -euo pipefail

usage() {
    cat <<'USAGE'
usage: deploy/beanstalk/deploy.sh --environment NAME --version LABEL --url URL --bucket BUCKET [OPTIONS]

  --environment NAME    the environment, such as souk-qa
  --version LABEL       the application version to deploy
  --url URL             where the environment is reached, for the smoke test
  --bucket BUCKET       where bundles and records are kept
  --bundle FILE         a new version: the bundle to upload and to register first
  --passed-in NAME      only a version that passed in that environment, and only if its bundle is still the same
  --application NAME    the application (default souk)
  --timeout SECONDS     how long an update may take (default 1200)
  --poll SECONDS        how often to look (default 15)
  --smoke PROGRAM       the smoke test, called with URL (default scripts/smoke.sh)
  --help                this text

Needs the AWS command line with credentials and a region. Exits with
  0  the version is there and works
  1  it does not work; the environment runs the last good version, or was not touched
  2  called wrongly
  3  it does not work, and the rollback failed too: an operator must act at once
USAGE
}

wrong() {
    echo "deploy: $1" >&2
    exit 2
}

root=$(cd "$(dirname "$0")/../.." && pwd)
application=souk environment='' version='' url='' bucket='' bundle='' passed_in=''
timeout=1200 poll=15 smoke=$root/scripts/smoke.sh
while [ $# -gt 0 ]; do
    case $1 in
        --help | -h) usage; exit 0 ;;
        --environment) environment=${2-}; shift ;;
        --version) version=${2-}; shift ;;
        --url) url=${2-}; shift ;;
        --bucket) bucket=${2-}; shift ;;
        --bundle) bundle=${2-}; shift ;;
        --passed-in) passed_in=${2-}; shift ;;
        --application) application=${2-}; shift ;;
        --timeout) timeout=${2-}; shift ;;
        --poll) poll=${2-}; shift ;;
        --smoke) smoke=${2-}; shift ;;
        *) usage >&2; wrong "what is $1?" ;;
    esac
    shift || wrong "the last option has no value"
done
for value in "$environment" "$version" "$url" "$bucket"; do
    [ -n "$value" ] || { usage >&2; wrong "--environment, --version, --url and --bucket are needed"; }
done
# Validated, because it becomes part of names and is user input.
[[ $version =~ ^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$ ]] || wrong "--version takes letters, digits, dots, hyphens and underscores"
[[ $timeout =~ ^[0-9]+$ && $poll =~ ^[0-9]+$ ]] || wrong "--timeout and --poll take seconds"
[ -z "$bundle" ] || [ -r "$bundle" ] || wrong "$bundle cannot be read"

export AWS_PAGER='' AWS_DEFAULT_OUTPUT=text
# Time until a ready environment must be healthy.
settle=$((timeout < 300 ? timeout : 300))

say() {
    echo "$(date -u +%H:%M:%S) $*"
}

failed() {
    say "FAILED: $*" >&2
    exit 1
}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# --- The bucket -------------------------------------------------------------------------------------------------------

# Whether the object exists. Responses other than 200 and 404 are errors.
exists() {
    if aws s3api head-object --bucket "$bucket" --key "$1" >/dev/null 2>"$folder/error"; then
        return 0
    fi
    grep -q '(404)' "$folder/error" || failed "s3://$bucket/$1: $(tail -n 1 "$folder/error")"
    return 1
}

get() {
    aws s3api get-object --bucket "$bucket" --key "$1" "$2" >/dev/null
}

# Never overwrites an object.
put_once() {
    aws s3api put-object --bucket "$bucket" --key "$1" --body "$2" --if-none-match '*' >/dev/null
}

sha256() {
    sha256sum "$1" | cut -d ' ' -f 1
}

# --- The environment --------------------------------------------------------------------------------------------------

# Waits for a program; a signal can interrupt the wait.
child=
run() {
    "$@" &
    child=$!
    local code=0
    wait "$child" || code=$?
    child=
    return "$code"
}

# Sets `status`, `label` and `health`. Callers repeat a failed request, such as a throttled one.
look() {
    local line
    line=$(aws elasticbeanstalk describe-environments --application-name "$application" --environment-names "$environment" \
        --no-include-deleted --query 'Environments[0].[Status, VersionLabel, Health]') || line='unknown unknown unknown'
    read -r status label health <<<"$line"
    [ "$status" != None ] || failed "the application $application has no environment $environment"
}

# Waits until no update is in progress. Returns 1 after the timeout.
until_ready() {
    local begun=$SECONDS
    look
    while [ "$status" != Ready ]; do
        case $status in
            Terminating | Terminated) failed "$environment is $status" ;;
        esac
        if [ $((SECONDS - begun)) -ge "$timeout" ]; then
            say "$environment is still $status after $timeout s"
            return 1
        fi
        run sleep "$poll"
        look
    done
}

until_green() {
    local begun=$SECONDS
    look
    while [ "$health" != Green ]; do
        if [ $((SECONDS - begun)) -ge "$settle" ]; then
            say "the health of $environment is $health after $settle s"
            return 1
        fi
        run sleep "$poll"
        look
    done
}

# Prints Beanstalk's events, the latest first.
events() {
    say "the last events of $environment:" >&2
    aws elasticbeanstalk describe-events --application-name "$application" --environment-name "$environment" \
        --max-items 15 --query 'Events[].[EventDate, Severity, Message]' >&2 || true
}

# Returns 1 unless the environment runs the version, is healthy, and passes the smoke test.
bring() {
    say "$environment gets $1"
    aws elasticbeanstalk update-environment --application-name "$application" --environment-name "$environment" \
        --version-label "$1" >/dev/null || return 1
    until_ready || return 1
    # The environment is also ready after Beanstalk has rolled back by itself.
    if [ "$label" != "$1" ]; then
        say "Beanstalk did not deploy $1: $environment runs $label"
        return 1
    fi
    until_green || return 1
    run "$smoke" "$url" || return 1
}

# Aborts an update in progress; Beanstalk then rolls it back.
abort() {
    look
    [ "$status" = Ready ] && return 0
    say "aborting the update of $environment"
    aws elasticbeanstalk abort-environment-update --environment-name "$environment" || true
}

back() {
    events
    if [ -z "$good" ]; then
        say "nothing has ever passed in $environment: there is nothing to go back to" >&2
        exit 3
    fi
    abort
    if until_ready; then
        # An update that was rejected as a whole, such as an immutable one, has changed nothing.
        if [ "$label" = "$good" ] && [ "$good" != "$version" ] && until_green && run "$smoke" "$url"; then
            say "FAILED: $version; $environment runs $good as before" >&2
            exit 1
        fi
        if bring "$good"; then
            say "FAILED: $version; $environment is back at $good" >&2
            exit 1
        fi
        events
    fi
    say "FAILED: $version, and $environment does not work with $good either: an operator must act at once" >&2
    exit 3
}

# --- Checks before any change -----------------------------------------------------------------------------------------

until_ready || failed "something else is being done to $environment"
good=
if exists "good/$environment"; then
    get "good/$environment" "$folder/good"
    good=$(cat "$folder/good")
fi
say "$environment runs $label; the last good version is ${good:-none}"

key=versions/$version.zip
if [ -n "$bundle" ]; then
    if exists "$key"; then
        get "$key" "$folder/bundle.zip"
        [ "$(sha256 "$folder/bundle.zip")" = "$(sha256 "$bundle")" ] || failed "there is another bundle called $version already"
    else
        put_once "$key" "$bundle"
    fi
    cp "$bundle" "$folder/bundle.zip"
else
    exists "$key" || failed "there is no bundle $version"
    get "$key" "$folder/bundle.zip"
fi
sum=$(sha256 "$folder/bundle.zip")
# The content of a record: the bundle's SHA-256 and its images.
{ echo "sha256 $sum"; unzip -p "$folder/bundle.zip" docker-compose.yml | grep -o '[^ ]*@sha256:[0-9a-f]*'; } >"$folder/record"

if [ -n "$passed_in" ]; then
    exists "passed/$passed_in/$version" || failed "$version has not passed in $passed_in"
    get "passed/$passed_in/$version" "$folder/passed"
    cmp --silent "$folder/passed" "$folder/record" || failed "the bundle $version is not the one that passed in $passed_in"
    say "$version has passed in $passed_in with these images:"
    sed 1d "$folder/record"
fi

registered=$(aws elasticbeanstalk describe-application-versions --application-name "$application" --version-labels "$version" \
    --query 'ApplicationVersions[0].SourceBundle.[S3Bucket, S3Key]')
case $registered in
    None | None$'\t'None)
        [ -n "$bundle" ] || failed "the application $application has no version $version"
        aws elasticbeanstalk create-application-version --application-name "$application" --version-label "$version" \
            --source-bundle "S3Bucket=$bucket,S3Key=$key" --no-auto-create-application >/dev/null
        ;;
    "$bucket"$'\t'"$key") ;;
    *) failed "version $version of $application is not s3://$bucket/$key" ;;
esac

# --- The deployment ---------------------------------------------------------------------------------------------------

# A cancelled workflow has a few seconds left: enough to start the rollback, not to wait for it.
interrupted() {
    trap '' INT TERM
    say "interrupted: sending $environment back to ${good:-the version before}; look whether it arrives" >&2
    [ -z "$child" ] || kill "$child" 2>/dev/null || true
    look
    if [ "$status" != Ready ]; then
        abort
    elif [ -n "$good" ] && [ "$label" != "$good" ]; then
        aws elasticbeanstalk update-environment --application-name "$application" --environment-name "$environment" \
            --version-label "$good" >/dev/null
    fi
    exit 3
}
trap interrupted INT TERM
bring "$version" || back
trap - INT TERM

exists "passed/$environment/$version" || put_once "passed/$environment/$version" "$folder/record"
printf '%s' "$version" >"$folder/good"
aws s3api put-object --bucket "$bucket" --key "good/$environment" --body "$folder/good" >/dev/null
say "$environment runs $version, which works"
