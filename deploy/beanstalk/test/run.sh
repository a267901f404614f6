#!/bin/bash
# Tests bundle.sh, deploy.sh, credentials.sh and the hooks with the real AWS command line against a simulated AWS (test/aws.py) on loopback. The
# name of a version decides whether its smoke test passes. Needs bash, python3, zip, unzip, curl and aws (1 or 2).
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
for program in python3 zip unzip curl aws; do
    command -v "$program" >/dev/null || { echo "$program is not installed" >&2; exit 2; }
done

folder=$(mktemp -d)
python3 "$here/test/aws.py" "$folder" &
server=$!
trap 'kill "$server" 2>/dev/null; rm -rf "$folder"' EXIT
for _ in $(seq 100); do
    [ ! -e "$folder/port" ] || break
    sleep 0.1
done
port=$(cat "$folder/port")
# Keeps the user's credentials and settings out of the test.
export AWS_ENDPOINT_URL=http://127.0.0.1:$port AWS_REGION=eu-central-1 AWS_DEFAULT_REGION=eu-central-1
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_EC2_METADATA_DISABLED=true AWS_MAX_ATTEMPTS=1
export AWS_CONFIG_FILE=$folder/none AWS_SHARED_CREDENTIALS_FILE=$folder/none NO_PROXY=127.0.0.1
unset AWS_PROFILE AWS_SESSION_TOKEN

# The simulated smoke test: fails when the environment runs a version whose name says so.
cat >"$folder/smoke" <<SMOKE
#!/bin/sh
python3 - "\$1" <<PYTHON
import json, sys
runs = json.load(open("$folder/state.json"))["runs"]["souk-" + sys.argv[1].split("//")[1]]
sys.exit("broken" in runs)
PYTHON
SMOKE
chmod +x "$folder/smoke"

digest() {
    printf '%064d' "$1"
}
images() {
    for name in CUSTOMER PRODUCTS SHOPPING MAIL WEB SOUK NGINX; do
        echo "${name}_IMAGE=ghcr.io/owner/souk-${name,,}@sha256:$(digest "$1")"
    done
}
checks=0
# Different images each time.
bundle() {
    images "$checks" >"$folder/images.env"
    "$here/bundle.sh" --images "$folder/images.env" --version "$1" --output "$folder/$1.zip" >/dev/null
}
deploy() {
    local code=0
    "$here/deploy.sh" --bucket bucket --smoke "$folder/smoke" --poll 0 --timeout 90 "$@" >"$folder/said" 2>&1 || code=$?
    echo "$code"
}
to_qa() {
    bundle "$1"
    deploy --environment souk-qa --url https://qa --version "$1" --bundle "$folder/$1.zip" "${@:2}"
}
to_production() {
    deploy --environment souk-production --url https://production --version "$1" --passed-in souk-qa
}
state() {
    python3 -c 'import json, sys; state = json.load(open(sys.argv[1])); print(eval(sys.argv[2], {"state": state}))' \
        "$folder/state.json" "$1"
}
runs() {
    state "state['runs']['souk-$1']"
}

is() {
    checks=$((checks + 1))
    if [ "$2" != "$3" ]; then
        echo "FAILED $1: wanted \"$3\", saw \"$2\"; the last deployment said:" >&2
        cat "$folder/said" >&2
        exit 1
    fi
}
said() {
    checks=$((checks + 1))
    grep -q "$2" "$folder/said" || { echo "FAILED $1: \"$2\" was not said, but:" >&2; cat "$folder/said" >&2; exit 1; }
}

# --- Bundles ----------------------------------------------------------------------------------------------------------
: >"$folder/said"
bundle same
first=$(sha256sum <"$folder/same.zip")
(umask 077; TZ=Asia/Tokyo "$here/bundle.sh" --images "$folder/images.env" --version same --output "$folder/again.zip" >/dev/null)
is "the same input, the same bytes" "$(sha256sum <"$folder/again.zip")" "$first"
is "the same from one to the next" "$(unzip -p "$folder/same.zip" docker-compose.yml | grep -c "@sha256:$(digest 0)")" 6
sed 's/@sha256:.*/:latest/' "$folder/images.env" >"$folder/tags.env"
code=0
"$here/bundle.sh" --images "$folder/tags.env" --version tags --output "$folder/tags.zip" >/dev/null 2>&1 || code=$?
is "no image by tag" "$code" 2

