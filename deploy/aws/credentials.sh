#!/bin/bash
# Exchanges the identity of a GitHub job for the credentials of an AWS role, valid for an hour; deploy/aws/trust-*.json allow it. The
# credentials are in a file of this job that the AWS command line finds; they are never in variables and never printed.
set -euo pipefail

usage() {
    cat <<'USAGE'
usage: deploy/aws/credentials.sh ROLE_ARN

In a job with `permissions: id-token: write`. Later steps have AWS_SHARED_CREDENTIALS_FILE.
USAGE
}

case ${1-} in
    --help | -h) usage; exit 0 ;;
    arn:aws*:iam::*:role/*) ;;
    *) usage >&2; exit 2 ;;
esac
for name in ACTIONS_ID_TOKEN_REQUEST_URL ACTIONS_ID_TOKEN_REQUEST_TOKEN; do
    [ -n "${!name:-}" ] || { echo "credentials: $name is not set: the job needs the permission id-token: write" >&2; exit 1; }
done

umask 077
folder=$(mktemp -d "${RUNNER_TEMP:?}/aws.XXXXXX")
# Headers and tokens are in files and on standard input, because other processes can see arguments.
answer=$(printf 'Authorization: bearer %s\n' "$ACTIONS_ID_TOKEN_REQUEST_TOKEN" |
    curl --silent --show-error --fail --retry 3 --max-time 20 --header @- \
        "$ACTIONS_ID_TOKEN_REQUEST_URL&audience=sts.amazonaws.com")
# A JWT contains no character that JSON escapes.
sed -n 's/.*"value" *: *"\([^"]*\)".*/\1/p' <<<"$answer" | tr -d '\n' >"$folder/token"
[ -s "$folder/token" ] || { echo "credentials: GitHub's answer has no token in it" >&2; exit 1; }

keys=$(aws sts assume-role-with-web-identity --role-arn "$1" \
    --role-session-name "github-${GITHUB_RUN_ID:-0}-${GITHUB_RUN_ATTEMPT:-0}" \
    --web-identity-token "file://$folder/token" --duration-seconds 3600 --output text \
    --query 'Credentials.[AccessKeyId, SecretAccessKey, SessionToken]')
rm -f "$folder/token"
read -r id secret session <<<"$keys"
[ -n "$session" ] || { echo "credentials: STS gave none" >&2; exit 1; }
printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\naws_session_token = %s\n' "$id" "$secret" "$session" \
    >"$folder/credentials"
echo "AWS_SHARED_CREDENTIALS_FILE=$folder/credentials" >>"${GITHUB_ENV:?}"
echo "credentials: an hour as ${1##*/}"
