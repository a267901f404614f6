#!/bin/sh
# Tests a deployment from outside. The steps cover all parts: databases, signing key, calls between services, events. Needs curl only.
set -eu

usage() {
    cat <<'USAGE'
usage: scripts/smoke.sh [OPTIONS] BASE_URL

Tests the shop at BASE_URL (https://shop.example.com): signs up, reads pages and products, adds one to the cart, deletes the
account and waits until every service has erased it. Deletes the account even when a step fails. Places no order.

  --wait SECONDS      time for the shop to start (default 120)
  --attempts NUMBER   attempts for each step without a response, or with 429, 502, 503 or 504 (default 5)
  --empty-catalogue   accept an empty catalogue; the cart is then only read
  --mail-domain NAME  domain of the account's e-mail address, to which the shop sends mails (default example.com,
                      which accepts none)
  --help              this text

Exits with 0 when all steps passed, with 1 when one failed (the last lines say why), with 2 for invalid arguments.
USAGE
}

usage_error() {
    echo "smoke: $1" >&2
    usage >&2
    exit 2
}

number() {
    case $2 in
        '' | *[!0-9]*) usage_error "$1 needs a whole number, not \"$2\"" ;;
    esac
}

start_timeout=120
attempts=5
allow_empty=no
mail_domain=example.com
base=
while [ $# -gt 0 ]; do
    case $1 in
        --help | -h) usage; exit 0 ;;
        --wait) number "$1" "${2-}"; start_timeout=$2; shift ;;
        --attempts) number "$1" "${2-}"; attempts=$2; shift ;;
        --empty-catalogue) allow_empty=yes ;;
        --mail-domain) [ -n "${2-}" ] || usage_error "--mail-domain needs a name"; mail_domain=$2; shift ;;
        -*) usage_error "there is no option $1" ;;
        *) [ -z "$base" ] || usage_error "one BASE_URL, not two"; base=${1%/} ;;
    esac
    shift
done
case $base in
    http://?* | https://?*) ;;
    '') usage_error "BASE_URL is missing" ;;
    *) usage_error "BASE_URL begins with http:// or https://" ;;
esac
[ "$attempts" -ge 1 ] || usage_error "--attempts is at least 1"
command -v curl >/dev/null || { echo "smoke: curl is not installed" >&2; exit 1; }

# --- One request ------------------------------------------------------------------------------------------------------

# Passwords and tokens are in files that only this user can read. Arguments would be visible to all processes.
umask 077
folder=$(mktemp -d "${TMPDIR:-/tmp}/souk-smoke.XXXXXX")
body=$folder/body
: >"$folder/authorization"

# Sends one request. Sets `status` (000 without a response) and `seconds`, and writes the response to $body.
try() {
    method=$1 path=$2 sent=${3-}
    : >"$body"
    set -- --silent --show-error --request "$method" --connect-timeout 5 --max-time 15 --output "$body"
    set -- "$@" --write-out '%{http_code} %{time_total}' --header "@$folder/authorization"
    if [ -n "$sent" ]; then
        set -- "$@" --header 'Content-Type: application/json' --data-binary @-
    fi
    report=$(printf '%s' "$sent" | curl "$@" "$base$path" 2>"$folder/curl") || true
    status=${report%% *} seconds=${report##* }
    [ -n "$status" ] || status=000
}

# Whether the status is one that a retry can change.
is_transient() {
    case $status in
        000 | 429 | 502 | 503 | 504) return 0 ;;
        *) return 1 ;;
    esac
}

# Sends a request, and retries it after transient failures.
request() {
    tries=1
    try "$@"
    while is_transient && [ "$tries" -lt "$attempts" ]; do
        echo "  ... $1 $2: $(describe); retrying"
        sleep 2
        tries=$((tries + 1))
        try "$@"
    done
}

# Prints the last response in one line, but never one with tokens.
describe() {
    if [ "$status" = 000 ]; then
        printf 'no response (%s)' "$(head -n 1 "$folder/curl")"
    else
        case $(head -c 4096 "$body") in
            *'"token"'*) printf 'status %s, a response with tokens' "$status" ;;
            *) printf 'status %s, %s' "$status" "$(head -c 600 "$body" | tr '\r\n' '  ')" ;;
        esac
    fi
}

failed() {
    echo "FAILED $1: $2" >&2
    exit 1
}

# Fails unless the last response has this status.
expect() {
    [ "$status" = "$2" ] || failed "$1" "expected status $2, got $(describe)"
    echo "ok     $1 ($status, $seconds s)"
}

# Prints the first value of a string member of the last response.
member() {
    grep -o "\"$1\":\"[^\"]*" "$body" | head -n 1 | cut -d '"' -f 4
}

# --- The account, which is deleted in any case ------------------------------------------------------------------------

email=
password=
account=none

