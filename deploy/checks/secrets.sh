#!/usr/bin/env bash
# Tests the secrets of Docker Compose: complete, created once, readable only by their users.
set -euo pipefail
cd "$(dirname "$0")/../.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fail() {
    echo "$1" >&2
    exit 1
}

deploy/compose/secrets.sh "$folder" >"$folder/made"
[ "$(wc -l <"$folder/made")" -eq 16 ] || fail "some secrets were not created: $(cat "$folder/made")"
# The hashes of passwords in definitions.json have a new salt each time.
contents() {
    find "$folder" -type f -not -name made -not -name definitions.json -exec sha256sum {} + | sort
}
before=$(contents)
[ -z "$(deploy/compose/secrets.sh "$folder")" ] || fail "a second run created a secret again"
[ "$before" = "$(contents)" ] || fail "a second run changed something"
if find "$folder" -type f -not -name made -perm /377 | grep .; then
    fail "other users can read or write these"
fi

if command -v openssl >/dev/null; then
    openssl pkey -in "$folder/customer/signing-key.pem" -noout || fail "the signing key is invalid"
fi
password() {
    sed -E 's|^[a-z]+://[^:]*:([^@]*)@.*|\1|' "$folder/$1"
}
[ "$(cat "$folder/mongodb/password")" = "$(password operator/mongodb-uri)" ] || fail "the operator's password differs from MongoDB's"
expected=$(for user in customer products shopping mail backup; do echo "$user $(password $user/mongodb-uri)"; done)
[ "$(cat "$folder/mongodb/users")" = "$expected" ] || fail "the users of MongoDB differ from those of the services and of backups"
python3 - "$folder" <<'PYTHON'
import base64, hashlib, json, pathlib, re, sys
folder = pathlib.Path(sys.argv[1])
definitions = json.loads((folder / "rabbitmq/definitions.json").read_text())
permissions = json.loads(pathlib.Path("deploy/rabbitmq/permissions.json").read_text())
assert definitions["permissions"] == permissions, "the rights of the users are not those of the file"
users = {user["name"]: user for user in definitions["users"]}
assert set(users) == {right["user"] for right in permissions}, "a user has no rights, or does not exist"
for name, user in users.items():
    file = folder / ("operator" if name == "souk" else name) / "amqp-url"
    url = re.fullmatch(r"amqp://([a-z]+):([A-Za-z0-9]{32})@rabbitmq:5672/%2f\n", file.read_text())
    assert url and url[1] == name, f"the URL of {name} names another user"
    stored = base64.b64decode(user["password_hash"])
    assert stored[4:] == hashlib.sha256(stored[:4] + url[2].encode()).digest(), f"the password of {name} differs"
    assert user["tags"] == (["administrator"] if name == "souk" else []), f"{name} has the tags {user['tags']}"
PYTHON

# What `souk credentials add customer` writes. The servers get the second user, with the rights of the first.
for file in amqp-url mongodb-uri; do
    sed -i -E 's|//customer:[^@]*@|//customer.2:another@|' "$folder/customer/$file"
done
[ -z "$(deploy/compose/secrets.sh "$folder")" ] || fail "a secret was created again after a password was replaced"
grep -q '^customer.2 another$' "$folder/mongodb/users" || fail "MongoDB does not get the second user"
python3 - "$folder" <<'PYTHON'
import json, pathlib, sys
definitions = json.loads((pathlib.Path(sys.argv[1]) / "rabbitmq/definitions.json").read_text())
permissions = json.loads(pathlib.Path("deploy/rabbitmq/permissions.json").read_text())
for right in permissions:
    if right["user"] == "customer":
        right["user"] = "customer.2"
assert definitions["permissions"] == permissions, "the second user has other rights, or another service has"
assert {user["name"] for user in definitions["users"]} == {right["user"] for right in permissions}
PYTHON

rm "$folder/operator/mongodb-uri"
if deploy/compose/secrets.sh "$folder" 2>"$folder/said"; then
    fail "an incomplete pair was accepted"
fi
grep -q "belong together" "$folder/said" || fail "the error does not explain an incomplete pair: $(cat "$folder/said")"
