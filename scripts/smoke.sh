#!/bin/sh
# Whether a deployment works, seen from outside: somebody signs up, looks at products, fills a cart and deletes the account.
# Each step needs another part: databases, signing key, calls over the bus, events. Needs curl and nothing else.
set -eu

usage() {
    cat <<'USAGE'
usage: scripts/smoke.sh [OPTIONS] BASE_URL

Signs up at the shop at BASE_URL (https://shop.example.com), looks at products, puts one into the cart, deletes the
account and waits until every service has erased it. The account goes even when a step fails. Nothing is ordered.

  --wait SECONDS      how long the shop may take to come up (default 120)
  --attempts NUMBER   how often a step is tried when nobody answers, or with 429, 502, 503 or 504 (default 5)
  --empty-catalogue   the shelves may be empty; the cart is then only looked at
  --help              this text

Exits with 0 when all went well, with 1 when not (the last lines say what was seen), with 2 when called wrongly.
USAGE
}

wrong() {
    echo "smoke: $1" >&2
    usage >&2
    exit 2
}

number() {
    case $2 in
        '' | *[!0-9]*) wrong "$1 takes a whole number, not \"$2\"" ;;
    esac
}

patience=120
attempts=5
may_be_empty=no
base=
while [ $# -gt 0 ]; do
    case $1 in
        --help | -h) usage; exit 0 ;;
        --wait) number "$1" "${2-}"; patience=$2; shift ;;
        --attempts) number "$1" "${2-}"; attempts=$2; shift ;;
        --empty-catalogue) may_be_empty=yes ;;
        -*) wrong "there is no option $1" ;;
        *) [ -z "$base" ] || wrong "one BASE_URL, not two"; base=${1%/} ;;
    esac
    shift
done
case $base in
    http://?* | https://?*) ;;
    '') wrong "BASE_URL is missing" ;;
    *) wrong "BASE_URL begins with http:// or https://" ;;
esac
[ "$attempts" -ge 1 ] || wrong "--attempts is at least 1"
command -v curl >/dev/null || { echo "smoke: curl is not installed" >&2; exit 1; }

# --- One request ------------------------------------------------------------------------------------------------------

# Passwords and tokens are in files that nobody else can read, not in arguments, which every process of the machine can.
umask 077
folder=$(mktemp -d "${TMPDIR:-/tmp}/souk-smoke.XXXXXX")
body=$folder/body
: >"$folder/authorization"

# One try; sets `status` (000 when nobody answered) and `seconds`, and leaves the answer in $body.
try() {
    method=$1 path=$2 sent=${3-}
    : >"$body"
    set -- --silent --show-error --request "$method" --connect-timeout 5 --max-time 15 --output "$body"
    set -- "$@" --write-out '%{http_code} %{time_total}' --header "@$folder/authorization"
    if [ -n "$sent" ]; then
        set -- "$@" --header 'Content-Type: application/json' --data-binary @-
    fi
    said=$(printf '%s' "$sent" | curl "$@" "$base$path" 2>"$folder/curl") || true
    status=${said%% *} seconds=${said##* }
    [ -n "$status" ] || status=000
}

# Whether it is worth asking again: nobody is there (yet), or they ask for patience.
passing() {
    case $status in
        000 | 429 | 502 | 503 | 504) return 0 ;;
        *) return 1 ;;
    esac
}

# A request that is tried again while that may help.
ask() {
    tries=1
    try "$@"
    while passing && [ "$tries" -lt "$attempts" ]; do
        echo "  ... $1 $2: $(seen); once more"
        sleep 2
        tries=$((tries + 1))
        try "$@"
    done
}

# What came back, in one line. The answer to a sign-in has tokens in it and is never shown.
seen() {
    if [ "$status" = 000 ]; then
        printf 'no answer (%s)' "$(head -n 1 "$folder/curl")"
    else
        case $(head -c 4096 "$body") in
            *'"token"'*) printf 'status %s, an answer with tokens' "$status" ;;
            *) printf 'status %s, %s' "$status" "$(head -c 600 "$body" | tr '\r\n' '  ')" ;;
        esac
    fi
}

failed() {
    echo "FAILED $1: $2" >&2
    exit 1
}

# The answer must have this status.
expect() {
    [ "$status" = "$2" ] || failed "$1" "wanted status $2, saw $(seen)"
    echo "ok     $1 ($status, $seconds s)"
}

# The first value of a text member of the last answer.
member() {
    grep -o "\"$1\":\"[^\"]*" "$body" | head -n 1 | cut -d '"' -f 4
}

# --- The account, which goes whatever happens -------------------------------------------------------------------------

