#!/usr/bin/env bash
# Healthy is a primary that takes writes. The first time, it makes the replica set of one node.
#
# What is asked every few seconds must cost nothing, and mongosh takes 100 MB and the better part of a second. So this says `hello`
# itself: {hello: 1, $db: "admin"} as an OP_MSG, which needs no password (mongodb.com/docs/manual/reference/mongodb-wire-protocol).
set -euo pipefail

exec 3<>/dev/tcp/127.0.0.1/27017
printf '\x34\0\0\0\x01\0\0\0\0\0\0\0\xdd\x07\0\0\0\0\0\0\0\x1f\0\0\0\x10hello\0\x01\0\0\0\x02\x24db\0\x06\0\0\0admin\0\0' >&3
# One piece: the answer is a few hundred bytes. The name of a member is followed by a zero, and true is a one.
answer=$(timeout 5 dd bs=16384 count=1 status=none <&3 | tr '\0\1' '01')
case $answer in
    # Not by the server that makes the first user, which is in no set.
    *setName*isWritablePrimary01*) ;;
    # Whether it has become one is seen the next time.
    *isreplicaset01*) mongosh --quiet --norc --nodb /replica-set.js && exit 1 ;;
    *) exit 1 ;;
esac
