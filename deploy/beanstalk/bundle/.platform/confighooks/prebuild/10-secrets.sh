#!/bin/bash
# Runs the same hook when only the environment's properties have changed.
exec .platform/hooks/prebuild/10-secrets.sh
