#!/bin/bash
# Brings a version to an Elastic Beanstalk environment and goes back to the last good one when it does not work there.
#
# What is kept in the bucket, because Beanstalk itself does not know which versions are good:
#   versions/LABEL.zip          the bundle, written once
#   passed/ENVIRONMENT/LABEL    its SHA-256 and its images, written once, when LABEL has passed the smoke test there
#   good/ENVIRONMENT            the label that passed there last: where a failed deployment goes back to
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
  3  it does not work, and the way back failed too: somebody must look at once
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
# Becomes part of names, and may have been typed by somebody.
[[ $version =~ ^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$ ]] || wrong "--version takes letters, digits, dots, hyphens and underscores"
[[ $timeout =~ ^[0-9]+$ && $poll =~ ^[0-9]+$ ]] || wrong "--timeout and --poll take seconds"
[ -z "$bundle" ] || [ -r "$bundle" ] || wrong "$bundle cannot be read"

export AWS_PAGER='' AWS_DEFAULT_OUTPUT=text
# How long Beanstalk may take to see that what is ready is healthy too.
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

# Whether there is such an object; any other answer than yes and no is an error, not a no.
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

# Never over what is there.
put_once() {
    aws s3api put-object --bucket "$bucket" --key "$1" --body "$2" --if-none-match '*' >/dev/null
}

sha256() {
    sha256sum "$1" | cut -d ' ' -f 1
}

# --- The environment --------------------------------------------------------------------------------------------------

# Waits for a program in a way that a signal can interrupt.
child=
run() {
    "$@" &
    child=$!
    local code=0
    wait "$child" || code=$?
    child=
    return "$code"
}

# Sets `status`, `label` and `health`. A look that fails, perhaps because Beanstalk wants fewer of them, is repeated by whoever waits.
look() {
    local line
    line=$(aws elasticbeanstalk describe-environments --application-name "$application" --environment-names "$environment" \
        --no-include-deleted --query 'Environments[0].[Status, VersionLabel, Health]') || line='unknown unknown unknown'
    read -r status label health <<<"$line"
    [ "$status" != None ] || failed "the application $application has no environment $environment"
}

# Until nothing is being done to it. 1 when it takes too long.
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

# What Beanstalk has to say, the latest first.
events() {
    say "the last events of $environment:" >&2
    aws elasticbeanstalk describe-events --application-name "$application" --environment-name "$environment" \
        --max-items 15 --query 'Events[].[EventDate, Severity, Message]' >&2 || true
}

# 1 unless the version is there, healthy, and passes the smoke test.
bring() {
    say "$environment gets $1"
    aws elasticbeanstalk update-environment --application-name "$application" --environment-name "$environment" \
        --version-label "$1" >/dev/null || return 1
    until_ready || return 1
    # Ready is also what it is when Beanstalk has gone back by itself.
    if [ "$label" != "$1" ]; then
        say "Beanstalk did not deploy $1: $environment runs $label"
        return 1
    fi
    until_green || return 1
    run "$smoke" "$url" || return 1
}

# Stops an update under way, which goes back to the version before it by itself.
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
        # An update that was refused as a whole, as immutable ones are, has changed nothing.
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
    say "FAILED: $version, and $environment does not work with $good either: somebody must look at once" >&2
    exit 3
}

# --- Before anything is touched ---------------------------------------------------------------------------------------

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
# What a record says: the bundle, and for people the images in it.
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

# A workflow that is cancelled has a few seconds left: enough to send Beanstalk back, not to see it arrive.
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