# --- QA ---------------------------------------------------------------------------------------------------------------
is "a first version that does not work" "$(to_qa 1-broken)" 3
said "a first version that does not work" "nothing to go back to"
is "a version that works" "$(to_qa 2)" 0
is "it runs" "$(runs qa)" 2
is "it is good" "$(state "state['objects']['/bucket/good/souk-qa']")" 2
is "a smoke test that fails" "$(to_qa 3-broken)" 1
is "back to the good one" "$(runs qa)" 2
said "back to the good one" "is back at 2"
is "one that Beanstalk refuses" "$(to_qa 4-refused)" 1
is "the good one goes on" "$(runs qa)" 2
said "the good one goes on" "as before"
is "one that is not healthy" "$(to_qa 5-ill --timeout 20)" 1
said "one that is not healthy" "the health of souk-qa is Red"
is "the good one after that" "$(runs qa)" 2
is "one that is never there" "$(to_qa 6-endless --timeout 20)" 1
is "aborted" "$(state "state['calls'].count('AbortEnvironmentUpdate')")" 1
is "the good one after that" "$(runs qa)" 2
is "none of them has passed" "$(state "[key for key in state['objects'] if 'passed' in key]")" "['/bucket/passed/souk-qa/2']"
is "the same bundle once more" "$(deploy --environment souk-qa --url https://qa --version 2 --bundle "$folder/2.zip")" 0
bundle 2
is "another bundle of the same name" "$(deploy --environment souk-qa --url https://qa --version 2 --bundle "$folder/2.zip")" 1
said "another bundle of the same name" "another bundle called 2 already"

# --- Production -------------------------------------------------------------------------------------------------------
is "what has not passed" "$(to_production 3-broken)" 1
said "what has not passed" "3-broken has not passed in souk-qa"
is "what nobody knows" "$(to_production 99)" 1
is "no environment of that name" "$(deploy --environment nowhere --url https://qa --version 2)" 1
is "production is untouched" "$(runs production)" sample
is "what has passed" "$(to_production 2)" 0
is "the same digests" "$(state "state['objects']['/bucket/passed/souk-production/2'] == state['objects']['/bucket/passed/souk-qa/2']")" True
is "a version that an attacker would like" "$(to_production '2;id')" 2

# A cancelled workflow starts the rollback and reports it.
bundle 7-endless
"$here/deploy.sh" --bucket bucket --smoke "$folder/smoke" --poll 30 --timeout 300 --environment souk-qa --url https://qa \
    --version 7-endless --bundle "$folder/7-endless.zip" >"$folder/said" 2>&1 &
deployment=$!
for _ in $(seq 300); do
    [ "$(runs qa)" != 7-endless ] || break
    sleep 0.1
done
sleep 1
kill -TERM "$deployment"
code=0
wait "$deployment" || code=$?
is "interrupted" "$code" 3
is "sent back" "$(runs qa)" 2

# --- Credentials ------------------------------------------------------------------------------------------------------
credentials() {
    local code=0
    env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY RUNNER_TEMP="$folder" GITHUB_ENV="$folder/github-env" \
        ACTIONS_ID_TOKEN_REQUEST_URL="$AWS_ENDPOINT_URL/token?api-version=2" ACTIONS_ID_TOKEN_REQUEST_TOKEN="$1" \
        "$here/../aws/credentials.sh" "arn:aws:iam::111122223333:role/$2" >"$folder/said" 2>&1 || code=$?
    echo "$code"
}
is "credentials" "$(credentials of-this-job souk-qa)" 0
is "nothing of them is printed" "$(grep -c 's3cret\|the-token' "$folder/said")" 0
file=$(sed -n 's/^AWS_SHARED_CREDENTIALS_FILE=//p' "$folder/github-env")
is "they are in a file" "$(grep -c 's3cret/key\|s3cret+session==' "$file")" 2
is "for nobody else" "$(stat --format %a "$file")" 600
is "no token stays" "$(ls "$(dirname "$file")")" credentials
is "another job's" "$(credentials of-another souk-qa)" 22
is "another role" "$([ "$(credentials of-this-job souk-production)" != 0 ] && echo refused)" refused

