#!/usr/bin/env bash
# Tests the order of the steps of deploy/compose/rotate.sh, with a stand-in for Docker.
set -euo pipefail
cd "$(dirname "$0")/../.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fail() {
    echo "$1" >&2
    exit 1
}

# Two containers; each is `starting` at the first look after its restart. The container b does not become healthy in the folder `broken`.
cat >"$folder/docker" <<'DOCKER'
#!/usr/bin/env bash
cd "$(dirname "$0")"
case $* in
    "compose ps --quiet customer") [ ! -e no-list ] && printf 'a\nb\n' ;;
    inspect*)
        name=${*: -1}
        if [ -e "started-$name" ] && ! { [ -e broken ] && [ "$name" = b ]; }; then echo healthy; else echo starting; touch "started-$name"; fi
        ;;
    *) echo "$*" >>calls ;;
esac
DOCKER
# Time passes at once.
printf '#!/usr/bin/env bash\n' >"$folder/sleep"
chmod +x "$folder/docker" "$folder/sleep"

PATH=$folder:$PATH deploy/compose/rotate.sh customer
expected='compose run --rm credentials add customer
compose run --rm secrets
restart a
restart b
compose run --rm credentials retire customer'
[ "$(cat "$folder/calls")" = "$expected" ] || fail "the steps differ: $(cat "$folder/calls")"

rm "$folder/calls" "$folder"/started-*
touch "$folder/broken"
if PATH=$folder:$PATH READY_WITHIN=1 deploy/compose/rotate.sh customer 2>"$folder/said"; then
    fail "a container that is not healthy was accepted"
fi
grep -q "b is not healthy" "$folder/said" || fail "the error does not name the container: $(cat "$folder/said")"
if grep -q retire "$folder/calls"; then
    fail "the former users were deleted although a container may use them"
fi

# The rest, after the cause was mended.
rm "$folder/calls" "$folder/broken"
PATH=$folder:$PATH deploy/compose/rotate.sh --finish customer
[ "$(cat "$folder/calls")" = "$(tail -n +2 <<<"$expected")" ] || fail "the steps differ: $(cat "$folder/calls")"

rm "$folder/calls"
touch "$folder/no-list"
if PATH=$folder:$PATH deploy/compose/rotate.sh customer; then
    fail "a failure to list the containers was ignored"
fi
if grep -q retire "$folder/calls"; then
    fail "the former users were deleted although the containers are not known"
fi