email=
password=
account=none

# Sets the header for whoever is signed in.
present() {
    token=$(member token)
    [ -n "$token" ] || failed "$1" "the answer with status $status has no token"
    printf 'Authorization: Bearer %s\n' "$token" >"$folder/authorization"
}

sign_in() {
    : >"$folder/authorization"
    ask POST /customer/login "{\"email\":\"$email\",\"password\":\"$password\"}"
}

# After a failure. An account whose sign-up got no answer may exist all the same.
tidy() {
    if [ "$account" = maybe ]; then
        sign_in
        case $status in
            200) present "sign in to tidy up"; account=made ;;
            401) account=none ;;
            *) echo "smoke: it is not known whether $email was made: $(seen)" >&2 ;;
        esac
    fi
    if [ "$account" = made ]; then
        ask DELETE /customer/profile
        case $status in
            202 | 401) echo "smoke: the account is deleted" >&2 ;;
            *) echo "smoke: the account $email is left behind: $(seen)" >&2 ;;
        esac
    fi
}
finish() {
    code=$?
    trap - EXIT
    (tidy) || true
    rm -rf "$folder"
    exit "$code"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

# --- The steps --------------------------------------------------------------------------------------------------------

begun=$(date +%s)
for path in /customer/whoami /products/whoami /shopping/whoami '/products?limit=1'; do
    while
        try GET "$path"
        [ "$status" != 200 ]
    do
        # A 404 may be a load balancer that does not know its targets yet, so everything but an answer is waited for.
        if [ $(($(date +%s) - begun)) -ge "$patience" ]; then
            failed "the shop comes up" "not within $patience s: GET $path: $(seen)"
        fi
        sleep 2
    done
    case $path in
        */whoami) echo "       $(head -c 300 "$body")" ;;
    esac
done
echo "ok     the shop is up (after $(($(date +%s) - begun)) s)"

random=$(od -An -N 12 -tx1 /dev/urandom | tr -d ' \n')
email="smoke-$random@example.com"
password=$(od -An -N 24 -tx1 /dev/urandom | tr -d ' \n')
account=maybe
ask POST /customer/signup "{\"email\":\"$email\",\"password\":\"$password\"}"
if [ "$status" = 409 ] && [ "$tries" -gt 1 ]; then
    # An earlier try was heard, its answer lost.
    sign_in
    expect "sign in after a lost answer" 200
else
    expect "sign up" 201
fi
present "sign up"
account=made

ask GET /customer/profile
expect "the profile" 200
grep -q "\"email\":\"$email\"" "$body" || failed "the profile" "it is not of $email: $(seen)"

ask GET '/products?sort=price&limit=1'
expect "the catalogue" 200
product=$(member id)
if [ -n "$product" ]; then
    ask GET "/products/$product"
    expect "a product" 200
    ask POST /shopping/cart "{\"product_id\":\"$product\",\"quantity\":1}"
    expect "into the cart" 200
    grep -q "\"id\":\"$product\"" "$body" || failed "into the cart" "$product is not in it: $(seen)"
elif [ "$may_be_empty" = no ]; then
    failed "the catalogue" "it is empty: load one, or say --empty-catalogue"
fi

ask GET /shopping/cart
expect "the cart" 200
if [ -n "$product" ]; then
    grep -q "\"id\":\"$product\"" "$body" || failed "the cart" "$product is no longer in it: $(seen)"
fi
# It is shown from memory then: `shopping` cannot ask `products`.
! grep -q '"stale":true' "$body" || failed "the cart" "shopping cannot ask products: $(seen)"

ask DELETE /customer/profile
if [ "$status" = 401 ] && [ "$tries" -gt 1 ]; then
    account=none
    failed "the account is deleted" "it is, but the answer was lost, and with it the receipt: run this again"
fi
expect "the account is deleted" 202
account=none
receipt=$(member id)
[ -n "$receipt" ] || failed "the account is deleted" "no receipt: $(seen)"

# Each service hears of it by an event. Normally the receipt is complete at once; a lost event is sent again after 10 s.
rounds=0
while grep -q '"completed_at":null' "$body" && [ "$rounds" -lt 15 ]; do
    rounds=$((rounds + 1))
    sleep 2
    ask GET "/customer/erasure/$receipt"
    [ "$status" = 200 ] || failed "the receipt of the erasure" "saw $(seen)"
done
grep -q '"completed_at":"' "$body" || failed "every service has erased" "not within 30 s: $(seen)"
echo "ok     every service has erased"

ask GET /customer/profile
expect "the token is worthless" 401
echo "all well at $base"
