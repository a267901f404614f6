#!/bin/bash
# The same when only the environment's properties have changed.
exec .platform/hooks/prebuild/10-secrets.sh