# --- The hooks of an instance -----------------------------------------------------------------------------------------
mkdir "$folder/bin" "$folder/app"
cat >"$folder/bin/docker" <<DOCKER
#!/bin/sh
echo "\$*" >>"$folder/docker"
case \$1 in
    login) [ "\$(cat)" = right ] ;;
    ps) printf 'one\ntwo\n' ;;
    inspect) echo healthy ;;
esac
DOCKER
# Only root can change the owner of a file.
[ "$(id -u)" = 0 ] || printf '#!/bin/sh\n' >"$folder/bin/chown"
chmod +x "$folder"/bin/*
unzip -q "$folder/same.zip" -d "$folder/app"
hook() {
    local code=0
    (cd "$folder/app" && env PATH="$folder/bin:$PATH" SOUK_FOLDER="$folder/etc" "$@") >"$folder/said" 2>&1 || code=$?
    echo "$code"
}
secrets=.platform/hooks/prebuild/10-secrets.sh
pem() {
    printf -- '-----BEGIN PRIVATE KEY-----\n%s\n-----END PRIVATE KEY-----\n' "$1"
}
: >"$folder/docker"
is "no key" "$(hook "$secrets")" 1
said "no key" "SIGNING_KEY_BASE64: is missing"
is "no base64" "$(hook SIGNING_KEY_BASE64='-----BEGIN PRIVATE KEY----- s3cret' "$secrets")" 1
is "no key in it" "$(hook SIGNING_KEY_BASE64="$(echo s3cret | base64)" "$secrets")" 1
is "nothing of it is printed" "$(grep -c s3cret "$folder/said")" 0
is "a key" "$(hook SIGNING_KEY_BASE64="$(pem old | base64 --wrap=0)" "$secrets")" 0
is "the key" "$(cat "$folder/etc/signing-key.pem")" "$(pem old)"
is "the key is for customer alone" "$(stat --format %a "$folder/etc/signing-key.pem")" 400
[ "$(id -u)" != 0 ] || is "customer's own" "$(stat --format %u:%g "$folder/etc/signing-key.pem")" 65532:65532
is "nothing else lies there" "$(ls -A "$folder/etc")" signing-key.pem
is "no sign-in at a registry" "$(cat "$folder/docker")" ""
is "a new key" "$(hook SIGNING_KEY_BASE64="$(pem new | base64 --wrap=0)" .platform/confighooks/prebuild/10-secrets.sh)" 0
is "the new key" "$(cat "$folder/etc/signing-key.pem")" "$(pem new)"
is "customer is restarted" "$(hook .platform/confighooks/postdeploy/90-restart-customer.sh)" 0
is "both of them" "$(grep -c '^restart --time 15 \(one\|two\)$' "$folder/docker")" 2
is "once" "$(hook .platform/confighooks/postdeploy/90-restart-customer.sh)" 0
is "not again" "$(grep -c '^restart' "$folder/docker")" 2
is "a registry" "$(hook SIGNING_KEY_BASE64="$(pem new | base64)" REGISTRY_USER=souk REGISTRY_TOKEN=right "$secrets")" 0
is "the token is no argument" "$(grep '^login' "$folder/docker")" "login --username souk --password-stdin ghcr.io"
is "a registry that refuses" "$(hook SIGNING_KEY_BASE64="$(pem new | base64)" REGISTRY_USER=souk REGISTRY_TOKEN=wrong "$secrets")" 1

echo "$checks checks passed"