# Uses the access token of the last response from now on.
use_token() {
    token=$(member token)
    [ -n "$token" ] || failed "$1" "the response with status $status has no token"
    printf 'Authorization: Bearer %s\n' "$token" >"$folder/authorization"
}

sign_in() {
    : >"$folder/authorization"
    request POST /customer/login "{\"email\":\"$email\",\"password\":\"$password\"}"
}

# Deletes the account after a failure. A sign-up without a response may have created it.
clean_up() {
    if [ "$account" = maybe ]; then
        sign_in
        case $status in
            200) use_token "sign in to clean up"; account=exists ;;
            401) account=none ;;
            *) echo "smoke: it is unknown whether the account $email exists: $(describe)" >&2 ;;
        esac
    fi
    if [ "$account" = exists ]; then
        request DELETE /customer/profile "{\"current\":\"$password\"}"
        case $status in
            202 | 401) echo "smoke: the account is deleted" >&2 ;;
            *) echo "smoke: the account $email was not deleted: $(describe)" >&2 ;;
        esac
    fi
}
finish() {
    code=$?
    trap - EXIT
    (clean_up) || true
    rm -rf "$folder"
    exit "$code"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

# --- The steps --------------------------------------------------------------------------------------------------------

begun=$(date +%s)
for path in /customer/whoami /products/whoami /shopping/whoami /web/whoami '/products?limit=1'; do
    while
        try GET "$path"
        [ "$status" != 200 ]
    do
        # A load balancer without targets may answer 404, so every status except 200 is waited for.
        if [ $(($(date +%s) - begun)) -ge "$start_timeout" ]; then
            failed "start" "not ready within $start_timeout s: GET $path: $(describe)"
        fi
        sleep 2
    done
    case $path in
        */whoami) echo "       $(head -c 300 "$body")" ;;
    esac
done
echo "ok     the shop is up (after $(($(date +%s) - begun)) s)"

random=$(od -An -N 12 -tx1 /dev/urandom | tr -d ' \n')
email="smoke-$random@$mail_domain"
password=$(od -An -N 24 -tx1 /dev/urandom | tr -d ' \n')
account=maybe
request POST /customer/signup "{\"email\":\"$email\",\"password\":\"$password\"}"
if [ "$status" = 409 ] && [ "$tries" -gt 1 ]; then
    # An earlier attempt succeeded, but its response was lost.
    sign_in
    expect "sign in after a lost response" 200
else
    expect "sign up" 201
fi
use_token "sign up"
account=exists

request GET /customer/profile
expect "the profile" 200
grep -q "\"email\":\"$email\"" "$body" || failed "the profile" "it is not the profile of $email: $(describe)"

request GET /en
expect "the home page" 200
grep -q '<main' "$body" || failed "the home page" "it is no page: $(describe)"

request GET '/products?sort=price&limit=1'
expect "the catalogue" 200
product=$(member id)
if [ -n "$product" ]; then
    request GET "/products/$product"
    expect "a product" 200
    request GET "/en/p/$product"
    expect "the page of the product leads to its name" 301
    request POST /shopping/cart "{\"product_id\":\"$product\",\"quantity\":1}"
    expect "add to the cart" 200
    grep -q "\"id\":\"$product\"" "$body" || failed "add to the cart" "$product is not in it: $(describe)"
elif [ "$allow_empty" = no ]; then
    failed "the catalogue" "it is empty: import one, or use --empty-catalogue"
fi

request GET /shopping/cart
expect "the cart" 200
if [ -n "$product" ]; then
    grep -q "\"id\":\"$product\"" "$body" || failed "the cart" "$product is no longer in it: $(describe)"
fi
# A stale cart means that `shopping` cannot call `products`.
! grep -q '"stale":true' "$body" || failed "the cart" "shopping cannot call products: $(describe)"

request DELETE /customer/profile "{\"current\":\"$password\"}"
if [ "$status" = 401 ] && [ "$tries" -gt 1 ]; then
    account=none
    failed "the account is deleted" "it is, but the response with the receipt was lost: run this script again"
fi
expect "the account is deleted" 202
account=none
receipt=$(member id)
[ -n "$receipt" ] || failed "the account is deleted" "no receipt: $(describe)"

# Each service gets an event. The receipt is usually complete at once; `customer` repeats the event after 10 s.
rounds=0
while grep -q '"completed_at":null' "$body" && [ "$rounds" -lt 15 ]; do
    rounds=$((rounds + 1))
    sleep 2
    request GET "/customer/erasure/$receipt"
    [ "$status" = 200 ] || failed "the receipt of the erasure" "saw $(describe)"
done
grep -q '"completed_at":"' "$body" || failed "every service has erased" "not within 30 s: $(describe)"
echo "ok     every service has erased"

request GET /customer/profile
expect "the token is rejected" 401
echo "all steps passed at $base"
