#!/usr/bin/env bash
# Deletes the cache folder: build output, the tools that setup.sh installed, finished binaries. Not the data of any clone.
source "$(dirname "$0")/env.sh"
for part in target tools site bin; do
    rm -rf "${ELECTRONS_CACHE:?}/$part"
done
rmdir "$ELECTRONS_CACHE" 2>/dev/null || true
say "Deleted $ELECTRONS_CACHE"
