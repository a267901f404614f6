#!/usr/bin/env bash
# Health check of MongoDB: healthy means a writable primary with the users of the services. Creates the replica set of one node on the first
# run, and the users whenever their file has changed.
#
# A check every few seconds must be cheap, but mongosh needs 100 MB and most of a second. So this sends `hello` itself: {hello: 1, $db: "admin"} as an OP_MSG, which needs no password (mongodb.com/docs/manual/reference/mongodb-wire-protocol).
set -euo pipefail

exec 3<>/dev/tcp/127.0.0.1/27017
printf '\x34\0\0\0\x01\0\0\0\0\0\0\0\xdd\x07\0\0\0\0\0\0\0\x1f\0\0\0\x10hello\0\x01\0\0\0\x02\x24db\0\x06\0\0\0admin\0\0' >&3
# The reply is a few hundred bytes, so one read is enough. In BSON a field's name ends with a zero byte, and true is a one.
answer=$(timeout 5 dd bs=16384 count=1 status=none <&3 | tr '\0\1' '01')
case $answer in
    # Not on the temporary server that creates the first user.
    *setName*isWritablePrimary01*)
        cmp -s /run/secrets/mongodb/users /tmp/users ||
            { mongosh --quiet --norc --nodb /users.js && cp /run/secrets/mongodb/users /tmp/users; }
        ;;
    # The next check sees whether it became primary.
    *isreplicaset01*) mongosh --quiet --norc --nodb /replica-set.js && exit 1 ;;
    *) exit 1 ;;
esac
