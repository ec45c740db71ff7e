#!/usr/bin/env bash
# make serve: installs what is missing, builds the release if something changed, and becomes the server.
# Data is in ./data. Arguments are passed to `electrons serve`.
source "$(dirname "$0")/env.sh"
scripts/setup.sh serve
BIN=$(scripts/build.sh release)
exec "$BIN" serve "$@"
