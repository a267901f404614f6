#!/usr/bin/env bash
# Healthy is a broker that greets: with the frame of a method, which begins with a one. rabbitmq-diagnostics would start an Erlang machine
# for the same, which takes 60 MB and a second of a processor, every few seconds.
set -euo pipefail

exec 3<>/dev/tcp/127.0.0.1/5672
printf 'AMQP\0\0\x09\x01' >&3
greeting=$(timeout 5 dd bs=1 count=1 status=none <&3 | tr '\1' '1')
[ "$greeting" = 1 ]
