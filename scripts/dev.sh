#!/usr/bin/env bash
# Debug server on http://127.0.0.1:3000 that rebuilds and reloads the page on every change.
source "$(dirname "$0")/env.sh"
scripts/setup.sh serve
exec cargo leptos watch "$@"
